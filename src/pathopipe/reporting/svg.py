"""Scalable Vector Graphics, element by element, everything from outside escaped."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import ArrayLike, NDArray

SUBPIXELS = 10
"""Outlines are written as whole numbers of a tenth of a pixel: short, and exact for contours on half pixels."""
SHRINK = f"scale({1 / SUBPIXELS:g})"
"""The transform that brings such outlines back to pixels."""


def coordinate(value: float) -> str:
    """Write a length with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Write one element; ``stroke_width=2`` becomes ``stroke-width="2"``, ``class_`` is ``class``, None is left out."""
    written = [
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _attribute(value))
        for key, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{}{}>{}</{}>").format(Markup(name), Markup("").join(written), inside, Markup(name))  # noqa: S704


def _attribute(value: object) -> object:
    return coordinate(float(value)) if isinstance(value, float | np.floating) else value


def figure(
    width: float, height: float, label: str, *children: object, class_: str = "figure", **attributes: object
) -> Markup:
    """Wrap a drawing of ``width`` x ``height`` units, described by ``label`` for those who cannot see it."""
    box = f"0 0 {coordinate(width)} {coordinate(height)}"
    return element("svg", *children, class_=class_, viewBox=box, role="img", aria_label=label, **attributes)


def group(children: Iterable[object], **attributes: object) -> Markup:
    """Put elements into one group."""
    return element("g", *children, **attributes)


def text(x: float, y: float, content: str, anchor: str = "start", class_: str | None = None) -> Markup:
    """Write a line of text whose baseline is at ``y``."""
    return element("text", content, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def ring_path(points: ArrayLike) -> str:
    """Path data of one closed ring, ``(N, 2)`` x, y in pixels, written in ``1 / SUBPIXELS`` of a pixel."""
    whole = np.rint(np.asarray(points, dtype=np.float64) * SUBPIXELS).astype(np.int64)
    if len(whole) > 1 and (whole[0] == whole[-1]).all():
        whole = whole[:-1]
    steps = np.diff(whole, axis=0)
    moves = " ".join(f"{dx} {dy}" for dx, dy in steps.tolist())
    return f"M{whole[0, 0]} {whole[0, 1]}l{moves}z" if moves else ""


def simplified(points: NDArray[np.float64], tolerance: float = 1.0) -> NDArray[np.float64]:
    """Leave out points of a ring ``(N, 2)`` where it moves by at most ``tolerance`` (Douglas and Peucker 1973)."""
    import cv2

    return np.asarray(cv2.approxPolyDP(points.astype(np.float32), tolerance, closed=True)[:, 0], np.float64)


def rings_path(rings: Sequence[ArrayLike]) -> str:
    """Path data of several rings (outer ones and holes, for ``fill-rule: evenodd``)."""
    return "".join(ring_path(ring) for ring in rings)


def round_below(value: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is not above ``value`` (positive)."""
    power = 10.0 ** math.floor(math.log10(value))
    # 1e-9: 2.0000000000000004 from a division is a 2.
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= value * (1 + 1e-9))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within ``[low, high]``, about as many as asked for."""
    if not high > low:
        return [low]
    step = round_below((high - low) / max(1, about - 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]
