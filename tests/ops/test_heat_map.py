import numpy as np
import pytest

from pathopipe.ops.heat_map import heat_map
from pathopipe.ops.resampling import squares


def made(count: int = 500, most: int = 5, size: int = 60):
    rng = np.random.default_rng(0)
    points, values = rng.random((count, 2)) * (2000.0, 1500.0), rng.normal(size=count)

    def parts():
        return ((points[start : start + size, 0], points[start : start + size, 1]) for start in range(0, count, size))

    place, side = squares(parts, 250.0)
    found = heat_map((values[start : start + size] for start in range(0, count, size)), parts(), place, side, most)
    return found, points, values


def test_every_nucleus_counts_once_in_its_square():
    found, points, values = made()
    assert found.side_um == 250.0
    assert (found.nuclei.sum(), found.influence.sum()) == (500, pytest.approx(values.sum()))
    for column, row, nuclei, influence in zip(found.columns, found.rows, found.nuclei, found.influence, strict=True):
        inside = (points // 250.0 == (column, row)).all(axis=1)
        assert (nuclei, influence) == (inside.sum(), pytest.approx(values[inside].sum()))
    places = list(zip(found.rows.tolist(), found.columns.tolist(), strict=True))
    assert places == sorted(set(places)), "row by row, each once"


def test_the_strongest_nuclei_and_squares_come_first_whatever_their_sign():
    found, _, values = made()
    assert found.strongest.tolist() == np.argsort(-np.abs(values))[:5].tolist()
    assert found.of_strongest.tolist() == values[found.strongest].tolist()
    order = found.order()
    assert (np.diff(np.abs(found.influence[order])) <= 0).all()


def test_parts_of_any_size_give_the_same():
    first, *_ = made(size=500)
    second, *_ = made(size=7)
    assert second.influence == pytest.approx(first.influence)
    assert second.strongest.tolist() == first.strongest.tolist()


def test_without_nuclei_there_is_no_square():
    found = heat_map([], [], np.empty(0, np.uint8), 250.0, 5)
    assert (len(found.influence), len(found.strongest), len(found.order())) == (0, 0, 0)
