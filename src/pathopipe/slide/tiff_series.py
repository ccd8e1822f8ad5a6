"""What a TIFF holds, as tifffile sees it: which of its images is the slide, and whether it can be analyzed."""

import contextlib
import logging
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide.backend import MAX_DAMAGED_SHARE, DecodeError

# Its remarks on odd files would go to the user, who can't act on them; what matters ends in an error of ours.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

MAX_SEGMENT_PIXELS = 100_000_000
"""Largest tile or strip that is decoded: 300 MB."""

_ONLY = "only single-plane 8-bit RGB brightfield images can be analyzed"
_SMALL_IMAGES = ("label", "macro", "thumbnail", "overview")
_SEVERAL = {"Z": "focal planes", "T": "time points", "C": "channels", "I": "images", "Q": "images"}
_PHOTOMETRIC = {0: "gray values", 1: "gray values", 3: "palette color", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "CIELab"}
_RGB, _YCBCR = 2, 6
_JPEGS = {7, 33007, 34892}
_UM_PER_UNIT = {"µm": 1.0, "\u03bcm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25_400.0}
_IMAGEJ_MICRON = {"micron", "microns", "um", "µm", "\u03bcm", "\\u00B5m"}


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """Turn what tifffile and the codecs raise on damaged files into `DecodeError`; errors of the disk stay."""
    try:
        yield
    except (SlideRejectedError, DecodeError, MemoryError):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
        raise DecodeError(str(error)) from error
    except Exception as error:
        raise DecodeError(f"{error}" or type(error).__name__) from error


def check_brightfield(path: Path) -> bool:
    """Reject a TIFF whose main image is not one plane of 8-bit RGB, in words; return whether it is an OME-TIFF."""
    with decoding(), tifffile.TiffFile(path) as tiff:
        main_series(tiff)
        return bool(tiff.is_ome)


def check_scan(path: Path, aperio: bool, planes: bool) -> None:
    """Reject a scanner's TIFF that OpenSlide would not refuse by itself when it opens it.

    These are damaged sizes of tiles, at which it ends the whole process for want of memory; many tiles beyond the end
    of an ``aperio`` file; and, where ``planes`` are possible, several of them, of which it would read one silently.
    """
    with decoding(), tifffile.TiffFile(path) as tiff:
        for page in cast("Any", tiff.pages):
            if page.is_tiled and page.tilewidth * page.tilelength > MAX_SEGMENT_PIXELS:
                raise DecodeError(f"its tiles are said to be {page.tilewidth} x {page.tilelength} pixels large")
            if aperio and page.is_tiled:
                _check_end(tiff, page)
        depth = _size(tiff.series[0], "Z") if planes else 1
        if depth > 1:
            raise SlideRejectedError(f"the file holds {depth} focal planes: export one of them; {_ONLY}")


def main_series(tiff: tifffile.TiffFile) -> Any:
    """Return the image series of a TIFF that holds one brightfield scene, else reject it."""
    everything = list(tiff.series)
    named = [item for item in everything if not any(word in item.name.lower() for word in _SMALL_IMAGES)]
    series = named or everything
    main = max(series, key=_area)
    for axis, word in _SEVERAL.items():
        if _size(main, axis) > 1:
            remedy = "; color must be stored as RGB samples, not as one plane per color" if axis == "C" else ""
            raise SlideRejectedError(f"the file holds {_size(main, axis)} {word}: {_ONLY}{remedy}")
    scenes = sum(_is_scene(item, main) for item in series)
    if scenes > 1:
        raise SlideRejectedError(f"the file holds {scenes} scenes: export each of them to a file of its own")
    if any(page is None or page.parent is not tiff for level in main.levels for page in level.pages):
        raise SlideRejectedError("the OME-TIFF is spread over several files: export it as one file")
    _check_pixels(main.keyframe)
    if tiff.is_ome and len(main.levels) <= len(main.keyframe.subifds or ()):
        raise DecodeError("the file ends before its smaller levels")  # tifffile would go on without them
    for level in main.levels:
        _check_end(tiff, level.pages[0])
    return main


def _check_end(tiff: tifffile.TiffFile, page: Any) -> None:
    """Notice at once, and not after hours, that a file was cut off, and that too little of a level is left."""
    lengths = np.array(page.databytecounts, np.int64)
    ends = np.array(page.dataoffsets, np.int64)[: len(lengths)] + lengths[: len(page.dataoffsets)]
    if ends.size and (ends > tiff.filehandle.size).mean() > MAX_DAMAGED_SHARE:
        raise DecodeError("the file ends early")


def _size(series: Any, axis: str) -> int:
    return int(dict(zip(series.axes, series.shape, strict=True)).get(axis, 1))


def _area(series: Any) -> int:
    return _size(series, "X") * _size(series, "Y")


def _is_scene(item: Any, main: Any) -> bool:
    """Whether a series is a scene of its own rather than a small label or overview."""
    return _area(item) * 4 >= _area(main)


def _check_pixels(page: Any) -> None:
    if not isinstance(page.bitspersample, int):
        raise DecodeError("its samples differ in size")
    if page.dtype != np.uint8 or page.bitspersample != 8:
        raise SlideRejectedError(f"the file holds samples of {page.bitspersample} bits ({page.dtype}): {_ONLY}")
    photometric, compression = int(page.photometric), int(page.compression)
    usable = photometric == _RGB or (photometric == _YCBCR and compression in _JPEGS)
    if not usable or page.samplesperpixel not in {3, 4}:
        kind = _PHOTOMETRIC.get(photometric, f"{page.samplesperpixel} samples per pixel")
        raise SlideRejectedError(f"the file holds {kind}, no RGB color: {_ONLY}; export it as RGB")


def mpp_of(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    """Micrometers per pixel along x and y as the file states them, else None."""
    with contextlib.suppress(ET.ParseError, KeyError, ValueError, TypeError, ZeroDivisionError, AttributeError):
        if tiff.is_ome:
            return _ome_mpp(str(tiff.ome_metadata), page)
        if tiff.is_svs:
            value = float(tifffile.tifffile.svs_description_metadata(page.description)["MPP"])
            return value, value
        return _tag_mpp(tiff, page)
    return None


def _ome_mpp(xml: str, page: Any) -> tuple[float, float] | None:
    """Pixel size of the OME image of the page's size: a label or overview may stand before it."""
    for node in ET.fromstring(xml).iter():  # noqa: S314 (expat expands no external entities)
        if node.tag.endswith("Pixels") and (int(node.attrib["SizeX"]), int(node.attrib["SizeY"])) == (
            page.imagewidth,
            page.imagelength,
        ):
            x, y = (
                float(node.attrib[f"PhysicalSize{axis}"]) * _UM_PER_UNIT[node.get(f"PhysicalSize{axis}Unit", "µm")]
                for axis in "XY"
            )
            return x, y
    return None


def _tag_mpp(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    unit = {2: 25_400.0, 3: 10_000.0}.get(int(page.resolutionunit or 1))
    if tiff.is_imagej and (tiff.imagej_metadata or {}).get("unit") in _IMAGEJ_MICRON:
        unit = 1.0
    x, y = (page.tags[name].value for name in ("XResolution", "YResolution"))
    return (unit * x[1] / x[0], unit * y[1] / y[0]) if unit and x[0] and y[0] else None
