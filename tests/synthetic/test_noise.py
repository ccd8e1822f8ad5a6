import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.synthetic.noise import bell, gradient_noise, hash_cell, noise_table, ramp, table_noise, unit

SEED = np.uint64(2**60 + 5)


def test_hashes_differ_between_cells_and_are_even() -> None:
    words = [hash_cell(SEED, column, row) for column in range(-60, 60) for row in range(-60, 60)]
    assert len(set(words)) == len(words)
    values = np.array([unit(np.uint64(word), 3) for word in words])
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=16, range=(0, 1))[0]
    assert np.abs(counts - len(words) / 16).max() < 5 * np.sqrt(len(words) / 16)


def test_bell_has_mean_zero_and_variance_one() -> None:
    values = np.array([bell(np.uint64(hash_cell(SEED, n, 0)), 0) for n in range(20000)])
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1) < 0.03
    assert np.abs(values).max() <= 2 * np.sqrt(3)


@given(x=st.floats(-1e5, 1e5), y=st.floats(-1e5, 1e5))
@settings(deadline=None)  # the first call compiles
def test_noise_is_bounded_and_continuous(x: float, y: float) -> None:
    value = gradient_noise(SEED, x, y)
    assert -1.5 < value < 1.5
    assert abs(gradient_noise(SEED, x + 1e-4, y) - value) < 1e-3


@given(x=st.floats(-1e4, 1e4), y=st.floats(-1e4, 1e4))
@settings(deadline=None)
def test_table_noise_repeats_after_its_period(x: float, y: float) -> None:
    table = noise_table(SEED)
    value = table_noise(table, x, y)
    assert 0 <= value <= 1
    assert abs(table_noise(table, x + 256, y - 256) - value) < 1e-6


def test_ramp_rises_from_start_to_end() -> None:
    assert [ramp(value, 1.0, 3.0) for value in (0.0, 1.0, 2.0, 3.0, 9.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
