"""Knowing a slide again wherever it lies: by its size and samples of its bytes."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SAMPLES = 16
_SAMPLE_BYTES = 1 << 14
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Identity:
    """Size in bytes of all files of a slide, and a hash of samples of them."""

    size: int
    sampled_sha256: str

    def __str__(self) -> str:
        return f"{self.size}-{self.sampled_sha256}"


def slide_files(path: Path) -> list[Path]:
    """All files of a slide: of an MRXS the data folder too, of a DICOM slide the files beside it, sorted by name."""
    if path.is_dir():
        return _files_in(path)
    if path.suffix.lower() == ".mrxs" and path.with_suffix("").is_dir():
        return [path, *_files_in(path.with_suffix(""))]
    if path.suffix.lower() == ".dcm":
        return sorted(file for file in path.parent.iterdir() if file.suffix.lower() == ".dcm")
    return [path]


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
