"""Slides in a folder: which there are, and what their headers say of them."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SLIDES: Final = {".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".svslide", ".tif", ".tiff", ".btf", ".dcm"}
_IMAGES: Final = {".png", ".jpg", ".jpeg"}
# The class of DICOM files that are slides; other files in a hospital's series folder are not.
_WHOLE_SLIDE: Final = b"1.2.840.10008.5.1.4.1.1.77.1.6"
_HEAD_BYTES: Final = 1 << 16

Key = tuple[Path, str]


def find_slides(folder: Path, images: bool = False) -> list[Path]:
    """Slides below a folder, sorted, hidden ones not; a DICOM series is one slide, the data folder of an MRXS none."""
    files = [file for file in _visible(folder, _SLIDES | (_IMAGES if images else set())) if file.is_file()]
    data_folders = {file.with_suffix("") for file in files if file.suffix.lower() == ".mrxs"}
    files = [file for file in files if not data_folders & set(file.parents)]
    series = _first_of_series(file for file in files if is_dicom_name(file))
    return [file for file in files if not is_dicom_name(file) or file in series]


def broken_links(folder: Path, images: bool = False) -> list[Path]:
    """Links below a folder that are named like slides and lead nowhere."""
    return [file for file in _visible(folder, _SLIDES | (_IMAGES if images else set())) if not file.exists()]


def count_images(folder: Path) -> int:
    """PNG and JPEG images below a folder."""
    return len(_visible(folder, _IMAGES))


def is_dicom_name(file: Path) -> bool:
    """Whether a file is named as DICOM files are."""
    return file.suffix.lower() == ".dcm"


def key(path: Path) -> Key:
    """Recognize a slide, whichever file of its series is given, or its folder."""
    from pathopipe.identity import dicom_files, dicom_series

    file = path.resolve()
    try:
        if file.is_dir():
            file = next(iter(dicom_files(file)), file)
        if is_dicom_name(file):
            return file.parent, dicom_series(file) or file.name
    except OSError:  # of a file that is not there the path says all
        pass
    return file, ""


def look(path: Path) -> tuple[bool, str | None]:
    """Whether a slide lacks an mpp, and why it cannot be analyzed, as far as its header tells."""
    from pathopipe.errors import PathopipeError
    from pathopipe.slide import open_slide

    try:
        with open_slide(path) as slide:
            return slide.backend.mpp is None, None
    except PathopipeError as error:
        return False, str(error)


def identical(slides: Iterable[Path]) -> list[list[Path]]:
    """Slides of the same content, in groups; empty files are not slides."""
    from pathopipe.identity import identify

    sizes, groups = defaultdict[int, list[Path]](list), defaultdict[str, list[Path]](list)
    for slide in (slide for slide in slides if slide.exists()):
        sizes[slide.stat().st_size].append(slide)
    for size, alike in sizes.items():
        for slide in alike if size and len(alike) > 1 else ():
            groups[str(identify(slide))].append(slide)
    return [group for group in groups.values() if len(group) > 1]


def _visible(folder: Path, endings: set[str]) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.suffix.lower() in endings and not file.is_dir())
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _first_of_series(files: Iterable[Path]) -> set[Path]:
    """The first file of each DICOM series that is a slide; empty files count as slides, to be rejected later."""
    first = dict[Key, Path]()
    for file in files:
        if _is_whole_slide(file):
            first.setdefault(key(file), file)
    return set(first.values())


def _is_whole_slide(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False
    return not head or _WHOLE_SLIDE in head
