"""Choosing the reader for a file."""

from pathlib import Path

import openslide

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.slide.backend import Backend
from pathopipe.slide.image_backend import ImageBackend
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.slide import Slide
from pathopipe.slide.tiff_backend import TiffBackend, check_brightfield

_IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff")
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: Path, mpp: tuple[float, float] | None = None) -> Slide:
    """Open a slide or a field of view.

    Parameters
    ----------
    path
        File, or for a DICOM series its folder.
    mpp
        Micrometers per level-0 pixel along x and y from the sample sheet; goes before what the file says.

    Raises
    ------
    SlideRejectedError
        When the content cannot be analyzed.
    FaultError
        When the file is not there or not readable.
    """
    file = _main_file(path)
    try:
        with file.open("rb") as stream:
            magic = stream.read(4)
        return Slide(file, _backend(file, magic), mpp)
    except OSError as error:
        raise FaultError(f"the slide's file cannot be read ({error.strerror}): bring it back and run again") from error


def _main_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.dcm"))
    if not files:
        raise SlideRejectedError("the folder holds no DICOM files (*.dcm): give the slide's file in the sample sheet")
    return files[0]


def _backend(path: Path, magic: bytes) -> Backend:
    if not magic:
        raise SlideRejectedError("the file is empty: copy or export it again")
    if magic.startswith(_IMAGE_MAGIC):
        return ImageBackend(path)
    vendor = openslide.OpenSlide.detect_format(str(path))
    tiff = magic in _TIFF_MAGIC
    if tiff and (vendor is None or vendor == "generic-tiff"):
        check_brightfield(path)
        if vendor is None or _is_ome(path):
            return TiffBackend(path)
    if vendor is None:
        raise SlideRejectedError("the file is no slide or image of a known format, or its beginning is damaged")
    return OpenSlideBackend(path)


def _is_ome(path: Path) -> bool:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return bool(tiff.is_ome)
