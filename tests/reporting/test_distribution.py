import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.reporting.distribution import distribution, round_edges


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_every_value_is_counted_once(values):
    data = distribution(values)
    assert sum(data.counts) + data.below + data.above == data.total == len(values)
    assert data.p25 <= data.p50 <= data.p75


def test_a_few_merged_nuclei_do_not_squeeze_the_bars():
    areas = np.concatenate([np.linspace(20, 60, 1000), [5000.0]])
    data = distribution(areas)
    assert data.edges[-1] < 70
    assert data.above >= 1


def test_what_is_not_finite_is_left_out():
    assert distribution([np.nan, 1.0, np.inf]).total == 1
    assert distribution([]) is None
    assert distribution([np.nan]) is None


@pytest.mark.parametrize(("low", "high"), [(0, 1), (3.3, 97.2), (5, 5), (0, 0), (-2, 1e5)])
def test_edges_are_multiples_of_their_width(low, high):
    edges = round_edges(low, high)
    width = edges[1] - edges[0]
    assert edges[0] <= low
    assert high <= edges[-1]
    assert np.allclose(edges / width, np.rint(edges / width))
    assert len(edges) <= 60
