import base64
import re
import zlib

import numpy as np
import pytest

from pathopipe.ops.simplify import simplify_rings
from pathopipe.text import fixed, number
from pathopipe.viewer.decimals import exponents, from_codes, to_codes
from pathopipe.viewer.packing import Block, packed, scripts, steps, zigzag
from pathopipe.viewer.quadtree import leaves


def test_numbers_are_those_that_pages_show():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 10.0**power, 2000) for power in range(-4, 3)])
    values = np.concatenate([values, values.astype(np.float32), np.arange(0, 999, 0.125), [999.5, 9.995, 0.0999999]])
    values = values[np.abs(values) < 999.5]
    assert len(values) > 20_000
    codes = to_codes(values)
    decimals = np.maximum(0, -exponents(codes)).tolist()
    shown = [fixed(value, places) if value else "0" for value, places in zip(from_codes(codes), decimals, strict=True)]
    assert shown == [number(value) for value in values]


@pytest.mark.parametrize(
    ("value", "kept"), [(0.0, 0.0), (12345.0, 12300.0), (-1e-30, -0.0), (1e-9, 1e-9), (99999.0, 1e5), (-2.5, -2.5)]
)
def test_numbers_beyond_what_pages_show(value, kept):
    assert from_codes(to_codes(np.array([value]))) == pytest.approx(kept, rel=1e-12)


def test_a_missing_number_stays_missing():
    assert to_codes(np.array([np.nan, 0.0])).tolist() == [0, 14 << 10]
    assert np.isnan(from_codes(np.array([0], np.uint16))).all()


def test_blocks_become_scripts_of_the_size_they_say():
    blocks = [Block("n0", b"abc"), Block("n1", b"\x00" * 1000)]
    page = scripts(blocks)
    assert len(page) == sum(block.size for block in blocks)
    found = re.findall(rb'<script type="application/octet-stream" id="(n\d)">([^<]*)</script>\n', page)
    assert [(name.decode(), base64.b64decode(text)) for name, text in found] == [("n0", b"abc"), ("n1", b"\x00" * 1000)]


def test_columns_are_packed_by_significance():
    data = zlib.decompress(packed([np.array([1, 0x0203], np.uint16), np.array([7, 8], np.uint8)]))
    assert data == bytes([1, 3, 0, 2, 7, 8])
    assert zigzag(np.array([0, -1, 1, -32768, 32767])).tolist() == [0, 1, 2, 65535, 65534]
    assert steps(np.array([3, 4, 9])).tolist() == [3, 1, 5]


def test_leaves_hold_every_point_once_and_few_enough():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 9000, 5000), rng.normal(500, 30, 5000)
    found = leaves(x, y, most=100)
    assert sorted(np.concatenate([leaf.rows for leaf in found]).tolist()) == list(range(5000))
    assert max(len(leaf.rows) for leaf in found) <= 100
    for leaf in found:
        assert leaf.bounds == (x[leaf.rows].min(), y[leaf.rows].min(), x[leaf.rows].max(), y[leaf.rows].max())
    areas = [(right - left) * (bottom - top) for leaf in found for left, top, right, bottom in [leaf.bounds]]
    assert sum(areas) < 9000 * 250, "leaves hardly overlap"


def test_points_in_one_place_share_a_leaf():
    assert [len(leaf.rows) for leaf in leaves(np.full(300, 5.0), np.full(300, 5.0), most=100)] == [300]
    assert leaves(np.empty(0), np.empty(0)) == []


def test_a_ring_keeps_what_lies_off_its_chords():
    square = np.array([[0, 0], [5, 0.2], [10, 0], [10, 10], [5, 9], [0, 10], [0, 0]], float)
    coords, offsets = simplify_rings(np.vstack([square, square + 100]), np.array([0, 7, 14]), 0.3)
    assert offsets.tolist() == [0, 5, 10]
    assert coords[:5].tolist() == [[0, 0], [10, 0], [10, 10], [5, 9], [0, 10]]
    assert coords[5:].tolist() == (coords[:5] + 100).tolist()


def test_no_point_is_further_away_than_the_tolerance():
    shapely = pytest.importorskip("shapely")
    angles, rng = np.linspace(0, 2 * np.pi, 60), np.random.default_rng(4)
    radii = 12 + rng.normal(0, 1, 60)
    radii[-1] = radii[0]
    ring = np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None]
    few, offsets = simplify_rings(ring, np.array([0, 60]), 0.6)
    assert offsets[-1] < 45
    line = shapely.LinearRing(few)
    assert 0.3 < max(line.distance(shapely.Point(point)) for point in ring) <= 0.6
