"""Outlines of nuclei from a label image of a whole slide, a window at a time."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations.own.base import Batch, Frame, Rings, Tally, batched, readable, unfit
from pathopipe.ops.labeled import largest_parts
from pathopipe.ops.outline import boxes_of, outline

_BLOCK: Final = 2048
_MOST_UNPACKED: Final = 2**28
"""Pixels that are unpacked at once: a PNG, or a tile or strip of a TIFF."""
_PIECES: Final = 3
"""With so many pieces per label, they are taken for a mask."""
_LARGEST: Final = 2**63 - 1
_NO_LABELS: Final = "is not a label image: give one channel of whole numbers, 0 background, 1..n nuclei"

Labels = NDArray[np.int32]


def read_labels(path: Path, frame: Frame, column: str, tally: Tally) -> Iterator[Batch]:
    """Read the outlines of a label image of the slide's level-0 size, or of a whole fraction of it.

    Of a label in several pieces the largest counts.
    """
    tally.format = "label image"
    with _opened(path, column) as image:
        factor = _factor((image.shape[1], image.shape[0]), frame, column)
        yield from batched(_outlines(image, factor, frame, column, tally))


@contextmanager
def _opened(path: Path, column: str) -> Iterator[Any]:
    """An image (H, W) of which windows can be read; only that of a PNG is in memory as a whole."""
    with path.open("rb") as stream:
        head = stream.read(24)
    if head.startswith(b"\x89PNG"):
        yield _png(path, head, column)
        return
    # A file that it opens itself stays open when it is none.
    with path.open("rb") as stream:
        with readable(column, "is no readable TIFF: copy or export the labels again"):
            image = _tiff(stream, path.stat().st_size, column)
        yield image


def _tiff(stream: BinaryIO, size: int, column: str) -> Any:
    import tifffile
    import zarr

    pages = tifffile.TiffFile(stream).pages
    page = pages.first
    # A pyramid's next page is smaller.
    is_stack = len(pages) > 1 and pages[1].shape == page.shape
    if len(page.shape) != 2 or page.dtype is None or page.dtype.kind not in "bui" or is_stack:
        raise unfit(column, _NO_LABELS)
    ends = [place + length for place, length in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if max(ends) > size:
        raise unfit(column, "is cut off: copy or export the labels again")
    if page.is_memmappable:  # often in a single strip
        return page.asarray(out="memmap").reshape(page.shape)
    height, width = page.chunks
    if height * width > _MOST_UNPACKED:
        raise unfit(column, f"is packed in pieces of {width} x {height} pixels, too large to unpack: write it in tiles")
    return zarr.open(page.aszarr(), mode="r")


def _png(path: Path, head: bytes, column: str) -> NDArray[Any]:
    import cv2

    width, height = (int.from_bytes(head[start : start + 4], "big") for start in (16, 20))
    if width * height > _MOST_UNPACKED:
        raise unfit(column, f"is a PNG of {width} x {height} pixels, too large to unpack: give the labels as a TIFF")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise unfit(column, "is no readable PNG: copy or export the labels again")
    if image.ndim != 2:
        raise unfit(column, _NO_LABELS)
    return np.asarray(image)


def _factor(size: tuple[int, int], frame: Frame, column: str) -> int:
    """Level-0 pixels along one of the labels, the same whole number along both axes."""
    whole = (frame.width, frame.height)
    factor = max(1, round(whole[0] / max(size[0], 1)))
    if any(part not in {full // factor, math.ceil(full / factor)} for part, full in zip(size, whole, strict=True)):
        raise unfit(
            column,
            f"is a label image of {size[0]} x {size[1]} pixels, and the slide has {whole[0]} x {whole[1]}: give labels "
            "of the slide's size, or of a whole fraction of it",
        )
    return factor


def _outlines(
    image: Any, factor: int, frame: Frame, column: str, tally: Tally
) -> Iterator[tuple[Rings, int, int, bool]]:
    height, width = image.shape
    margin = math.ceil(frame.largest_px / factor) + 1
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            y0, x0 = max(0, top - margin), max(0, left - margin)
            window = _read(image, (y0, x0, top + _BLOCK + margin, left + _BLOCK + margin), column)
            core = (top - y0, left - x0, top - y0 + _BLOCK, left - x0 + _BLOCK)
            if window[core[0] : core[2], core[1] : core[3]].any():
                for ring, number in _owned(window, core, column, tally):
                    yield [(ring + np.array([x0, y0])) * factor], number, -1, False


def _read(image: Any, window: tuple[int, int, int, int], column: str) -> NDArray[Any]:
    with readable(column, "is a damaged image: copy or export the labels again"):
        return np.asarray(image[window[0] : window[2], window[1] : window[3]])


def _owned(
    window: NDArray[Any], core: tuple[int, int, int, int], column: str, tally: Tally
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Outlines in pixels of the window, and labels, of those whose largest part begins in its core."""
    inside = window > 0
    names, places = np.unique(window[inside], return_inverse=True)
    if (window.dtype.kind == "i" and (window < 0).any()) or (len(names) and names[-1] > _LARGEST):
        raise unfit(column, _NO_LABELS)
    labels = np.zeros((window.shape[0] + 2, window.shape[1] + 2), np.int32)
    labels[1:-1, 1:-1][inside] = places + 1
    pixels = np.bincount(places, minlength=len(names))
    firsts, sizes = largest_parts(labels, len(names))
    y, x = np.divmod(firsts, labels.shape[1]) - np.ones((2, 1), np.int64)
    wanted = (y >= core[0]) & (y < core[2]) & (x >= core[1]) & (x < core[3])
    tally.found += int(wanted.sum())
    tally.altered["are in pieces, of which the largest counts"] += int((wanted & (sizes < pixels)).sum())
    _check_pieces(labels, wanted, column)
    nothing = np.zeros(window.shape, np.uint8)
    options = {"smooth": False, "smallest": 1, "largest": window.size}
    found = outline(labels, boxes_of(labels), firsts, nothing, wanted, ~wanted, **options)  # type: ignore[arg-type]
    tally.left_out["lie within another"] += int(wanted.sum()) - len(found.labels)
    for number, start, end in zip(found.labels, found.offsets, found.offsets[1:], strict=False):
        yield found.coords[start:end], int(names[number - 1])


def _check_pieces(labels: Labels, wanted: NDArray[np.bool_], column: str) -> None:
    """Refuse a mask of all nuclei or of their types: few labels in many pieces."""
    from scipy import ndimage

    if not wanted.any():
        return
    pieces = ndimage.label(labels > 0, np.ones((3, 3)))[1]
    if pieces >= _PIECES * len(wanted):
        raise unfit(
            column,
            "has labels with many pieces each, like a mask of all nuclei or of their types: give each nucleus its own "
            "number",
        )
