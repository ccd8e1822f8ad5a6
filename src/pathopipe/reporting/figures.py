"""Small figures as SVG: what they show is in their text too, and their colors come from the page's style sheet."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pathopipe.reporting import svg
from pathopipe.reporting.distribution import Distribution
from pathopipe.reporting.pictures import color_table, two_sided
from pathopipe.results.schemas.column import Term
from pathopipe.text import count, fixed, number, percent, quantity

_WIDTH, _HEIGHT = 460.0, 236.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 20.0, 26.0, 46.0
_LETTER, _APART = 7.2, 6.0
"""Width of a digit of a label in the widest of the page's fonts, and what must be between two labels."""
_BESIDE = 13.0
"""What a label may reach beyond the ends of its axis."""


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to drawing units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value lies in the drawing."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def histogram(data: Distribution, term: Term) -> Markup:
    """Draw the distribution of one measure over the nuclei, its median and interquartile range marked."""
    x = Axis(data.edges[0], data.edges[-1], _LEFT, _WIDTH - _RIGHT)
    highest = max(data.counts) or 1
    y = Axis(0.0, 1.08 * highest, _HEIGHT - _BOTTOM, _TOP)
    label = (
        f"Histogram of {term.label.lower()} of {count(data.total)} nuclei: median {quantity(data.p50, term.unit)}, "
        f"interquartile range {number(data.p25)} to {quantity(data.p75, term.unit)}."
    )
    layers = (
        _quartiles(data, x, y),
        *axes(x, y, axis_title(term), "nuclei"),
        _bars(data, x, y),
        _median(data, x, y, term),
    )
    return svg.figure(_WIDTH, _HEIGHT, label, *layers, class_="chart")


def axis_title(term: Term) -> str:
    """Name a measure and its unit below an axis."""
    return f"{term.label} ({term.unit})" if term.unit else term.label


def _bars(data: Distribution, x: Axis, y: Axis) -> Markup:
    bars = [
        svg.element("rect", x=x(low) + 0.5, y=y(height), width=max(0.5, x(high) - x(low) - 1), height=y(0) - y(height))
        for low, high, height in zip(data.edges, data.edges[1:], data.counts, strict=False)
        if height
    ]
    return svg.group(bars, class_="bars")


def _quartiles(data: Distribution, x: Axis, y: Axis) -> Markup:
    left, right = (min(max(x(value), x.start), x.end) for value in (data.p25, data.p75))
    return svg.element("rect", x=left, y=y.end, width=right - left, height=y(0) - y.end, class_="iqr")


def _median(data: Distribution, x: Axis, y: Axis, term: Term) -> Markup:
    at = min(max(x(data.p50), x.start), x.end)
    line = svg.element("line", x1=at, x2=at, y1=y.end, y2=y(0), class_="median")
    words = f"median {quantity(data.p50, term.unit)}  (IQR {number(data.p25)}–{number(data.p75)})"
    # About half of the label's width in the widest of the page's fonts: it must not leave the drawing.
    half = 4.0 * len(words)
    middle = min(max(at, half), _WIDTH - half)
    return svg.group([line, svg.text(middle, y.end - 8, words, "middle", "median-label")])


def axes(x: Axis, y: Axis, x_title: str, y_title: str) -> tuple[Markup, ...]:
    """Draw two axes with ticks and titles, and the lines of a grid."""
    bottom = y.start
    marks = [svg.element("line", x1=x.start, x2=x.end, y1=bottom, y2=bottom, class_="axis")]
    marks += ticks_below(x, bottom, 7)
    for value, label in labeled(svg.ticks(y.low, y.high, 4)):
        marks.append(svg.element("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), class_="grid"))
        marks.append(svg.text(x.start - 6, y(value) + 4, label, "end", "tick"))
    middle = (y.start + y.end) / 2
    turned = svg.element(
        "text", y_title, x=12.0, y=middle, text_anchor="middle", class_="title", transform=f"rotate(-90 12 {middle:g})"
    )
    return (svg.group(marks), svg.text((x.start + x.end) / 2, bottom + 36, x_title, "middle", "title"), turned)


def ticks_below(x: Axis, bottom: float, about: int) -> list[Markup]:
    """Draw ticks below an axis, about as many as asked for, or fewer, so that labels neither touch nor are cut."""
    while about > 2 and _touch(x, about):
        about -= 1
    marks = list[Markup]()
    for value, label in labeled(svg.ticks(x.low, x.high, about)):
        half = _LETTER * len(label) / 2
        middle = min(max(x(value), x.start - _BESIDE + half), x.end + _BESIDE - half)
        marks.append(svg.element("line", x1=x(value), x2=x(value), y1=bottom, y2=bottom + 4, class_="axis"))
        marks.append(svg.text(middle, bottom + 17, label, "middle", "tick"))
    return marks


def _touch(x: Axis, about: int) -> bool:
    """Whether labels of so many ticks would touch each other."""
    ticks = labeled(svg.ticks(x.low, x.high, about))
    longest = max(len(label) for _, label in ticks)
    return len(ticks) > 1 and x(ticks[1][0]) - x(ticks[0][0]) < _LETTER * longest + _APART


def labeled(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Pair each tick of an axis with its label, all with as many decimals as tell neighbors apart."""
    if len(ticks) < 2:
        return [(value, number(value)) for value in ticks]
    # 1e-9: a step that came out as 0.0999… is a 0.1.
    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return [(value, fixed(value, decimals)) for value in ticks]


def share_bars(grades: Sequence[str], shares: Sequence[float], chosen: str | None, what: str) -> Markup:
    """Draw one bar per grade, ``what`` they are in words; the chosen one is filled and named in bold."""
    row, width, right = 30.0, 420.0, 66.0
    # About 8 units per letter of the longest name.
    left = 14 + 8.0 * max(len(shorten(grade)) for grade in grades)
    rows = []
    for index, (grade, share) in enumerate(zip(grades, shares, strict=True)):
        top, state = index * row, "chosen" if grade == chosen else None
        length = max(0.0, min(1.0, share)) * (width - left - right)
        rows += [
            svg.text(left - 10, top + 20, shorten(grade), "end", state),
            svg.element("rect", x=left, y=top + 7, width=width - left - right, height=16.0, rx=3, class_="track"),
            svg.element(
                "rect", x=left, y=top + 7, width=length, height=16.0, rx=3, class_=f"bar {state or ''}".strip()
            ),
            svg.text(width - right + 8, top + 20, percent(share), "start", state),
        ]
    words = ", ".join(f"{grade} {percent(value)}" for grade, value in zip(grades, shares, strict=True))
    return svg.figure(width, row * len(grades), f"{what} by grade: {words}.", *rows, class_="shares")


def shorten(words: str, longest: int = 18) -> str:
    """Cut a label that would run out of its figure."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def scale_bar(width: float, height: float, um_per_unit: float, text_share: float = 0.026) -> Markup:
    """Draw a scale bar into the lower left corner of an image of ``width`` x ``height`` units.

    Its length is the largest of 1, 2, 5, 10 … that takes up at most a quarter of the image's width; its label is
    ``text_share`` of the width high.
    """
    um = svg.round_below(0.25 * width * um_per_unit)
    length, margin, unit = um / um_per_unit, 0.02 * width, text_share * width / 2.6
    words = quantity(um / 1000, "mm", 1) if um >= 1000 else quantity(um, "µm", 1)
    bottom = height - margin
    box_width = max(length, 11 * unit) + 2 * unit
    return svg.group(
        [
            svg.element(
                "rect",
                x=margin - unit,
                y=bottom - 4.4 * unit,
                width=box_width,
                height=5.4 * unit,
                rx=unit / 2,
                class_="plate",
            ),
            svg.element("rect", x=margin, y=bottom - 0.6 * unit, width=length, height=0.6 * unit, class_="rule"),
            svg.element("text", words, x=margin, y=bottom - 1.5 * unit, font_size=2.6 * unit, class_="rule-label"),
        ],
        class_="scale-bar",
    )


def color_legend(maximum: float, title: str) -> Markup:
    """Draw the color ramp of a heat image from 0 to ``maximum``."""
    width, height, left = 420.0, 58.0, 24.0
    colors = color_table()[np.linspace(0, 255, 17).round().astype(int)]
    stops = [
        svg.element("stop", offset=index / 16, stop_color=f"#{red:02x}{green:02x}{blue:02x}")
        for index, (red, green, blue) in enumerate(colors.tolist())
    ]
    ramp = svg.element("linearGradient", *stops, id="ramp")
    x = Axis(0.0, maximum, left, width - left)
    bar = svg.element("rect", x=left, y=20.0, width=width - 2 * left, height=12.0, rx=2, fill="url(#ramp)")
    ticks = labeled(svg.ticks(0.0, maximum, 6))
    marks = [svg.text(x(value), 48.0, label, "middle", "tick") for value, label in ticks]
    label = f"Color scale: {title}, 0 to {number(maximum)}."
    return svg.figure(
        width,
        height,
        label,
        svg.element("defs", ramp),
        svg.text(left, 12.0, title, class_="title"),
        bar,
        *marks,
        class_="chart legend",
    )


def number_line(value: float, limits: Sequence[float], label: str, names: Sequence[str] = ()) -> Markup:
    """Draw a number on a line that limits, ascending, cut into parts; ``names`` of the parts where they have some.

    A number at a limit belongs to the part above it, as graders take it; one far beyond is drawn at the end.
    """
    width, top, height = 420.0, 26.0, 20.0
    span = limits[-1] - limits[0] or max(2 * abs(value - limits[0]), 0.1 * abs(limits[0])) or 1.0
    x = Axis(limits[0] - 0.8 * span, limits[-1] + 0.8 * span, 0.0, width)
    ends = [0.0, *(x(limit) for limit in limits), width]
    here = sum(value >= limit for limit in limits)
    parts = []
    for place, (left, right) in enumerate(itertools.pairwise(ends)):
        box = {"x": left + 1, "y": top, "width": max(1.0, right - left - 2), "height": height, "rx": 3}
        parts.append(svg.element("rect", **box, class_="part chosen" if place == here else "part"))
        if names:
            parts.append(svg.text((left + right) / 2, top + 15, shorten(names[place]), "middle", "part-name"))
    parts += [svg.text(x(limit), top + height + 17, number(limit), "middle", "tick") for limit in limits]
    at = min(max(x(value), 3.0), width - 3.0)
    mark = svg.element("path", d=f"M{at:.1f} {top + 4:.1f}l-6 -9h12z", class_="mark")
    words = svg.text(min(max(at, 30.0), width - 30.0), top - 9, number(value), "middle", "value-label")
    return svg.figure(width, top + height + 22, label, *parts, mark, words, class_="line-of-limits")


def influence_legend(limit: float) -> Markup:
    """Draw the color ramp of a heat map of influence, from ``-limit`` to ``limit``."""
    width, height, left = 420.0, 58.0, 40.0
    colors = two_sided(np.linspace(-1, 1, 17), 1.0)[:, :3]
    stops = [
        svg.element("stop", offset=index / 16, stop_color=f"#{red:02x}{green:02x}{blue:02x}")
        for index, (red, green, blue) in enumerate(colors.tolist())
    ]
    ramp = svg.element("linearGradient", *stops, id="influence-ramp")
    bar = svg.element("rect", x=left, y=20.0, width=width - 2 * left, height=12.0, rx=2, fill="url(#influence-ramp)")
    places = ((left, -limit), (width / 2, 0.0), (width - left, limit))
    marks = [svg.text(x, 48.0, number(value, 2), "middle", "tick") for x, value in places]
    sides = (svg.text(left, 12.0, "lowers the score"), svg.text(width - left, 12.0, "raises the score", "end"))
    label = f"Color scale: influence on the score, {number(-limit, 2)} to {number(limit, 2)}."
    return svg.figure(width, height, label, svg.element("defs", ramp), *sides, bar, *marks, class_="chart legend")
