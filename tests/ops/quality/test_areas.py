"""Areas of a quality map: gaps closed, bubbles filled, specks dropped; and what is left of the tissue."""

import numpy as np
import pytest

from pathopipe.ops.quality.areas import ARTIFACTS, DOUBTFUL, NUMBERS, sound_bins, tidy

ALL = np.ones((64, 64), bool)


def painted(name: str, *parts: tuple[slice, slice]) -> np.ndarray:
    labels = np.zeros(ALL.shape, np.uint8)
    for part in parts:
        labels[part] = NUMBERS[name]
    return labels


def test_what_a_rim_encloses_is_the_bubble() -> None:
    labels = painted("bubble", np.s_[10:40, 10:12], np.s_[10:40, 38:40], np.s_[10:12, 10:40], np.s_[38:40, 10:40])
    assert (tidy(labels, ALL, 20)[10:40, 10:40] == NUMBERS["bubble"]).all()
    fold = np.where(labels, NUMBERS["fold"], 0).astype(np.uint8)
    assert (tidy(fold, ALL, 20)[15:35, 15:35] == 0).all()


def test_specks_are_dropped_and_small_gaps_closed() -> None:
    labels = painted("fold", np.s_[5:15, 5:30], np.s_[50:52, 50:52])
    labels[5:15, 16:18] = 0
    found = tidy(labels, ALL, 100)
    assert (found[6:14, 5:30] == NUMBERS["fold"]).all()
    assert not found[45:, 45:].any()


def test_blur_must_cover_more_than_others() -> None:
    part = np.s_[5:20, 5:20]
    assert not tidy(painted("out of focus", part), ALL, 100).any()
    assert tidy(painted("pen", part), ALL, 100).any()


@pytest.mark.parametrize(("name", "sure"), [("out of focus", 8), ("fold", 20)])
def test_an_area_grows_into_what_is_doubtful_beside_it_and_not_elsewhere(name: str, sure: int) -> None:
    labels = painted(name, np.s_[5:45, 5 : 5 + sure])
    labels[5:45, 5 + sure : 40] = labels[50:64, 50:64] = NUMBERS[name] + DOUBTFUL
    found = tidy(labels, ALL, 50)
    assert (found[5:45, 5:40] == NUMBERS[name]).all()
    assert not found[48:, 48:].any()
    labels[5:45, 5 : 5 + sure // 5 * 4] = NUMBERS[name] + DOUBTFUL
    assert not tidy(labels, ALL, 5).any()


def test_an_area_that_is_all_of_a_small_piece_counts() -> None:
    tissue = np.zeros_like(ALL)
    tissue[:6, :6] = True
    assert (tidy(painted("out of focus", np.s_[:6, :6]), tissue, 100)[tissue] == NUMBERS["out of focus"]).all()


def test_nothing_outside_of_the_tissue_is_named() -> None:
    tissue = ALL.copy()
    tissue[:, 32:] = False
    assert not tidy(painted("pen", np.s_[:, :]), tissue, 10)[:, 32:].any()


def test_the_first_of_two_that_meet_counts() -> None:
    labels = painted(ARTIFACTS[2], np.s_[:, :])
    labels[20:40, 20:40] = NUMBERS[ARTIFACTS[0]]
    assert (tidy(labels, ALL, 10)[20:40, 20:40] == NUMBERS[ARTIFACTS[0]]).all()


def test_a_cell_is_left_out_when_half_of_it_is() -> None:
    labels = painted("pen", np.s_[0:9, :])
    tissue = np.ones((32, 32), bool)
    assert sound_bins(labels, tissue, ("pen",), 0).sum() == 32 * 32 - 5 * 32
    assert sound_bins(labels, tissue, ("fold",), 0) is tissue


def test_islets_among_what_is_left_out_go_with_it_and_other_small_pieces_stay() -> None:
    labels = painted("pen", np.s_[:32, :])
    labels[10:14, 10:14] = 0
    tissue = np.ones((32, 32), bool)
    tissue[16:30] = False
    found = sound_bins(labels, tissue, ("pen",), 100)
    assert not found[:16].any()
    assert found[30:].all()
