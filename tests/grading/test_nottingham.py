import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.grading.base import GradeResult, Parts
from pathopipe.grading.nottingham import RESAMPLES, NottinghamPleomorphism

Population = dict[str, np.ndarray]
LEVELS = {"1": (38.0, 0.15), "2": (60.0, 0.3), "3": (100.0, 0.5)}


def kind(count: int, area: float, spread: float, ratio: float, dark: float, seed: int) -> Population:
    """Ellipses of log-normal area, around an axis ratio and a hematoxylin density."""
    rng = np.random.default_rng(seed)
    areas = area * np.exp(spread * rng.normal(size=count))
    ratios = 1 + (ratio - 1) * np.exp(0.2 * rng.normal(size=count))
    minor = np.sqrt(4 * areas / np.pi / ratios)
    return {
        "area_um2": areas,
        "major_axis_um": minor * ratios,
        "minor_axis_um": minor,
        "solidity": np.full(count, 0.95),
        "circularity": np.minimum(1.0, 4 * ratios / (1 + ratios) ** 2) - 0.03 * rng.random(count),
        "hematoxylin_mean": dark * np.exp(0.1 * rng.normal(size=count)),
    }


def slide(area: float, spread: float, epithelial: int = 3000, others: int = 0) -> Population:
    """Tumor cells with as many lymphocytes as spindle cells between them."""
    parts = [kind(epithelial, area, spread, 1.25, 0.5, 1)]
    parts += [kind(others, 28.0, 0.12, 1.1, 0.85, 2), kind(others, 33.0, 0.25, 3.4, 0.6, 3)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def parts(nuclei: Population, x: np.ndarray, y: np.ndarray, size: int = 1000) -> Parts:
    """As they come from a table, some at a time."""
    columns = nuclei | {"x_um": x, "y_um": y}

    def give(names: Sequence[str]) -> Iterator[Population]:
        step = size // 3 if "x_um" in names else size  # two tables, whose parts may differ
        for start in range(0, len(x), step):
            yield {name: columns[name][start : start + step] for name in names}

    return give


def graded(nuclei: Population, extent_um: float = 2000.0, **changes) -> GradeResult:
    x, y = np.random.default_rng(9).random((2, len(nuclei["area_um2"]))) * extent_um
    return NottinghamPleomorphism(**changes).grade(parts(nuclei, x, y))


def value(result: GradeResult, name: str) -> float:
    (found,) = [item.value for item in result.evidence if item.name == name]
    return found


@pytest.mark.parametrize("grade", ["1", "2", "3"])
@pytest.mark.parametrize("others", [0, 1200, 3000])
def test_the_size_of_epithelial_nuclei_decides_whatever_lies_between_them(grade, others):
    area, spread = LEVELS[grade]
    result = graded(slide(area, spread, others=others))
    assert result.grade == grade
    assert result.probabilities[grade] > 0.9
    assert result.reason is None
    assert not others or value(result, "size_ratio") == pytest.approx(area / 32, rel=0.12)


@pytest.mark.parametrize("grade", ["1", "2", "3"])
@pytest.mark.parametrize("scale", [0.6, 0.8, 1.2])
def test_what_changes_all_nuclei_alike_changes_no_grade(grade, scale):
    """Shrinkage, generous outlines, a wrong mpp: lymphocytes go along."""
    nuclei = slide(*LEVELS[grade], others=1200)
    for name, power in (("area_um2", 1.0), ("major_axis_um", 0.5), ("minor_axis_um", 0.5)):
        nuclei[name] = nuclei[name] * scale**power
    result = graded(nuclei)
    assert result.grade == grade
    assert value(result, "reference_area_um2") == pytest.approx(32 * scale, rel=0.08)


def test_dark_debris_is_no_yardstick():
    parts = [kind(800, 32.0, 0.15, 1.25, 0.5, 1), kind(200, 12.0, 0.15, 1.1, 0.9, 2)]
    result = graded({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    assert value(result, "reference_area_um2") == 32
    assert result.grade == "1"


def test_without_lymphocytes_the_reference_is_the_setting():
    """Of large nuclei, the round dark ones are not of a lymphocyte's size; of spindles, none are round."""
    large = graded(slide(100, 0.2))
    assert value(large, "reference_area_um2") == 32
    assert "lymphocyte_area_um2" not in {item.name for item in large.evidence}
    spindles = graded(kind(500, 33.0, 0.2, 3.4, 0.5, 1), min_nuclei=1, reference_area_um2=30.0)
    assert value(spindles, "reference_area_um2") == 30


@pytest.mark.parametrize("extent_um", [2000.0, 150.0])
def test_every_column_is_read_once(extent_um):
    """Also of a small field, whose squares of tissue are halved."""
    nuclei, asked = slide(60, 0.3, others=1000), list[str]()
    x, y = np.random.default_rng(9).random((2, len(nuclei["area_um2"]))) * extent_um
    give = parts(nuclei, x, y)

    def noting(names: Sequence[str]) -> Iterator[Population]:
        asked.extend(names)
        return give(names)

    assert NottinghamPleomorphism().grade(noting).grade == "2"
    assert sorted(asked) == sorted([*nuclei, "x_um", "y_um"])


def test_evidence_counts_every_nucleus_once():
    nuclei = slide(60, 0.3, others=1000)
    result = graded(nuclei)
    counted = [
        item.value for item in result.evidence if item.name == "nuclei_graded" or item.name.endswith("_left_out")
    ]
    assert sum(counted) == len(nuclei["area_um2"])
    assert value(result, "spindles_left_out") > 800
    assert value(result, "lymphocytes_left_out") > 600


@pytest.mark.parametrize(("ratio", "grade"), [(1.49, "1"), (1.5, "2"), (2.0, "2"), (2.01, "3")])
def test_limits_are_those_of_the_published_rule(ratio, grade):
    nuclei = slide(50, 0.1)
    nuclei["area_um2"][:] = 32.0 * ratio
    assert graded(nuclei).grade == grade


def test_the_reference_is_a_setting():
    nuclei = slide(60, 0.2, others=500)
    assert graded(nuclei, reference="fixed", reference_area_um2=45.0).grade == "1"
    assert graded(nuclei, reference="fixed", reference_area_um2=25.0).grade == "3"


@pytest.mark.parametrize("count", [0, 1, 99])
def test_too_few_nuclei_are_not_graded(count):
    result = graded(slide(60, 0.1, epithelial=count))
    assert result.abstained
    assert result.grade is None
    assert f"Only {count} " in result.reason
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_population_at_a_limit_is_not_graded():
    nuclei = slide(48, 0.1, epithelial=600)
    nuclei["area_um2"] = np.where(np.arange(600) % 2, 47.0, 49.0)
    result = graded(nuclei)
    assert result.abstained
    assert 0.4 < result.probabilities["1"] < 0.6
    assert "of resamples of its tissue agree; at least 60%" in result.reason


def test_resampling_squares_admits_more_doubt_than_resampling_nuclei_would():
    """Half of the slide scores 1 and half 3: which half is larger is chance."""
    nuclei = slide(38, 0.1, epithelial=4000)
    x = np.random.default_rng(4).random(4000) * 2000
    nuclei["area_um2"] = np.where(x < 995, 38.0, 100.0)
    y = np.random.default_rng(5).random(4000) * 500
    result = NottinghamPleomorphism(reference="fixed").grade(parts(nuclei, x, y))
    assert min(result.probabilities["1"], result.probabilities["3"]) > 0.2
    assert result.abstained
    assert value(result, "largest_square_ratio") == pytest.approx(100 / 32, abs=1e-4)


def test_a_small_field_of_view_is_cut_into_smaller_squares():
    result = graded(slide(60, 0.2, epithelial=300), extent_um=250.0)
    assert value(result, "squares") >= 12
    assert "62.5 µm" in next(item.meaning for item in result.evidence if item.name == "squares")


def test_the_same_nuclei_give_the_same_result_in_any_order():
    nuclei = slide(55, 0.4, epithelial=900, others=100)
    x, y = np.random.default_rng(9).random((2, 1100)) * 900
    order = np.random.default_rng(3).permutation(1100)
    shuffled = {name: column[order] for name, column in nuclei.items()}
    first = NottinghamPleomorphism().grade(parts(nuclei, x, y)).to_dict()
    assert NottinghamPleomorphism().grade(parts(nuclei, x, y)).to_dict() == first
    again = NottinghamPleomorphism().grade(parts(shuffled, x[order], y[order])).to_dict()
    assert again["probabilities"] == first["probabilities"]


def test_missing_measurements_leave_a_nucleus_out():
    nuclei = slide(60, 0.2)
    nuclei["area_um2"][:500] = np.nan
    nuclei["hematoxylin_mean"][:] = nuclei["circularity"][:] = np.nan
    result = graded(nuclei)
    assert result.grade == "2"
    assert value(result, "nuclei_graded") == 2500
    assert "circularity_median" not in {item.name for item in result.evidence}


@settings(max_examples=30, deadline=None)
@given(area=st.floats(20, 200), spread=st.floats(0.01, 0.8), count=st.integers(0, 400), extent=st.floats(20, 5000))
def test_probabilities_add_up_and_results_are_valid_json(area, spread, count, extent):
    result = graded(slide(area, spread, epithelial=count), extent_um=extent)
    if result.probabilities:
        assert sum(result.probabilities.values()) == pytest.approx(1)
        assert all(
            round(share * RESAMPLES) == pytest.approx(share * RESAMPLES) for share in result.probabilities.values()
        )
    assert result.abstained == (result.reason is not None)
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert content["grades"] == ["1", "2", "3"]
    assert content["research_use_only"] is True
    assert all(item["value"] is not None for item in content["evidence"])
    assert all(set(item) == {"name", "value", "unit", "meaning", "limits", "to_limit"} for item in content["evidence"])
