"""Recognizing a slide wherever it lies, by its size and samples of its bytes."""

import configparser
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SAMPLES = 16
_SAMPLE_BYTES = 1 << 14
_CHUNK_BYTES = 1 << 22
_DICOM_HEAD_BYTES = 1 << 16
_DICOM_META_BYTES = 1 << 10
_DICOM_INDEX = b"1.2.840.10008.1.3.10"
_NAMING_OTHERS = {".vms", ".vmu"}
# Study (0020,000D) directly before series (0020,000E): so they stand in the file itself, not in what it refers to.
_DICOM_SERIES = re.compile(rb"\x20\x00\x0d\x00UI..[0-9. \0]{1,64}\x20\x00\x0e\x00UI..([0-9.]{1,64})", re.DOTALL)


@dataclass(frozen=True)
class Identity:
    """Size in bytes of all files of a slide, and a hash of samples of them."""

    size: int
    sampled_sha256: str

    def __str__(self) -> str:
        return f"{self.size}-{self.sampled_sha256}"


def slide_files(path: Path) -> list[Path]:
    """All files of a slide, sorted by name: of an MRXS the data folder too, of a DICOM file those of its series."""
    if path.is_dir():
        return dicom_files(path) or _files_in(path)
    if path.suffix.lower() == ".mrxs" and path.with_suffix("").is_dir():
        return [path, *_files_in(path.with_suffix(""))]
    if path.suffix.lower() in _NAMING_OTHERS:
        return [path, *sorted(file for file in named_files(path) if file.is_file())]
    if is_dicom_index(path):
        return dicom_files(path.parent)
    if is_dicom(path):
        series = dicom_series(path)
        return [file for file in dicom_files(path.parent) if dicom_series(file) == series]
    return [path]


def named_files(path: Path) -> list[Path]:
    """The files that the text of an MRXS, VMS or VMU says the pixels lie in, whether they are there or not."""
    if path.suffix.lower() == ".mrxs":
        folder = path.with_suffix("")
        sections = _ini(folder / "Slidedat.ini")
        data = sections.get("DATAFILE", {})
        names = [data[key] for key in data if re.fullmatch(r"file_\d+", key)]
        names.append(sections.get("HIERARCHICAL", {}).get("indexfile", ""))
        return [folder / "Slidedat.ini", *(folder / name for name in names if name)]
    if path.suffix.lower() in _NAMING_OTHERS:
        entries = [entry for section in _ini(path).values() for entry in section.items()]
        return [path.parent / name for key, name in entries if name and re.match(r"imagefile|mapfile", key)]
    return []


def _ini(file: Path) -> dict[str, dict[str, str]]:
    """Sections of an INI file; keys are in lower case. Empty where it isn't there or can't be parsed."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8-sig", errors="replace"))
    except (FileNotFoundError, configparser.Error):
        return {}
    return {name: dict(parser[name]) for name in parser.sections()}


def is_dicom(file: Path) -> bool:
    """Whether a file starts as DICOM files do, whatever its name."""
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def is_dicom_index(file: Path) -> bool:
    """Whether a file is a DICOMDIR: it lists the files of a medium and holds no image."""
    with file.open("rb") as stream:
        head = stream.read(_DICOM_META_BYTES)
    return head[128:132] == b"DICM" and _DICOM_INDEX in head


def is_dicom_slide(path: Path) -> bool:
    """Whether a path names DICOM: a file, an index, or a folder that holds some."""
    return bool(dicom_files(path)) if path.is_dir() else is_dicom(path)


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files that lie directly in a folder, or where it holds just an index, those below; sorted by name."""
    found = [file for file in folder.iterdir() if file.is_file() and is_dicom(file)]
    images = sorted(file for file in found if not is_dicom_index(file))
    if found and not images:
        return [file for file in _files_in(folder) if is_dicom(file) and not is_dicom_index(file)]
    return images


def dicom_series(file: Path) -> str | None:
    """The series that a DICOM file belongs to: one slide is one series; None where the file does not name it."""
    with file.open("rb") as stream:
        found = _DICOM_SERIES.search(stream.read(_DICOM_HEAD_BYTES))
    return found[1].decode() if found else None


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def identify(path: Path) -> Identity:
    """Identify a slide by its size and 16 samples per file; a few milliseconds for any size."""
    digest, size = hashlib.sha256(), 0
    for file in slide_files(path):
        length = file.stat().st_size
        size += length
        digest.update(f"{length}\n".encode())
        with file.open("rb") as stream:
            for number in range(_SAMPLES):
                stream.seek(max(0, length - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE_BYTES))
    return Identity(size, digest.hexdigest()[:32])


def full_sha256(path: Path, progress: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256 of all bytes of a slide, its files one after the other in the order of their names."""
    digest = hashlib.sha256()
    for file in slide_files(path):
        for chunk in _chunks(file):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
