"""TIFF: Aperio's SVS, OME-TIFF, and every other one that describes its images by itself."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError, decoding, over_white
from pathopipe.slide.ome import ome_mpp
from pathopipe.slide.pieces import CodedPieces, JpegPieces, Layout, Pieces
from pathopipe.slide.pyramid import shows_the_same
from pathopipe.slide.tiff_images import (
    JPEG2000_YCC,
    JPEGS,
    MAX_PIECE_PX,
    ONLY,
    PLANAR,
    YCBCR,
    TiffImage,
    check_end,
    check_samples,
    factor_between,
    images_of,
    main_image,
)
from pathopipe.slide.tiled_backend import Stored, TiledBackend

# Compressions without a checksum, whose damage shows in the number of bytes that come out.
_UNPACKERS: Final[dict[int, Callable[[bytes], bytes | bytearray]]] = {
    1: bytes,
    5: imagecodecs.lzw_decode,
    32773: imagecodecs.packbits_decode,
}
_PREMULTIPLIED, _STRAIGHT = 1, 2
_SHOWN: Final = 5
_PADDED_FACTORS: Final = (2, 4, 8, 16, 32, 64)
_IMAGEJ_MICRON: Final = {"micron", "microns", "um", "µm", "\u03bcm", "\\u00B5m"}


def open_tiff(path: Path) -> TiledBackend:
    """Open a TIFF: its largest image, and those that are smaller versions of it.

    The orientation that a TIFF may state is not applied: coordinates are those of the pixels as stored. A fourth sample
    is transparency where the file says so, and else is left out.

    Raises
    ------
    SlideRejectedError
        When it does not hold one brightfield scene in 8-bit RGB.
    DecodeError
        When its directory is damaged.
    """
    with decoding(), tifffile.TiffFile(path) as tiff:
        images = images_of(tiff)
        main = main_image(images)
        stored = _Levels(tiff, path, main).sort(images)
        name = "ome-tiff" if tiff.is_ome else "aperio" if tiff.is_svs else "tiff"
        return TiledBackend(name, stored, _mpp(tiff, main.keyframe))


class _Levels:
    """Finds the levels of the main image among the other images."""

    def __init__(self, tiff: tifffile.TiffFile, path: Path, main: TiffImage) -> None:
        self._tiff, self._path, self._main = tiff, path, main
        self._levels = [Stored(self._pieces(main), path)]

    def sort(self, images: Sequence[TiffImage]) -> list[Stored]:
        """Return the main image and its levels; reject the file where an image is neither a level nor a label.

        Levels that lack tiles are not used: Aperio's scanners leave tiles out that the larger level has.
        """
        others = [*self._main.below, *(image for image in images if image is not self._main)]
        scenes = []
        for image in sorted(others, key=lambda image: -image.area):
            pieces = self._as_level(image)
            if pieces is not None and (pieces.layout.lengths.all() or not self._tiff.is_svs):
                self._levels.append(Stored(pieces, self._path))
            elif pieces is None and not self._is_small_image(image) and not self._is_padded(image):
                scenes.append(image)
        if scenes:
            raise _several(self._main, scenes)
        return self._levels

    def _is_small_image(self, image: TiffImage) -> bool:
        """Whether a file's own words, or its scanner's habit, say that an image is not a separate scene."""
        return image.reduced or image.is_small_image or self._is_picture(image)

    def _is_picture(self, image: TiffImage) -> bool:
        """Whether an SVS stores an image in strips, as it does its thumbnail, label and macro."""
        return bool(self._tiff.is_svs) and not image.keyframe.is_tiled

    def _is_padded(self, image: TiffImage) -> bool:
        """Whether an image is a smaller version of the main one that ends with whole tiles."""
        frame = image.keyframe
        for factor in _PADDED_FACTORS if frame.is_tiled else ():
            size = (-(-side // factor) for side in self._main.size)
            tiles = (-(-side // tile) for side, tile in zip(size, (frame.tilewidth, frame.tilelength), strict=True))
            across, down = tiles
            if image.size == (across * frame.tilewidth, down * frame.tilelength):
                return self._shows_the_same(self._levels[0], self._pieces(image), factor)
        return False

    def _as_level(self, image: TiffImage) -> Pieces | None:
        """The pieces of an image that is a smaller version of the main one."""
        factor = factor_between(self._levels[-1].size, image.size)
        if self._is_no_level(image) or factor is None or factor_between(self._main.size, image.size) is None:
            return None
        pieces = self._pieces(image)
        return pieces if self._shows_the_same(self._levels[-1], pieces, factor) else None

    def _is_no_level(self, image: TiffImage) -> bool:
        try:
            check_samples(image.keyframe)
        except SlideRejectedError:
            return True
        return image.is_small_image or self._is_picture(image)

    def _shows_the_same(self, above: Stored, pieces: Pieces, factor: float) -> bool:
        with self._path.open("rb") as file:
            return shows_the_same(above.pieces, pieces, factor, file.fileno())

    def _pieces(self, image: TiffImage) -> Pieces:
        """Describe how an image is stored."""
        check_end(self._tiff.filehandle.size, image.page)
        layout = _layout(image)
        frame = image.keyframe
        with self._path.open("rb") as file:
            if int(frame.compression) in JPEGS:
                return JpegPieces(layout, file.fileno(), frame.jpegtables, int(frame.photometric) == YCBCR)
        planes = int(frame.samplesperpixel) if frame.planarconfig == PLANAR else 1
        return CodedPieces(layout, partial(_decoded, frame, frame.jpegtables), planes, _converter(frame))


def _several(main: TiffImage, others: Sequence[TiffImage]) -> SlideRejectedError:
    sizes = ", ".join(f"{image.size[0]} x {image.size[1]}" for image in (main, *others[:_SHOWN]))
    what = "images of one size, planes or scenes" if all(other.size == main.size for other in others) else "scenes"
    return SlideRejectedError(
        f"the file holds {len(others) + 1} {what} ({sizes} pixels): export each of them to its own file"
    )


def _layout(image: TiffImage) -> Layout:
    frame = image.keyframe
    if frame.imagedepth != 1 or frame.tiledepth != 1:
        raise SlideRejectedError(f"the file holds a volume: {ONLY}")
    if min(image.size) < 1:
        raise DecodeError("an image has no pixels")
    if frame.is_tiled:
        piece = frame.tilewidth, frame.tilelength
    else:
        piece = frame.imagewidth, min(frame.rowsperstrip, frame.imagelength)
    if min(piece) < 1:
        raise DecodeError("its tiles have no pixels")
    if piece[0] * piece[1] > MAX_PIECE_PX:
        raise SlideRejectedError(
            f"the TIFF is stored in one piece of {piece[0]} x {piece[1]} pixels: convert it to a tiled TIFF"
        )
    layout = Layout(image.size, piece, image.page.dataoffsets, image.page.databytecounts)
    planes = int(frame.samplesperpixel) if frame.planarconfig == PLANAR else 1
    if min(len(layout.offsets), len(layout.lengths)) < layout.across * layout.down * planes:
        raise SlideRejectedError(
            f"the TIFF claims to hold {layout.width:,} x {layout.height:,} pixels, but lists fewer pieces than that "
            "takes: copy or export it again"
        )
    return layout


def _decoded(frame: Any, tables: bytes | None, data: bytes, number: int) -> NDArray[Any]:
    """Decode a piece by tifffile, whose codecs raise an error where they notice damage."""
    with decoding():
        decoded, _, shape = frame.decode(data, number, jpegtables=tables)
        if decoded is None:
            raise DecodeError("a tile holds nothing")
        unpack = _UNPACKERS.get(int(frame.compression))
        if unpack is not None and len(unpack(data)) not in {int(np.prod(shape)), _whole(frame)}:
            raise DecodeError("a tile's number of bytes differs from its number of samples")
        return np.asarray(decoded[0])


def _whole(frame: Any) -> int:
    """Samples of a piece that is not cut off: some writers fill up the last strip."""
    height, width = (frame.tilelength, frame.tilewidth) if frame.is_tiled else (frame.rowsperstrip, frame.imagewidth)
    return int(height * width * (1 if frame.planarconfig == PLANAR else frame.samplesperpixel))


def _converter(frame: Any) -> Any:
    """What makes red, green and blue of the samples of a piece."""
    if int(frame.compression) == JPEG2000_YCC:
        return lambda pixels: jpeg.to_rgb(pixels[..., :3])
    kind = int(frame.extrasamples[0]) if frame.samplesperpixel == 4 and frame.extrasamples else 0
    if kind in {_PREMULTIPLIED, _STRAIGHT}:
        return partial(over_white, premultiplied=kind == _PREMULTIPLIED)
    return _first_three


def _first_three(pixels: NDArray[Any]) -> RGB:
    return np.ascontiguousarray(pixels[..., :3])


def _mpp(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    """Micrometers per pixel along x and y as the file states them, else None."""
    with contextlib.suppress(SyntaxError, KeyError, ValueError, TypeError, ZeroDivisionError, AttributeError):
        if tiff.is_ome:
            return ome_mpp(str(tiff.ome_metadata), page)
        if tiff.is_svs:
            value = _number(tifffile.tifffile.svs_description_metadata(page.description)["MPP"])
            return value, value
        return _tag_mpp(tiff, page)
    return None


def _number(value: Any) -> float:
    """Some scanners write a decimal comma."""
    return float(value.replace(",", ".") if isinstance(value, str) else value)


def _tag_mpp(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    unit = {2: 25_400.0, 3: 10_000.0}.get(int(page.resolutionunit or 1))
    if tiff.is_imagej and (tiff.imagej_metadata or {}).get("unit") in _IMAGEJ_MICRON:
        unit = 1.0
    x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
    return (unit * x[1] / x[0], unit * y[1] / y[0]) if unit and x[0] and y[0] else None
