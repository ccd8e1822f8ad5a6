from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.evaluation.perturbation import Perturbation, perturb
from pathopipe.ops.normalization import TARGET, amplification_of, normalized
from pathopipe.ops.stain import Stains, estimate_stains
from pathopipe.slide import open_slide
from tests.ops.test_stain import EOSIN, HEMATOXYLIN, degrees_between, mixture, unit


def image(pixels: int = 40_000) -> np.ndarray:
    """Pixels of known stains, (200, 200, 3)."""
    return mixture(pixels).reshape(200, -1, 3)


def test_the_result_has_the_stains_of_the_target():
    stains = estimate_stains(image().reshape(-1, 3))
    found = estimate_stains(normalized(image(), stains).reshape(-1, 3))
    assert degrees_between(found.hematoxylin, TARGET.hematoxylin) < 2
    assert degrees_between(found.eosin, TARGET.eosin) < 2
    assert found.hematoxylin_max == pytest.approx(TARGET.hematoxylin_max, abs=0.03)
    assert found.eosin_max == pytest.approx(TARGET.eosin_max, abs=0.03)


def test_a_pixel_of_one_stain_becomes_as_much_of_the_targets():
    stains = Stains(tuple(unit(HEMATOXYLIN)), tuple(unit(EOSIN)), 1.0, 0.5, "macenko")
    for own, other, amount in ((HEMATOXYLIN, TARGET.hematoxylin, 0.82), (EOSIN, TARGET.eosin, 0.5 / 0.5)):
        pixel = np.rint(255 * 10 ** (-0.6 * unit(own))).astype(np.uint8)
        expected = 255 * 10 ** (-0.6 * amount * np.asarray(other))
        assert normalized(pixel[None, None], stains)[0, 0] == pytest.approx(expected, abs=1.5)


def test_a_stronger_stain_is_taken_back(shared_data: Path):
    with open_slide(shared_data / "slides" / "OS-1-detail.ome.tif", None) as slide:
        tissue = slide.read(slide.grid(0.5), 0, 0, 480, 480)
    changed = perturb(tissue, Perturbation("", strength=1.4), 1.0)
    before, after = (normalized(one, estimate_stains(one.reshape(-1, 3))) for one in (tissue, changed))
    apart = np.abs(tissue.astype(int) - changed).mean()
    assert np.abs(before.astype(int) - after).mean() < 0.2 * apart


@given(st.integers(0, 150), st.integers(0, 150), st.integers(1, 50), st.integers(1, 50))
def test_a_pixel_does_not_depend_on_the_window(top: int, left: int, height: int, width: int):
    stains = Stains(tuple(unit(HEMATOXYLIN)), tuple(unit(EOSIN)), 0.9, 0.7, "macenko")
    window = np.s_[top : top + height, left : left + width]
    assert np.array_equal(normalized(image(), stains)[window], normalized(image()[window], stains))


def test_white_stays_white_and_black_does_not_overflow():
    stains = Stains(tuple(unit(HEMATOXYLIN)), tuple(unit(EOSIN)), 0.3, 0.2, "macenko")
    found = normalized(np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8), stains)
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 1].max() < 10


def test_only_a_faint_stain_is_amplified():
    assert amplification_of(TARGET) == 1
    weak = Stains(hematoxylin_max=TARGET.hematoxylin_max, eosin_max=TARGET.eosin_max / 4, source="macenko")
    strong = Stains(hematoxylin_max=TARGET.hematoxylin_max * 2, eosin_max=TARGET.eosin_max * 4, source="macenko")
    assert amplification_of(weak) == pytest.approx(4)
    assert amplification_of(strong) == pytest.approx(0.5)
