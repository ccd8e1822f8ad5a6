import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markupsafe import Markup

from pathopipe.reporting import svg


def points_of(path: str) -> np.ndarray:
    """Absolute points of the path of one ring, in pixels."""
    start, steps = re.fullmatch(r"M(-?\d+ -?\d+)l(.*)z", path).groups()
    moves = np.array(steps.split(), int).reshape(-1, 2)
    first = np.array(start.split(), int)
    return np.vstack([first, first + np.cumsum(moves, axis=0)]) / svg.SUBPIXELS


@given(st.lists(st.tuples(st.integers(-99, 999), st.integers(-99, 999)), min_size=3, max_size=40))
def test_a_ring_keeps_its_half_pixels(points):
    ring = np.array(points) / 2
    assume((ring[0] != ring[-1]).any())
    closed = np.vstack([ring, ring[:1]])
    assert points_of(svg.ring_path(closed)).tolist() == ring.tolist()
    assert svg.ring_path(ring) == svg.ring_path(closed)


def test_rounding_does_not_add_up_along_a_ring():
    ring = np.column_stack([np.arange(1000) * 0.333, np.zeros(1000)])
    assert abs(points_of(svg.ring_path(ring)) - ring).max() <= 0.5 / svg.SUBPIXELS + 1e-9


def test_text_and_attributes_are_escaped():
    drawn = svg.element("text", "<script>alert(1)</script>", class_='"><b>', stroke_width=0.5, x=None)
    assert drawn == ('<text class="&#34;&gt;&lt;b&gt;" stroke-width="0.5">&lt;script&gt;alert(1)&lt;/script&gt;</text>')
    assert svg.element("g", Markup("<path/>")) == "<g><path/></g>"


def test_a_figure_says_what_it_shows():
    assert svg.figure(10, 20.5, 'a "b"') == (
        '<svg class="figure" viewBox="0 0 10 20.5" role="img" aria-label="a &#34;b&#34;"></svg>'
    )


@pytest.mark.parametrize(("value", "below"), [(1, 1), (1.99, 1), (2, 2), (6, 5), (0.07, 0.05), (1234, 1000)])
def test_round_below(value, below):
    assert svg.round_below(value) == pytest.approx(below)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_round_and_inside(low, width, about):
    marks = svg.ticks(low, low + width, about)
    assert all(low - 1e-6 * width <= mark <= low + 1.000001 * width for mark in marks)
    assert len(marks) <= 2.5 * about + 1


def test_simplifying_a_staircase_stays_within_the_tolerance():
    steps = np.array([(i // 2, (i + 1) // 2) for i in range(100)] + [(0, 50)], float)
    kept = svg.simplified(steps, tolerance=1.0)
    assert len(kept) < 8
    assert {tuple(point) for point in kept} <= {tuple(point) for point in steps}
