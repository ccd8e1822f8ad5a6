"""Texture of nuclei against scikit-image, nucleus by nucleus."""

from itertools import pairwise

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.morphology import disk, opening

from pathopipe.ops import texture
from pathopipe.ops.cooccurrence import LEVELS
from pathopipe.ops.texture import TEXTURE_FEATURES, TOP, measure_texture
from tests.ops.measured_field import MeasuredField, field, made

STRONG = 0.8
ANGLES = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
# scikit-image's name of ours, where it has one.
PROPERTIES = {
    "contrast": "contrast",
    "dissimilarity": "dissimilarity",
    "homogeneity": "homogeneity",
    "asm": "ASM",
    "correlation": "correlation",
    "entropy": "entropy",
}


@pytest.fixture(scope="module")
def nuclei() -> MeasuredField:
    return field()


@pytest.fixture(scope="module", params=[0.5, 0.25])
def measured(nuclei: MeasuredField, request: pytest.FixtureRequest) -> tuple[float, dict[str, np.ndarray]]:
    return request.param, measure_texture(nuclei.runs, nuclei.planes[0], STRONG, request.param)


def shares(nuclei: MeasuredField, label: int, distance: int) -> np.ndarray:
    """Co-occurrence matrix of a nucleus by scikit-image: its surroundings are a level of their own, and left out."""
    scaled = nuclei.planes[0] * np.float32(1 / (TOP * STRONG))
    levels = np.minimum(scaled * LEVELS, LEVELS - 1).astype(np.uint8) + 1
    matrix = graycomatrix(
        np.where(nuclei.labels == label, levels, 0).astype(np.uint8), [distance], ANGLES, LEVELS + 1, symmetric=True
    )
    counts = matrix[1:, 1:, 0].sum(axis=2).astype(float)
    return counts / counts.sum()


def grays_of(nuclei: MeasuredField) -> np.ndarray:
    return np.minimum(nuclei.planes[0] * np.float32(1 / (TOP * STRONG)) * 255 + 0.5, 255).astype(np.uint8)


def test_all_columns_are_there(nuclei: MeasuredField, measured: tuple[float, dict[str, np.ndarray]]) -> None:
    _, found = measured
    assert tuple(found) == TEXTURE_FEATURES
    assert not any(np.isinf(values).any() for values in found.values())
    assert all(np.isfinite(found[name]).all() for name in found if not name.startswith("glcm"))


@pytest.mark.parametrize("distance", texture.DISTANCES_UM)
def test_cooccurrence_is_that_of_scikit_image(
    nuclei: MeasuredField, measured: tuple[float, dict[str, np.ndarray]], distance: float
) -> None:
    mpp, found = measured
    for label in range(1, nuclei.count + 1, 3):
        matrix = shares(nuclei, label, round(distance / mpp))
        for name, theirs in PROPERTIES.items():
            expected = graycoprops(matrix[:, :, None, None], theirs)[0, 0]
            value = found[f"glcm_{name}_{distance * 1000:.0f}nm"][label - 1]
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), (label, name)


def test_what_scikit_image_lacks_is_as_haralick_and_conners_define_it(
    nuclei: MeasuredField, measured: tuple[float, dict[str, np.ndarray]]
) -> None:
    mpp, found = measured
    i, j = np.indices((LEVELS, LEVELS))
    for label in range(1, nuclei.count + 1, 3):
        matrix = shares(nuclei, label, round(0.5 / mpp))
        margin, known = matrix.sum(axis=0), matrix > 0
        product, mean = np.outer(margin, margin), (margin * np.arange(LEVELS)).sum()
        joint = -(matrix[known] * np.log(matrix[known])).sum()
        first = -(matrix[known] * np.log(product[known])).sum()
        second = -(product[product > 0] * np.log(product[product > 0])).sum()
        alone = -(margin[margin > 0] * np.log(margin[margin > 0])).sum()
        gaps = np.bincount(abs(i - j).ravel(), matrix.ravel())
        expected = {
            "difference_entropy": -(gaps[gaps > 0] * np.log(gaps[gaps > 0])).sum(),
            "information_1": (joint - first) / alone,
            "information_2": np.sqrt(1 - np.exp(-2 * (second - joint))),
            "shade": ((i + j - 2 * mean) ** 3 * matrix).sum(),
            "prominence": ((i + j - 2 * mean) ** 4 * matrix).sum(),
        }
        for name, value in expected.items():
            assert found[f"glcm_{name}_500nm"][label - 1] == pytest.approx(value, rel=1e-8, abs=1e-8), (label, name)


def test_patterns_are_those_of_scikit_image(
    nuclei: MeasuredField, measured: tuple[float, dict[str, np.ndarray]]
) -> None:
    mpp, found = measured
    theirs = local_binary_pattern(grays_of(nuclei), 8, texture.PATTERN_UM / mpp, "uniform").astype(int)
    for label in range(1, nuclei.count + 1):
        codes = theirs[nuclei.labels == label]
        expected = np.bincount(codes, minlength=10) / len(codes)
        values = [found[name][label - 1] for name in texture.PATTERNS]
        assert values == pytest.approx(expected, abs=1e-12), label


def test_patterns_of_equal_grays_are_those_of_a_flat_image() -> None:
    labels = np.zeros((30, 30), np.int32)
    labels[8:20, 8:20] = 1
    flat = made(labels, np.full((30, 30, 3), 100, np.uint8))
    found = measure_texture(flat.runs, flat.planes[0], STRONG, 0.3)
    assert found["lbp_8"].tolist() == [1.0]
    assert np.isnan(found["glcm_correlation_500nm"]).all()
    assert found["glcm_information_1_500nm"].tolist() == [0.0]
    assert found["gradient_mean"].tolist() == [0.0]


def test_granularity_is_what_openings_remove(nuclei: MeasuredField) -> None:
    found = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, 0.5)
    images = [grays_of(nuclei), *(opening(grays_of(nuclei), disk(radius)) for radius in (1, 2, 3, 4))]
    for label in range(1, nuclei.count + 1):
        if not nuclei.is_inside(label, 8):
            continue  # the two treat what lies beyond the image differently
        sums = [float(image[nuclei.labels == label].sum()) for image in images]
        expected = [(before - after) / sums[0] for before, after in pairwise(sums)]
        assert [found[name][label - 1] for name in texture.GRANULARITY] == pytest.approx(expected, abs=1e-12)


def test_gradients_are_central_differences(nuclei: MeasuredField) -> None:
    found = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, 0.25)
    slopes = np.hypot(*np.gradient(nuclei.planes[0].astype(float))) / 0.25
    for label in range(1, nuclei.count + 1):
        inside = slopes[nuclei.labels == label]
        assert found["gradient_mean"][label - 1] == pytest.approx(inside.mean(), rel=1e-6)
        assert found["gradient_sd"][label - 1] == pytest.approx(inside.std(), rel=1e-6)


@pytest.mark.parametrize("mpp", [0.5, 0.25])
def test_a_nucleus_measures_the_same_alone_and_elsewhere(nuclei: MeasuredField, mpp: float) -> None:
    label = next(i for i in range(1, nuclei.count + 1) if nuclei.is_inside(i, 50))
    window = np.s_[20:240, 22:238]
    alone = made((nuclei.labels[window] == label).astype(np.int32), np.ascontiguousarray(nuclei.rgb[window]))
    again = measure_texture(alone.runs, alone.planes[0], STRONG, mpp)
    before = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, mpp)
    for name, values in again.items():
        assert values[0] == before[name][label - 1] or np.isnan([values[0], before[name][label - 1]]).all(), name


def test_a_stronger_stain_is_not_a_coarser_one(nuclei: MeasuredField) -> None:
    double = nuclei.planes[0] * np.float32(2)
    before = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, 0.5)
    after = measure_texture(nuclei.runs, double, 2 * STRONG, 0.5)
    for name in (*(f for f in before if f.startswith("glcm")), *texture.PATTERNS):
        np.testing.assert_array_equal(before[name], after[name])


def test_single_pixels_have_no_pairs() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[10, 10] = 1
    one = made(labels, np.full((20, 20, 3), 120, np.uint8))
    found = measure_texture(one.runs, one.planes[0], STRONG, 0.5)
    assert np.isnan([found[name][0] for name in found if name.startswith("glcm")]).all()
    assert found["lbp_8"].tolist() == [1.0]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_changes_no_texture(nuclei: MeasuredField, turns: int) -> None:
    before = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, 0.5)
    turned = made(np.rot90(nuclei.labels, turns).copy(), np.rot90(nuclei.rgb, turns).copy())
    after = measure_texture(turned.runs, turned.planes[0], STRONG, 0.5)
    for name, values in before.items():
        if not name.startswith(
            "lbp"
        ):  # changes along eight points are counted from the first one, as scikit-image does
            np.testing.assert_allclose(after[name], values, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("mpp", [0.25, 0.2525, 0.29, 0.325, 0.33, 0.4, 0.5, 0.505, 0.55, 0.62, 0.7, 1.0, 1.5])
def test_what_pixels_are_too_coarse_for_is_null_and_never_zero(nuclei: MeasuredField, mpp: float) -> None:
    found = measure_texture(nuclei.runs, nuclei.planes[0], STRONG, mpp)
    shares = [found[name] for name in texture.GRANULARITY]
    assert all(np.isnan(values).all() or (values > 0).any() for values in shares)
    known = [values for values in shares if not np.isnan(values).all()]
    assert len(known) >= (4 if mpp < 0.28 or 0.4 <= mpp < 0.56 else 2)
    pairs = [found[f"glcm_contrast_{distance * 1000:.0f}nm"] for distance in texture.DISTANCES_UM]
    known = [values for values in pairs if not np.isnan(values).all()]
    assert len({values.tobytes() for values in known}) == len(known) >= (3 if mpp < 0.66 else 1)
