"""Choosing the reader for a file."""

import gc
from pathlib import Path

import openslide

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import dicom_files, dicom_series
from pathopipe.slide.backend import Backend, DecodeError
from pathopipe.slide.image_backend import ImageBackend
from pathopipe.slide.openslide_backend import OpenSlideBackend
from pathopipe.slide.slide import Slide
from pathopipe.slide.source import SourceFiles, unreadable

_IMAGE_MAGIC = (b"\x89PNG", b"\xff\xd8\xff")
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LARGE_PX = 1 << 30
_PLAIN = {None, "generic-tiff"}
_MAY_HOLD_PLANES = {"aperio", "hamamatsu"}
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
        Micrometers per level-0 pixel along x and y from the sample sheet; goes before what the file says.
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
        file = _main_file(path)
        backend = _backend(file)
    except DecodeError as error:
        # What the library said stays in the log's chain of errors: it often names the path, which may name a patient.
        raise source.fault() or SlideRejectedError(
            "the file is damaged and cannot be opened: copy or export it again"
        ) from error
    except OSError as error:
        raise unreadable(error) from error
    _check_size(backend)
    if backend.levels[0].width * backend.levels[0].height > _LARGE_PX:
        gc.collect()  # what tifffile read of the directory refers to itself: an object for each tile
    return Slide(file, backend, mpp, source, threads, sweep=sweep)


def _check_size(backend: Backend) -> None:
    if min(backend.levels[0].width, backend.levels[0].height) < 1:
        backend.close()
        raise SlideRejectedError("the image has no pixels: export it again")


def _main_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = dicom_files(path)
    if not files:
        raise SlideRejectedError("the folder holds no DICOM files: give the slide's file in the sample sheet")
    series = {dicom_series(file) for file in files}
    if len(series) > 1:
        raise SlideRejectedError(
            f"the folder holds {len(series)} DICOM series: give one file of each series in a line of the sample sheet"
        )
    return files[0]


def _backend(path: Path) -> Backend:
    with path.open("rb") as stream:
        magic = stream.read(32)
    if not magic:
        raise SlideRejectedError("the file is empty: copy or export it again")
    if path.suffix.lower() == ".vsi":
        raise SlideRejectedError("an Olympus VSI cannot be read: export the slide as OME-TIFF")
    if magic.startswith(_IMAGE_MAGIC):
        return ImageBackend(path)
    vendor = openslide.OpenSlide.detect_format(path)
    if magic.startswith(_TIFF_MAGIC):
        from pathopipe.slide.scaled_backend import with_scaled_levels

        return with_scaled_levels(_tiff_backend(path, vendor), path)
    if vendor is None:
        raise SlideRejectedError(_unknown(magic))
    return OpenSlideBackend(path)


def _unknown(magic: bytes) -> str:
    for start, name in _UNREAD.items():
        if magic.startswith(start):
            return f"{name} cannot be read: export it as OME-TIFF or another tiled TIFF"
    return "the file is no slide or image of a known format, or its beginning is damaged: copy or export it again"


def _tiff_backend(path: Path, vendor: str | None) -> Backend:
    from pathopipe.slide.tiff_backend import TiffBackend
    from pathopipe.slide.tiff_series import check_brightfield, check_scan

    if vendor is not None:
        check_scan(path, aperio=vendor == "aperio", planes=vendor in _MAY_HOLD_PLANES)
    if vendor not in _PLAIN:
        return OpenSlideBackend(path)
    is_ome = check_brightfield(path)
    if is_ome or vendor is None:
        return TiffBackend(path)
    try:
        return OpenSlideBackend(path)
    except (DecodeError, SlideRejectedError):  # OpenSlide lacks some compressions
        return TiffBackend(path)
