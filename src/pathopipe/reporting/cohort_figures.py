"""Strips, boxes and scatter plots of slides, as SVG."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pathopipe.reporting import svg
from pathopipe.reporting.figures import Axis, axes, axis_title, shorten, ticks_below
from pathopipe.results.schemas.column import Term
from pathopipe.text import count, number

NAMED = 500
"""Dots of a figure that are named when pointed at: of more, the names would be most of the page."""
_WIDTH, _ROW, _TOP = 460.0, 34.0, 8.0
_LEFT, _RIGHT = 150.0, 14.0
_LETTERS = 13


@dataclass(frozen=True)
class Dot:
    """One slide in a strip: its value, its name, and the class that colors it."""

    value: float
    name: str
    class_: str = ""


@dataclass(frozen=True)
class Spread:
    """What a box shows of a group of slides: quantiles, of which the outer two are the ends of its whiskers."""

    name: str
    slides: int
    low: float
    p25: float
    p50: float
    p75: float
    high: float


Placed = tuple[float, float, Dot, str]
"""X and y of a dot, and its value in words."""


def strip(dots: Sequence[Dot], term: Term, statistic: str | None = None) -> Markup:
    """Draw one dot per slide along an axis, stacked where they would hide each other, with median and quartiles.

    With the name of the ``statistic``, the page's script finds its place, and that of a number on it.
    """
    width, base = 460.0, 84.0
    # As many dots as slides in the same space: smaller ones for a large cohort.
    radius = float(np.clip(6 * np.sqrt(60 / len(dots)), 1.5, 6))
    values = np.array([dot.value for dot in dots], dtype=np.float64)
    low, high = padded(values)
    x = Axis(low, high, 14.0, width - 14.0)
    p25, p50, p75 = (float(value) for value in np.percentile(values, [25, 50, 75]))
    band = svg.element("rect", x=x(p25), y=14.0, width=max(1.0, x(p75) - x(p25)), height=base - 14, class_="iqr")
    middle = svg.element("line", x1=x(p50), x2=x(p50), y1=14.0, y2=base, class_="median")
    drawn = _stacked(dots, x, base - radius - 1, radius)
    marks: list[Markup] = [svg.element("line", x1=x.start, x2=x.end, y1=base, y2=base, class_="axis")]
    marks += ticks_below(x, base, 6)
    label = (
        f"{axis_title(term)} of {len(dots)} slides: median {number(p50)}, quartiles {number(p25)} and {number(p75)}."
    )
    title = svg.text(width / 2, base + 35, axis_title(term), "middle", "title")
    axis = " ".join(map(repr, (low, high, x.start, x.end, base)))
    found = {"data_statistic": statistic, "data_axis": axis if statistic else None}
    return svg.figure(width, base + 42, label, band, *marks, drawn, middle, title, class_="chart strip", **found)


def padded(values: np.ndarray) -> tuple[float, float]:
    """Return limits of an axis that leave a little room on both sides, also where all values are the same."""
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) if high > low else max(0.05 * abs(low), 0.5)
    return low - room, high + room


def _stacked(dots: Sequence[Dot], x: Axis, base: float, radius: float) -> Markup:
    """Stack the dots of each column; a stack that would leave the strip is compressed."""
    columns: dict[int, list[Dot]] = {}
    for dot in sorted(dots, key=lambda dot: (dot.value, dot.name)):
        columns.setdefault(round(x(dot.value) / (2 * radius)), []).append(dot)
    highest = max(len(column) for column in columns.values())
    step = min(2.0 * radius, (base - 18.0) / max(1, highest - 1))
    placed = [
        (x(dot.value), base - level * step, dot, number(dot.value))
        for column in columns.values()
        for level, dot in enumerate(column)
    ]
    return marks(placed, radius)


def marks(placed: Sequence[Placed], radius: float) -> Markup:
    """Draw dots at x and y, each named, with its value in words; more than `NAMED` as a path per color, unnamed."""
    if len(placed) <= NAMED:
        circles = [
            svg.element(
                "circle", svg.element("title", f"{dot.name}: {words}"), cx=x, cy=y, r=radius, class_=dot.class_ or None
            )
            for x, y, dot, words in placed
        ]
        return svg.group(circles, class_="dots", stroke_width=radius / 6)
    paths: dict[str, list[str]] = {}
    for x, y, dot, _ in placed:
        paths.setdefault(dot.class_, []).append(f"M{svg.coordinate(x)} {svg.coordinate(y)}h0")
    drawn = [svg.element("path", d="".join(moves), class_=class_ or None) for class_, moves in paths.items()]
    return svg.group(drawn, class_="many", stroke_width=2 * radius)


def boxes(groups: Mapping[str, Sequence[Dot]], title: str, column: str) -> Markup:
    """Draw a box per group: median, quartiles, and whiskers to the farthest value within 1.5 IQR (Tukey 1977).

    Of up to `NAMED` slides all are drawn as dots, of more only those beyond the whiskers.
    """
    values = np.array([dot.value for dots in groups.values() for dot in dots], np.float64)
    x = Axis(*padded(values), _LEFT, _WIDTH - _RIGHT)
    rows, placed, words, called = list[Markup](), list[Placed](), list[str](), _called(groups)
    for place, (name, dots) in enumerate(groups.items()):
        middle = _TOP + (place + 0.5) * _ROW
        rows.append(svg.text(_LEFT - 10, middle + 4, f"{called[name]} ({count(len(dots))})", "end"))
        if dots:
            low, p25, p50, p75, high = _five(dots)
            rows += _box(x, middle, low, p25, p50, p75, high)
            shown = dots if len(values) <= NAMED else [dot for dot in dots if not low <= dot.value <= high]
            placed += _beside(shown, x, middle)
            words.append(f"{name} {number(p50)} ({number(p25)} to {number(p75)}, n = {len(dots)})")
    label = f"{title} by {column}: medians and quartiles: {'; '.join(words)}."
    base = _TOP + _ROW * len(groups)
    dots_above = marks(placed, 3.0 if len(values) <= 100 else 2.0)
    return svg.figure(_WIDTH, base + 42, label, *_below(x, base, title), *rows, dots_above, class_="chart boxes")


def beside(value: float, groups: Sequence[Spread], unit: str, label: str) -> Markup:
    """Draw a box per group, and a number of one slide as a line across them."""
    numbers = [value, *(end for group in groups for end in (group.low, group.high))]
    x = Axis(*padded(np.array(numbers)), _LEFT, _WIDTH - _RIGHT)
    called, drawn = _called([group.name for group in groups]), list[Markup]()
    for place, group in enumerate(groups):
        middle = _TOP + (place + 0.5) * _ROW
        drawn.append(svg.text(_LEFT - 10, middle + 4, f"{called[group.name]} ({count(group.slides)})", "end"))
        drawn += _box(x, middle, group.low, group.p25, group.p50, group.p75, group.high)
    base = _TOP + _ROW * len(groups)
    line = svg.element("line", x1=x(value), x2=x(value), y1=_TOP, y2=base, class_="this-slide")
    height = base + (42 if unit else 22)
    return svg.figure(_WIDTH, height, label, *_below(x, base, unit), *drawn, line, class_="chart boxes")


def _called(names: Iterable[str]) -> dict[str, str]:
    """Shorten names of groups: in the middle where the beginning doesn't tell them apart."""
    short = {name: shorten(name, _LETTERS) for name in names}
    times, half = Counter(short.values()), _LETTERS // 2
    return {name: cut if times[cut] == 1 else f"{name[:half]}…{name[-half:]}" for name, cut in short.items()}


def _five(dots: Sequence[Dot]) -> tuple[float, float, float, float, float]:
    """Ends of the whiskers and the quartiles between them."""
    values = np.array([dot.value for dot in dots], np.float64)
    p25, p50, p75 = (float(value) for value in np.percentile(values, [25, 50, 75]))
    reach = 1.5 * (p75 - p25)
    inside = values[(values >= p25 - reach) & (values <= p75 + reach)]
    return float(inside.min()), p25, p50, p75, float(inside.max())


def _box(x: Axis, middle: float, low: float, p25: float, p50: float, p75: float, high: float) -> list[Markup]:
    top, height = middle - 10.0, 20.0
    whisker = svg.element("line", x1=x(low), x2=x(high), y1=middle, y2=middle, class_="axis")
    box = svg.element("rect", x=x(p25), y=top, width=max(1.0, x(p75) - x(p25)), height=height, class_="iqr")
    median = svg.element("line", x1=x(p50), x2=x(p50), y1=top, y2=top + height, class_="median")
    return [whisker, box, median]


def _beside(dots: Sequence[Dot], x: Axis, middle: float) -> list[Placed]:
    """Spread the dots of a group over the height of its box, in the same way every time."""
    ordered = sorted(dots, key=lambda dot: (dot.value, dot.name))
    # Steps of the golden ratio: neighbors in value are apart in height.
    return [
        (x(dot.value), middle + 14 * ((0.618034 * place) % 1 - 0.5), dot, number(dot.value))
        for place, dot in enumerate(ordered)
    ]


def _below(x: Axis, base: float, title: str) -> list[Markup]:
    axis = svg.element("line", x1=x.start, x2=x.end, y1=base, y2=base, class_="axis")
    return [axis, *ticks_below(x, base, 5), svg.text((x.start + x.end) / 2, base + 36, title, "middle", "title")]


def lettered(places: np.ndarray, letters: Sequence[str], names: Sequence[str], titles: tuple[str, str]) -> Markup:
    """Draw the letter of its group at the place (n, 2) of each slide; of more than `NAMED` dots, and letters of groups.

    ``titles`` are those of the axes.
    """
    x = Axis(*padded(places[:, 0]), 62.0, _WIDTH - _RIGHT)
    y = Axis(*padded(places[:, 1]), 226.0, 10.0)
    sizes = ", ".join(f"{letter} {count(number_of)}" for letter, number_of in sorted(Counter(letters).items()))
    if len(letters) <= NAMED:
        drawn = svg.group(
            [
                svg.element(
                    "text",
                    svg.element("title", f"{name}: group {letter}"),
                    letter,
                    x=x(across),
                    y=y(up) + 4,
                    text_anchor="middle",
                )
                for (across, up), letter, name in zip(places.tolist(), letters, names, strict=True)
            ],
            class_="letters",
        )
    else:
        dots = marks([(x(across), y(up), Dot(0.0, ""), "") for across, up in places.tolist()], 1.5)
        middles = {one: np.median(places[np.array(letters) == one], axis=0) for one in sorted(set(letters))}
        named = [svg.text(x(across), y(up) + 4, one, "middle") for one, (across, up) in middles.items()]
        drawn = svg.group([dots, svg.group(named, class_="letters large")])
    label = f"{len(letters)} slides by how they were stained and scanned, in groups: {sizes}."
    return svg.figure(_WIDTH, 272.0, label, *axes(x, y, *titles), drawn, class_="chart scatter")


def scatter(pairs: Sequence[tuple[float, Dot]], column: str, title: str) -> Markup:
    """Draw a dot per slide: a number of the sheet to the right, the slide's statistic upward."""
    across = np.array([value for value, _ in pairs], np.float64)
    up = np.array([dot.value for _, dot in pairs], np.float64)
    x = Axis(*padded(across), 62.0, _WIDTH - _RIGHT)
    y = Axis(*padded(up), 226.0, 10.0)
    placed = [(x(value), y(dot.value), dot, f"{column} {number(value)}, {number(dot.value)}") for value, dot in pairs]
    label = f"{title} by {column} of {len(pairs)} slides: {number(up.min())} to {number(up.max())}."
    drawn = marks(placed, 3.5 if len(pairs) <= 100 else 2.0)
    return svg.figure(_WIDTH, 272.0, label, *axes(x, y, shorten(column, 40), title), drawn, class_="chart scatter")
