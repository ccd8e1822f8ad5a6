import math
import re
from itertools import pairwise

import numpy as np
import pytest

from pathopipe.reporting import cohort_figures, figures, svg
from pathopipe.reporting.distribution import distribution
from pathopipe.results.schemas.column import Term

AREA = Term("Nuclear area", "µm²", "")


def numbers(drawing, pattern):
    return [float(value) for value in re.findall(pattern, str(drawing))]


def test_histogram_tells_its_numbers_in_words():
    drawing = figures.histogram(distribution(np.arange(1.0, 1001.0)), AREA)
    assert "Histogram of nuclear area of 1,000 nuclei" in drawing
    assert "median 500\u202fµm²" in drawing.replace("501", "500")
    assert "Nuclear area (µm²)</text>" in drawing
    assert ">nuclei</text>" in drawing


def test_bars_have_the_heights_of_their_counts():
    data = distribution([0.0] * 10 + [10.0] * 20)
    bars = re.search(r'<g class="bars">(.*?)</g>', str(figures.histogram(data, AREA)))[1]
    heights = numbers(bars, r'height="([\d.]+)"')
    assert len(heights) == 2
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.001)


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [-1e-9, 1e9]])
def test_odd_distributions_are_drawn(values):
    assert "nan" not in figures.histogram(distribution(values), AREA)


def test_share_bars_are_as_long_as_their_shares_and_escaped():
    drawing = figures.share_bars(["<b>", "high"], [0.25, 0.75], "high", "Share of resamples")
    lengths = numbers(drawing, r'width="([\d.]+)" height="16" rx="3" class="bar')
    assert lengths[1] == pytest.approx(3 * lengths[0], rel=0.001)
    assert "<b>" not in drawing
    assert '<text x="346' not in drawing
    assert "high 75%" in drawing


@pytest.mark.parametrize(("width", "um_per_unit"), [(640, 0.5), (1024, 40.0), (128, 0.25), (1000, 0.023)])
def test_the_scale_bar_is_as_long_as_it_says(width, um_per_unit):
    drawing = figures.scale_bar(width, width, um_per_unit)
    said, unit = re.search(r">([\d.,]+)\u202f(µm|mm)<", str(drawing)).groups()
    um = float(said.replace(",", "")) * (1000 if unit == "mm" else 1)
    (length,) = numbers(drawing, r'width="([\d.]+)" height="[\d.]+" class="rule"')
    assert length * um_per_unit == pytest.approx(um, rel=0.01)
    assert length <= width / 4 + 1e-6


def test_the_legend_spans_the_colors_and_its_ticks_stay_inside():
    drawing = figures.color_legend(16432.0, "nuclei per mm²")
    assert drawing.count("<stop ") == 17
    assert max(numbers(drawing, r'<text x="([\d.]+)" y="48"')) <= 400


@pytest.mark.parametrize(
    ("low", "high", "about", "labels"),
    [
        (9.9, 11.7, 4, ["10.0", "10.5", "11.0", "11.5"]),
        (0.18, 0.27, 5, ["0.18", "0.20", "0.22", "0.24", "0.26"]),
        (-1.0, 1.5, 6, ["\u22121.0", "\u22120.5", "0.0", "0.5", "1.0", "1.5"]),
        (900.0, 3100.0, 5, ["1,000", "1,500", "2,000", "2,500", "3,000"]),
        (0.0, 0.5000000000000001, 6, ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
    ],
)
def test_labels_of_ticks_differ_and_have_the_same_decimals(low, high, about, labels):
    assert [label for _, label in figures.labeled(svg.ticks(low, high, about))] == labels


@pytest.mark.parametrize(
    ("low", "high"), [(2747.0, 4871.0), (0.9435, 0.9905), (0.45, 0.497), (0.0, 1e6), (-1e-4, 1e-4)]
)
def test_labels_below_an_axis_neither_touch_nor_are_cut(low, high):
    drawn = "".join(figures.ticks_below(figures.Axis(low, high, 14.0, 446.0), 84.0, 6))
    found = [(float(x), words) for x, words in re.findall(r'<text x="([\d.]+)"[^>]*>([^<]*)<', drawn)]
    ends = [(x - 3.6 * len(words), x + 3.6 * len(words)) for x, words in found]
    assert len(ends) >= 2
    assert all(left < right for left, right in ((-1, ends[0][0]), *((a[1], b[0]) for a, b in pairwise(ends))))
    assert ends[-1][1] < 460


def test_a_single_tick_keeps_its_digits():
    assert figures.labeled([10.5]) == [(10.5, "10.5")]


def test_strip_draws_every_slide_inside_and_names_it():
    dots = [cohort_figures.Dot(float(value), f"<s{value}>", "g1") for value in [*range(5), *[2] * 60]]
    drawing = cohort_figures.strip(dots, AREA)
    xs, ys = numbers(drawing, r'cx="([\d.]+)"'), numbers(drawing, r'cy="([\d.-]+)"')
    assert len(xs) == 65
    assert min(xs) > 0
    assert max(xs) < 460
    assert min(ys) > 0
    assert len(set(zip(xs, ys, strict=True))) == 65
    many = cohort_figures.strip([*dots] * 20, AREA)
    assert (many.count("<circle"), many.count("h0")) == (0, 1300)
    assert "<s1>" not in drawing
    assert "&lt;s1&gt;: 1.00" in drawing


@pytest.mark.parametrize("values", [[3.0, 3.0], [0.0, 0.0], [-5.0, 5.0]])
def test_padded_limits_hold_all_values(values):
    low, high = cohort_figures.padded(np.array(values))
    assert low < min(values)
    assert max(values) < high
    assert math.isfinite(low + high)


def test_long_names_are_cut():
    assert figures.shorten("short") == "short"
    assert figures.shorten("a" * 30) == "a" * 17 + "…"


def test_a_number_stands_on_its_line_between_its_limits():
    drawing = figures.number_line(1.7, (1.5, 2.0), "Size ratio: 1.70.", ("1", "<b>", "3"))
    (at,) = numbers(drawing, r'd="M([\d.]+) ')
    low, high = numbers(drawing, r'<text x="([\d.]+)" y="63" text-anchor="middle" class="tick"')
    assert at == pytest.approx(low + 0.4 * (high - low), abs=0.2)
    boxes = re.findall(r'<rect x="([\d.]+)"[^>]* width="([\d.]+)"[^>]* class="([^"]*)"', str(drawing))
    assert [name for *_, name in boxes] == ["part", "part chosen", "part"]
    assert float(boxes[1][0]) - 1 == pytest.approx(low, abs=0.02)
    assert float(boxes[1][0]) + float(boxes[1][1]) + 1 == pytest.approx(high, abs=0.02)
    assert "<b>" not in drawing


@pytest.mark.parametrize(
    ("value", "limits", "part"),
    [(1e6, (1.5, 2.0), 2), (-1e6, (1.5, 2.0), 0), (3.0, (3.0,), 1), (0.0, (0.0,), 1), (2.9, (3.0,), 0)],
)
def test_numbers_far_from_their_limits_and_at_them_stay_on_the_line(value, limits, part):
    drawing = str(figures.number_line(value, limits, "x"))
    (at,) = numbers(drawing, r'd="M([\d.]+) ')
    assert 0 <= at <= 420
    names = re.findall(r'class="(part[^"]*)"', drawing)
    assert (names.index("part chosen"), len(names)) == (part, len(limits) + 1)
    assert "nan" not in drawing


def test_the_legend_of_influence_has_both_signs():
    drawing = str(figures.influence_legend(0.041))
    assert drawing.count("<stop ") == 17
    stops = re.findall(r'stop-color="(#\w+)"', drawing)
    assert (stops[0], stops[8], stops[16]) == ("#2166ac", "#ffffff", "#b2182b")
    assert "\u22120.041" in drawing


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_the_words_above_a_histogram_do_not_leave_it(place):
    """At the ends, too: 8 units a letter is the width of the widest font."""
    values = np.concatenate([np.linspace(0.0, 1.0, 100), np.full(900, place)])
    term = Term("Hematoxylin, mean", "OD", "")
    drawing = str(figures.histogram(distribution(values), term))
    middle, words = re.search(r'<text x="([\d.]+)"[^>]*class="median-label">([^<]*)', drawing).groups()
    assert words.startswith("median")
    assert 4 * len(words) <= float(middle) <= 460 - 4 * len(words)
