"""Which of a TIFF's images is the slide, which are smaller levels of it, and which are something else."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, DecodeError, decoding
from pathopipe.slide.ome import check_files

# Its remarks on odd files would go to the user, who can't act on them; what matters ends in an error of ours.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

MAX_PIECE_PX: Final = 100_000_000
"""Largest tile or strip that is decoded: 300 MB."""

ONLY: Final = "only single-plane 8-bit RGB brightfield images can be analyzed"
_SMALL_IMAGES: Final = re.compile(r"^\W*(label|macro|thumbnail|overview)\b", re.IGNORECASE | re.MULTILINE)
_SEVERAL: Final = {"Z": "focal planes", "T": "time points", "C": "channels", "I": "images", "Q": "images"}
_BY_PAGES: Final = {"generic", "uniform", "svs"}  # kinds of tifffile's series whose pages are judged here, one by one
_PHOTOMETRIC: Final = {
    0: "gray values",
    1: "gray values",
    3: "palette color",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "CIELab",
}
RGB, YCBCR = 2, 6
PLANAR: Final = 2
JPEGS: Final = {7, 33007, 34892}
JPEG2000_YCC: Final = 33003
_REDUCED, _MASK = 1, 4
_LEAST_SIDE: Final = 8


@dataclass(frozen=True)
class TiffImage:
    """One image of a TIFF, as tifffile sees it.

    Attributes
    ----------
    page
        Where its pieces lie.
    keyframe
        How they are laid out.
    name
        What the file calls it; empty where it doesn't.
    reduced
        Whether the file says that it is a smaller version of another one.
    below
        Smaller levels that the file attaches to it.
    """

    page: Any
    keyframe: Any
    name: str = ""
    reduced: bool = False
    below: tuple["TiffImage", ...] = field(default=(), repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int(self.keyframe.imagewidth), int(self.keyframe.imagelength)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.size[0] * self.size[1]

    @property
    def is_small_image(self) -> bool:
        """Whether its name says that it is a label, macro, thumbnail or overview."""
        return bool(_SMALL_IMAGES.search(self.name))


def images_of(tiff: tifffile.TiffFile) -> list[TiffImage]:
    """All images of a TIFF that may be a slide or a level of one: masks are left out.

    Raises
    ------
    SlideRejectedError
        When the file holds planes, time points or channels, or is spread over several files.
    """
    if tiff.is_ome:
        check_files(str(tiff.ome_metadata))
        return [_of_series(tiff, series) for series in tiff.series]
    _check_planes(tiff)
    pages = [page for page in cast("Any", tiff.pages) if not int(page.subfiletype) & _MASK]
    return [_of_page(page) for page in pages]


def main_image(images: Sequence[TiffImage]) -> TiffImage:
    """The slide: the largest image that is not called a label or the like, the first of several.

    Raises
    ------
    SlideRejectedError, DecodeError
        When it is not 8-bit RGB, or its directory is damaged.
    """
    if not images:
        raise DecodeError("the file holds no images")
    named = [image for image in images if not image.is_small_image] or images
    main = max(named, key=lambda image: image.area)
    check_samples(main.keyframe)
    return main


def check_samples(page: Any) -> None:
    """Reject what is not one plane of 8-bit RGB, in words."""
    if not isinstance(page.bitspersample, int):
        raise DecodeError("its samples differ in size")
    _check_compression(int(page.compression))
    if page.dtype != np.uint8 or page.bitspersample != 8:
        raise SlideRejectedError(f"the file holds samples of {page.bitspersample} bits ({page.dtype}): {ONLY}")
    photometric, compression = int(page.photometric), int(page.compression)
    usable = photometric == RGB or (photometric == YCBCR and compression in {*JPEGS, JPEG2000_YCC})
    if not usable or page.samplesperpixel not in {3, 4}:
        kind = _PHOTOMETRIC.get(photometric, f"{page.samplesperpixel} samples per pixel")
        raise SlideRejectedError(f"the file holds {kind}, not RGB color: {ONLY}; export it as RGB")
    if int(page.fillorder) != 1:
        raise SlideRejectedError("the TIFF stores the bits of its samples in reverse order: export it again")
    if compression in JPEGS and (page.samplesperpixel != 3 or page.planarconfig == PLANAR):
        raise SlideRejectedError(
            "JPEG of four samples, or of separate planes of color, is not supported: export it as JPEG in RGB or YCbCr"
        )


def _check_compression(number: int) -> None:
    """Reject a compression that no decoder here knows, which would count as damage of every piece."""
    if number not in tifffile.TIFF.DECOMPRESSORS:
        name = tifffile.COMPRESSION(number).name if number in set(tifffile.COMPRESSION) else number
        raise SlideRejectedError(f"TIFF compressed as '{name}' is not supported: export it as JPEG, LZW or deflate")


def check_end(size: int, page: Any) -> None:
    """Notice at once, and not after hours, that a file was cut off, and that too little of a level is left."""
    lengths = np.array(page.databytecounts, np.int64)
    ends = np.array(page.dataoffsets, np.int64)[: len(lengths)] + lengths[: len(page.dataoffsets)]
    if ends.size and (ends > size).mean() > MAX_DAMAGED_SHARE:
        raise DecodeError("the file ends early")


def check_scan(path: Path, planes: bool) -> None:
    """Reject a scanner's TIFF that OpenSlide would not refuse by itself when it opens it.

    These are damaged sizes of tiles, at which it ends the whole process for lack of memory, and, where ``planes`` are
    possible, several planes, only one of which it would read, silently.
    """
    with decoding(), tifffile.TiffFile(path) as tiff:
        for page in cast("Any", tiff.pages):
            if page.is_tiled and page.tilewidth * page.tilelength > MAX_PIECE_PX:
                raise DecodeError(f"it claims to have tiles of {page.tilewidth} x {page.tilelength} pixels")
        depth = _extent(tiff.series[0], "Z") if planes else 1
        if depth > 1:
            raise SlideRejectedError(f"the file holds {depth} focal planes: export one of them; {ONLY}")


def factor_between(large: tuple[int, int], small: tuple[int, int]) -> float | None:
    """How many times larger one image is than another; None where they differ in shape, or hardly in size.

    Sides may be rounded by a pixel.
    """
    ratio = (large[0] + large[1]) / (small[0] + small[1])
    if min(small) < _LEAST_SIDE or ratio < 1.2:
        return None
    for factor in (float(round(ratio)), ratio, large[0] / small[0], large[1] / small[1]):
        if all(abs(full / factor - part) <= 1 for full, part in zip(large, small, strict=True)):
            return factor
    return None


def _of_series(tiff: tifffile.TiffFile, series: Any) -> TiffImage:
    """An image of an OME-TIFF."""
    small = bool(_SMALL_IMAGES.search(series.name))
    for axis, word in _SEVERAL.items():
        if _extent(series, axis) > 1 and not small:
            remedy = "; color must be stored as RGB samples, not as one plane per color" if axis == "C" else ""
            raise SlideRejectedError(f"the file holds {_extent(series, axis)} {word}: {ONLY}{remedy}")
    if any(page is None or page.parent is not tiff for level in series.levels for page in level.pages):
        raise SlideRejectedError("the OME-TIFF is spread over several files: export it as one file")
    levels = [TiffImage(level.pages[0], level.keyframe, series.name, reduced=True) for level in series.levels[1:]]
    if len(levels) < len(series.keyframe.subifds or ()):
        raise DecodeError("the file ends before its smaller levels")  # tifffile would go on without them
    return TiffImage(series.levels[0].pages[0], series.keyframe, series.name, below=tuple(levels))


def _of_page(page: Any) -> TiffImage:
    below = tuple(_of_page(small) for small in page.pages) if page.subifds else ()
    if page.subifds and len(below) < len(page.subifds):
        raise DecodeError("the file ends before its smaller levels")
    name = f"{page.description}\n{page.tags.valueof(285) or ''}"
    return TiffImage(page, page, name, bool(int(page.subfiletype) & _REDUCED), below)


def _check_planes(tiff: tifffile.TiffFile) -> None:
    """Reject stacks of the kinds of TIFF that describe them otherwise than by pages."""
    for series in tiff.series:
        for axis, word in _SEVERAL.items():
            if series.kind.lower() not in _BY_PAGES and _extent(series, axis) > 1:
                raise SlideRejectedError(f"the file holds {_extent(series, axis)} {word}: {ONLY}")


def _extent(series: Any, axis: str) -> int:
    return int(dict(zip(series.axes, series.shape, strict=True)).get(axis, 1))
