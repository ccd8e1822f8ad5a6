"""Choosing the reader for a file."""

import gc
from pathlib import Path

import openslide

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import dicom_series, is_dicom_slide, slide_files
from pathopipe.slide.backend import Backend, DecodeError, check_size
from pathopipe.slide.companions import check_companions
from pathopipe.slide.image_backend import IMAGE_MAGIC, ImageBackend
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.slide import Slide
from pathopipe.slide.source import SourceFiles, unreadable

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LARGE_PX = 1 << 30
_OURS = {None, "aperio", "generic-tiff"}
_MAY_HOLD_PLANES = {"hamamatsu"}
_UNREAD = {
    b"ZISRAWFILE": "a Zeiss CZI",
    b"<DataObject ObjectType": "a Philips iSyntax file",
    b"BM": "a BMP",
    b"GIF8": "a GIF",
    b"\0\0\0\x0cjP": "a JPEG 2000 image",
    b"%PDF": "a PDF",
}


def open_slide(path: Path, mpp: tuple[float, float] | None = None, threads: int = 1, *, sweep: bool = False) -> Slide:
    """Open a slide or a field of view.

    Parameters
    ----------
    path
        File, or for a DICOM series its folder.
    mpp
        Micrometers per level-0 pixel along x and y from the sample sheet; overrides what the file says.
    threads
        How many will read windows at a time; so much more is kept.
    sweep
        Whether windows that overlap will be read row by row.

    Raises
    ------
    SlideRejectedError
        When the content cannot be analyzed.
    FaultError
        When the file is not there or not readable.
    """
    source = SourceFiles(path)
    try:
        backend = _backend(path)
    except DecodeError as error:
        # What the library said stays in the log's chain of errors: it often names the path, which may name a patient.
        raise source.fault() or SlideRejectedError(
            "the file is damaged and cannot be opened: copy or export it again"
        ) from error
    except OSError as error:
        raise unreadable(error) from error
    width, height = backend.levels[0].width, backend.levels[0].height
    try:
        check_size(width, height)
    except SlideRejectedError:
        backend.close()
        raise
    if width * height > _LARGE_PX:
        gc.collect()  # what tifffile read of the directory refers to itself: an object for each tile
    return Slide(path, backend, mpp, source, threads, sweep=sweep)


def _backend(path: Path) -> Backend:
    if is_dicom_slide(path):
        from pathopipe.slide.dicom_backend import open_dicom

        return open_dicom(_series(path))
    if path.is_dir():
        raise SlideRejectedError("the folder holds no DICOM files: give the slide's file in the sample sheet")
    with path.open("rb") as stream:
        magic = stream.read(32)
    if not magic:
        raise SlideRejectedError("the file is empty: copy or export it again")
    if path.suffix.lower() == ".vsi":
        raise SlideRejectedError("an Olympus VSI cannot be read: export the slide as OME-TIFF")
    check_companions(path)
    vendor = openslide.OpenSlide.detect_format(path)
    if magic.startswith(IMAGE_MAGIC) and vendor is None:  # an MRXS begins with a picture of the slide
        return ImageBackend(path)
    if magic.startswith(_TIFF_MAGIC):
        return _tiff_backend(path, vendor)
    if vendor is None:
        raise SlideRejectedError(_unknown(magic))
    return OpenSlideBackend(path)


def _series(path: Path) -> list[Path]:
    files = slide_files(path)
    series = {dicom_series(file) for file in files}
    if len(series) > 1:
        raise SlideRejectedError(
            f"the folder holds {len(series)} DICOM series: give one file of each series in a line of the sample sheet"
        )
    return files


def _unknown(magic: bytes) -> str:
    for start, name in _UNREAD.items():
        if magic.startswith(start):
            return f"{name} cannot be read: export it as OME-TIFF or another tiled TIFF"
    return "the file is not a slide or image in a known format, or its beginning is damaged: copy or export it again"


def _tiff_backend(path: Path, vendor: str | None) -> Backend:
    """OpenSlide knows how some scanners arrange a TIFF; all others are read by us alone, so that no pixels differ."""
    from pathopipe.slide.tiff_backend import open_tiff
    from pathopipe.slide.tiff_images import check_scan

    if vendor in _OURS:
        return open_tiff(path)
    check_scan(path, planes=vendor in _MAY_HOLD_PLANES)
    try:
        return OpenSlideBackend(path)
    except (DecodeError, SlideRejectedError) as error:
        try:
            return open_tiff(path)
        except (DecodeError, SlideRejectedError):
            raise error from None
