"""Whole-slide images in DICOM (supplement 145): the instances of a series, which hold the levels as frames."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, RGB, DecodeError, check_size
from pathopipe.slide.pieces import CodedPieces, JpegPieces, Layout, Pieces
from pathopipe.slide.tiff_images import MAX_PIECE_PX, ONLY, decoding
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
_ITEM: Final = b"\xfe\xff\x00\xe0"
_UNDEFINED: Final = 0xFFFFFFFF
_BEYOND: Final = 1 << 60
_MM: Final = 1000.0
_MOST_SPARSE: Final = 50_000_000


@dataclass(frozen=True)
class _Instance:
    """One file of a series, without its pixels, and where these begin."""

    path: Path
    content: pydicom.Dataset
    pixels_at: int

    def __getattr__(self, name: str) -> Any:
        """Value of an attribute of the standard; None where the file lacks it."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.content.get(name)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole level in pixels."""
        return int(self.TotalPixelMatrixColumns or 0), int(self.TotalPixelMatrixRows or 0)

    @property
    def kind(self) -> list[str]:
        """The four values of its image type."""
        return [str(value) for value in self.ImageType or ()]


def open_dicom(files: Sequence[Path]) -> TiledBackend:
    """Open a series.

    Raises
    ------
    SlideRejectedError
        When it is no complete whole-slide image of one plane of 8-bit color.
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
                "the series lacks the image of full resolution, of which its images were made: copy all of its files"
            )
        levels = [_level(list(parts)) for _, parts in groupby(volume, key=lambda one: one.size)]
        return TiledBackend("dicom", levels, _mpp(volume[0]))


def _read(file: Path) -> _Instance | None:
    """Read what is before the pixels; None for a file that is no whole-slide image."""
    with file.open("rb") as stream:
        content = pydicom.dcmread(stream, stop_before_pixels=True)
        instance = _Instance(file, content, stream.tell())
    return instance if content.get("SOPClassUID") == _WHOLE_SLIDE else None


def _check(one: _Instance) -> None:
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
        raise SlideRejectedError(f"the slide is stored in frames of {one.Columns} x {one.Rows} pixels: export it anew")


def _level(parts: list[_Instance]) -> Stored:
    """A level of one instance."""
    first = parts[0]
    total = int(first.InConcatenationTotalNumber or 1)
    if total > 1:
        found = {int(part.InConcatenationNumber or 0) for part in parts}
        missing = sorted({*range(1, total + 1)} - found)
        lacking = f", of which {len(missing)} are missing" if missing else ""
        raise SlideRejectedError(
            f"a level of the series is spread over {total} files{lacking}: export it with one file for each level"
        )
    if len(parts) > 1:
        raise SlideRejectedError(f"the series holds {len(parts)} images of the same size: {ONLY}")
    return Stored(_pieces(first), first.path)


def _pieces(one: _Instance) -> Pieces:
    syntax = str(one.content.file_meta.TransferSyntaxUID)
    if syntax not in {*_JPEG, *_NATIVE, *_CODECS}:
        name = pydicom.uid.UID(syntax).name
        raise SlideRejectedError(f"DICOM compressed as '{name}' is not supported: export it as JPEG or JPEG 2000")
    _check_frames(one)
    layout = Layout(one.size, (one.Columns, one.Rows), *_grid(one, *_frames(one)))
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


def _is_sparse(one: _Instance) -> bool:
    return bool(
        one.DimensionOrganizationType == "TILED_SPARSE"
        or (one.DimensionOrganizationType is None and one.PerFrameFunctionalGroupsSequence)
    )


def _check_frames(one: _Instance) -> None:
    """Compare the frames that a level lists with those that it must have."""
    stated, needed = int(one.NumberOfFrames or 1), -(-one.size[0] // one.Columns) * -(-one.size[1] // one.Rows)
    if not _is_sparse(one) and stated < needed:
        raise _lacking(needed - stated, needed)
    if stated > needed:
        raise DecodeError(f"a level of {needed} frames lists {stated}")


def _lacking(missing: int, needed: int) -> SlideRejectedError:
    return SlideRejectedError(
        f"a level of the DICOM series lacks {missing:,} of {needed:,} frames: copy or export all of it again"
    )


def _grid(one: _Instance, offsets: list[int], lengths: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put frames at their places; a place of a sparse image that has no frame was left out.

    Raises
    ------
    SlideRejectedError
        When more frames are missing than may be damaged.
    DecodeError
        When their places are damaged.
    """
    across, down = -(-one.size[0] // one.Columns), -(-one.size[1] // one.Rows)
    stated = int(one.NumberOfFrames or 1)
    sparse = _is_sparse(one)
    if stated - len(offsets) > MAX_DAMAGED_SHARE * stated:
        raise _lacking(stated - len(offsets), stated)
    places = np.array(list(_places(one, across, down))) if sparse else np.arange(stated)
    if len(places) != stated or (sparse and across * down > _MOST_SPARSE):
        raise DecodeError("the places of frames are damaged")
    # Frames beyond the end of the file are left as such: they count as damage when they are read.
    missing = stated - len(offsets)
    grid = np.zeros((2, across * down), np.int64)
    grid[:, places] = [[*offsets[:stated], *[_BEYOND] * missing], [*lengths[:stated], *[1] * missing]]
    return grid[0], grid[1]


def _places(one: _Instance, across: int, down: int) -> Iterator[int]:
    for frame in one.PerFrameFunctionalGroupsSequence or ():
        place = frame.PlanePositionSlideSequence[0]
        column = (int(place.ColumnPositionInTotalImagePixelMatrix) - 1) / one.Columns
        row = (int(place.RowPositionInTotalImagePixelMatrix) - 1) / one.Rows
        if column % 1 or row % 1 or not (0 <= column < across and 0 <= row < down):
            raise SlideRejectedError("the frames of the DICOM file do not lie on one grid: export it as 'TILED_FULL'")
        yield int(row * across + column)


def _frames(one: _Instance) -> tuple[list[int], list[int]]:
    """Where each frame lies in the file, and its length in bytes."""
    with one.path.open("rb") as file:
        file.seek(one.pixels_at)
        head = file.read(12)
        if head[:4] != b"\xe0\x7f\x10\x00":
            raise DecodeError("the file ends before its pixels")
        explicit = head[4:6] in {b"OB", b"OW"}
        length = int.from_bytes(head[8:12] if explicit else head[4:8], "little")
        start = one.pixels_at + (12 if explicit else 8)
        size = file.seek(0, 2)
        if length != _UNDEFINED:
            frame = int(one.Rows) * int(one.Columns) * 3
            many = min(int(one.NumberOfFrames or 1), max(0, size - start) // frame)
            return [start + number * frame for number in range(many)], [frame] * many
        return _items(file, start, size, int(one.NumberOfFrames or 1))


def _items(file: Any, start: int, size: int, stated: int) -> tuple[list[int], list[int]]:
    """Walk over the items of encapsulated pixels, of which the first is an index that isn't needed."""
    offsets, lengths, at = list[int](), list[int](), start
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if head[:4] != _ITEM:
            break
        length = int.from_bytes(head[4:], "little")
        offsets.append(at + 8)
        lengths.append(length)
        at += 8 + length
    if len(offsets) - 1 > stated:
        raise SlideRejectedError("the frames of the DICOM file are cut into several parts each: export it anew")
    whole = [place for place, length in zip(offsets[1:], lengths[1:], strict=True) if place + length <= size]
    return whole, lengths[1 : 1 + len(whole)]


def _mpp(one: _Instance) -> tuple[float, float] | None:
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
