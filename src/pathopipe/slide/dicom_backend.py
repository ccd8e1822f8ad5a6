"""Whole-slide images in DICOM (supplement 145): the instances of a series, which hold the levels as frames."""

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError, check_size, decoding
from pathopipe.slide.dicom_frames import Instance, places
from pathopipe.slide.pieces import CodedPieces, JpegPieces, Layout, Pieces
from pathopipe.slide.tiff_images import MAX_PIECE_PX, ONLY
from pathopipe.slide.tiled_backend import Stored, TiledBackend

# It complains of values that break the standard and that nothing here needs.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_WHOLE_SLIDE: Final = "1.2.840.10008.5.1.4.1.1.77.1.6"
_NATIVE: Final = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
_JPEG: Final = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}
_CODECS: Final[dict[str, Callable[[bytes], NDArray[Any]]]] = {
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.81": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
    "1.2.840.10008.1.2.4.91": imagecodecs.jpeg2k_decode,
}
_MM: Final = 1000.0


def open_dicom(files: Sequence[Path]) -> TiledBackend:
    """Open a series.

    Raises
    ------
    SlideRejectedError
        When it is not a complete whole-slide image of one plane in 8-bit color.
    DecodeError
        When a file is damaged.
    """
    with decoding(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instances = [instance for file in files if (instance := _read(file)) is not None]
        volume = sorted((one for one in instances if "VOLUME" in one.kind), key=lambda one: (-one.size[0], one.size))
        if not volume:
            raise SlideRejectedError("the DICOM series holds no whole-slide image: give the series of the slide")
        for instance in volume:
            _check(instance)
        if "RESAMPLED" in volume[0].kind[3:]:
            raise SlideRejectedError(
                "the series lacks the full-resolution image that its other images were made from: copy all of its files"
            )
        levels = [_level(list(parts)) for _, parts in groupby(volume, key=lambda one: one.size)]
        return TiledBackend("dicom", levels, _mpp(volume[0]))


def _read(file: Path) -> Instance | None:
    """Read what is before the pixels; None for a file that is not a whole-slide image."""
    with file.open("rb") as stream:
        content = pydicom.dcmread(stream, stop_before_pixels=True)
        instance = Instance(file, content, stream.tell())
    return instance if content.get("SOPClassUID") == _WHOLE_SLIDE else None


def _check(one: Instance) -> None:
    if one.SamplesPerPixel != 3 or one.BitsAllocated != 8:
        raise SlideRejectedError(
            f"the file holds {one.SamplesPerPixel} samples of {one.BitsAllocated} bits per pixel: {ONLY}"
        )
    for many, word in ((one.TotalPixelMatrixFocalPlanes, "focal planes"), (one.NumberOfOpticalPaths, "optical paths")):
        if (many or 1) > 1:
            raise SlideRejectedError(f"the file holds {many} {word}: {ONLY}")
    check_size(*one.size)
    if min(int(one.Rows or 0), int(one.Columns or 0)) < 1:
        raise DecodeError("its frames have no pixels")
    if one.Rows * one.Columns > MAX_PIECE_PX:
        raise SlideRejectedError(f"the slide is stored in frames of {one.Columns} x {one.Rows} pixels: export it again")


def _level(parts: list[Instance]) -> Stored:
    """A level of one instance."""
    first = parts[0]
    total = int(first.InConcatenationTotalNumber or 1)
    if total > 1:
        found = {int(part.InConcatenationNumber or 0) for part in parts}
        missing = sorted({*range(1, total + 1)} - found)
        lacking = f", {len(missing)} of them missing" if missing else ""
        raise SlideRejectedError(
            f"a level of the series is spread over {total} files{lacking}: export it with one file per level"
        )
    if len(parts) > 1:
        raise SlideRejectedError(f"the series holds {len(parts)} images of the same size: {ONLY}")
    return Stored(_pieces(first), first.path)


def _pieces(one: Instance) -> Pieces:
    syntax = str(one.content.file_meta.TransferSyntaxUID)
    if syntax not in {*_JPEG, *_NATIVE, *_CODECS}:
        name = pydicom.uid.UID(syntax).name
        raise SlideRejectedError(f"DICOM compressed as '{name}' is not supported: export it as JPEG or JPEG 2000")
    layout = Layout(one.size, (one.Columns, one.Rows), *places(one))
    if syntax in _JPEG:
        with one.path.open("rb") as file:
            return JpegPieces(layout, file.fileno(), None, str(one.PhotometricInterpretation).startswith("YBR"))
    to_rgb = jpeg.to_rgb if one.PhotometricInterpretation == "YBR_FULL" else np.asarray
    if syntax in _NATIVE:
        return CodedPieces(layout, partial(_native, one.Rows, one.Columns, one.PlanarConfiguration), 1, to_rgb)
    return CodedPieces(layout, partial(_coded, _CODECS[syntax]), 1, to_rgb)


def _native(rows: int, columns: int, planar: int | None, data: bytes, _: int) -> RGB:
    pixels = np.frombuffer(data, np.uint8)
    return pixels.reshape(3, rows, columns).transpose(1, 2, 0) if planar else pixels.reshape(rows, columns, 3)


def _coded(codec: Callable[[bytes], NDArray[Any]], data: bytes, _: int) -> NDArray[Any]:
    with decoding():
        pixels = codec(data)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DecodeError(f"a frame has pixels of shape {pixels.shape}")
    return pixels


def _mpp(one: Instance) -> tuple[float, float] | None:
    """Micrometers per pixel along x and y, else None."""
    try:
        spacing = one.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
        return float(spacing[1]) * _MM, float(spacing[0]) * _MM
    except (AttributeError, TypeError, IndexError, ValueError):
        pass
    sizes = one.ImagedVolumeWidth, one.ImagedVolumeHeight
    if all(sizes):
        return float(sizes[0]) * _MM / one.size[0], float(sizes[1]) * _MM / one.size[1]
    return None
