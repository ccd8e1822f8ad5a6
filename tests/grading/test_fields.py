"""Fields of a slide, and the grader that looks at them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pathopipe.errors import RefusalError
from pathopipe.grading.attention import attention_score, shapes
from pathopipe.grading.card import GraderCard, GraderShape, sealed
from pathopipe.grading.field_grader import FieldGrader
from pathopipe.grading.fields import COLUMNS, FAMILIES, LEAST_NUCLEI, fields_of
from pathopipe.grading.registry import make_grader
from pathopipe.models.weights import Loaded, save_weights
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import STATISTICS, GradeSettings
from pathopipe.results.schemas.features import GROUPS
from tests.grading.made_nuclei import NAMES, nuclei, parts_of


def grader(families=FAMILIES, seed: int = 0, **changes) -> FieldGrader:
    """A grader with random weights, to which nothing is foreign."""
    shape = GraderShape("fields", tuple(families.items()), levels=5, grades=2, slides=40, hidden=16, side_um=128.0)
    rng, count = np.random.default_rng(seed), len(shape.columns)
    tensors = {name: rng.normal(size=size) for name, size in shapes(count, 16).items()}
    tensors["quantiles"] = np.sort(100 * rng.random((5, count)), axis=0)
    tensors["calibration"] = np.column_stack([np.linspace(0, 0.99, 40), np.arange(40) % 2, np.ones(40)])
    card = GraderCard(
        name="g", licence="CC0", architecture=shape, grades=("low", "high"), label="grade",
        contract=STATISTICS.contract, scope="Made up.", not_for="For tests.", thresholds=(0.0,), limits=(0.0,),
        **changes,
    )  # fmt: skip
    return FieldGrader(Loaded(card, "", {name: values.astype(np.float32) for name, values in tensors.items()}))


def test_fields_are_described_as_by_hand() -> None:
    columns = nuclei(1600)
    found = fields_of(parts_of(columns))
    assert found.values.shape == (16, len(COLUMNS))
    assert found.x_um.tolist() == [0, 128, 256, 384] * 4
    assert found.y_um.tolist() == np.repeat([0, 128, 256, 384], 4).tolist()
    place = 6  # second row, third column
    inside = (columns["x_um"] // 128 == 2) & (columns["y_um"] // 128 == 1)
    epithelial = inside & (columns["type"] == TYPES.index("epithelial"))
    for row, chosen in (("all", inside), ("epithelial", epithelial)):
        for name in ("area_um2", "gradient_mean"):
            for what, value in (("mean", np.nanmean), ("sd", np.nanstd)):
                own = found.values[place, COLUMNS.index((row, f"{name}_{what}"))]
                assert own == pytest.approx(value(columns[name][chosen]), rel=1e-6)
    told = columns["type"][inside & (columns["type"] >= 0)]
    assert found.values[place, COLUMNS.index(("all", "stromal_share"))] == pytest.approx((told == 2).mean())
    density = found.values[place, COLUMNS.index(("all", "nuclei_per_mm2"))]
    assert density == pytest.approx(inside.sum() / 0.128**2)


def test_fields_do_not_depend_on_how_many_nuclei_come_at_a_time() -> None:
    columns = nuclei(1500)
    whole = fields_of(parts_of(columns))
    for size in (1, 7, 400):
        other = fields_of(parts_of(columns, size))
        assert whole.values.tobytes() == other.values.tobytes()
        assert whole.x_um.tobytes() == other.x_um.tobytes()


def test_squares_of_few_nuclei_are_no_fields_and_few_values_no_statistic() -> None:
    columns = nuclei(2 * LEAST_NUCLEI - 1)
    columns["x_um"] = np.where(np.arange(len(columns["x_um"])) < LEAST_NUCLEI, 10.0, 300.0)
    columns["y_um"][:] = 200.0
    columns["type"][:] = -1
    columns["type"][:3] = 0
    columns["area_um2"][:] = 1.0
    found = fields_of(parts_of(columns))
    assert (found.x_um.tolist(), found.y_um.tolist()) == ([0.0], [128.0])
    values = dict(zip(COLUMNS, found.values[0].tolist(), strict=True))
    assert (values["all", "area_um2_mean"], values["all", "area_um2_sd"]) == (1, 0)
    assert math.isnan(values["epithelial", "area_um2_mean"])
    assert math.isnan(values["all", "epithelial_share"])


def test_the_measures_of_fields_are_measures_of_nuclei() -> None:
    known = {column.name for columns in GROUPS.values() for column in columns}
    assert set(NAMES) <= known
    assert len(NAMES) == len(set(NAMES))
    assert len(COLUMNS) == len(set(COLUMNS))


def test_a_field_counts_by_its_attention_and_order_does_not_matter() -> None:
    made = grader()
    values = fields_of(parts_of(nuclei())).columns(made.card.architecture.columns)
    score, shares = made.attend(values)
    assert shares.sum() == pytest.approx(1)
    order = np.random.default_rng(1).permutation(len(values))
    other, moved = made.attend(values[order])
    assert other == pytest.approx(score, abs=1e-9)
    assert moved == pytest.approx(shares[order], abs=1e-9)
    twice, _ = made.attend(np.repeat(values, 2, axis=0))
    assert twice == pytest.approx(score, abs=1e-9)
    assert abs(made.attend(values[:1])[0] - score) > 0.01


def test_the_score_is_the_formula() -> None:
    t = {name: values.astype(np.float64) for name, values in grader(seed=3).weights.tensors.items()}
    places = np.random.default_rng(0).normal(size=(4, len(COLUMNS))) / 10
    hidden = [np.maximum(t["embed"] @ field + t["embed_bias"], 0) for field in places]
    logits = [
        sum(
            w * math.tanh(a) / (1 + math.exp(-b))
            for w, a, b in zip(t["attend"], t["look"] @ h + t["look_bias"], t["gate"] @ h + t["gate_bias"], strict=True)
        )
        for h in hidden
    ]
    total = sum(map(math.exp, logits))
    expected = sum(math.exp(one) / total * (t["head"] @ h) for one, h in zip(logits, hidden, strict=True))
    assert attention_score(t, places)[0] == pytest.approx(expected + t["head_bias"][0], rel=1e-9)


def test_the_fields_that_count_most_are_named() -> None:
    made, asked = grader(), []
    result = made.grade(parts_of(nuclei(), 100, asked))
    values = fields_of(parts_of(nuclei()))
    _, shares = made.attend(values.columns(made.card.architecture.columns))
    first = int(np.argmax(shares))
    evidence = {item.name: item for item in result.evidence}
    assert evidence["field_1_attention"].value == pytest.approx(shares[first], abs=1e-4)
    x, y = values.x_um[first], values.y_um[first]
    assert f"x {x:g} to {x + 128:g} µm, y {y:g} to {y + 128:g} µm" in evidence["field_1_attention"].meaning
    assert [name for name in evidence if name.endswith("_attention")] == [f"field_{n}_attention" for n in (1, 2, 3)]
    assert evidence["score"].limits == (0.0,)
    assert set(result.probabilities) == {"low", "high"}
    assert len(asked) == 2
    assert made.slope({}) == {}


def test_what_is_said_follows_from_the_score() -> None:
    values = nuclei()
    said = set()
    for seed in range(6):
        made = replace(grader(seed=seed), coverage=0.5)
        result = made.grade(parts_of(values))
        if result.grade is not None:
            assert result.grade == ("high" if result.score >= 0 else "low")
        said.add(result.grade)
    assert {"low", "high"} <= said


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "does not grade a region"),
        (parts_of(nuclei(LEAST_NUCLEI - 1)), "No square of 128 µm has at least 8 nuclei"),
        (parts_of({name: values[:0] for name, values in nuclei().items()}), "No square of 128 µm"),
        (parts_of(nuclei() | {"type": np.full(400, -1.0)}), "the first is area_um2_mean of epithelial nuclei"),
    ],
)
def test_a_slide_without_what_it_looks_at_is_not_graded(given, words: str) -> None:
    result = grader().grade(given)
    assert result.grade is None
    assert result.reason is not None
    assert words in result.reason
    assert result.probabilities == {}


def test_a_slide_unlike_those_learned_from_is_not_graded() -> None:
    usual = grader(foreign=1.0).grade(parts_of(nuclei()))
    assert "unlike" not in (usual.reason or "")
    result = grader(foreign=0.0).grade(parts_of(nuclei()))
    assert result.grade is None
    assert "The slide is unlike those that the grader learned from" in (result.reason or "")


def test_columns_that_this_version_does_not_have_are_missing() -> None:
    families = {"all girth": tuple(f"girth_{number}" for number in range(90)), **FAMILIES}
    assert "the first is girth_0 of all nuclei" in (grader(families).grade(parts_of(nuclei())).reason or "")


@pytest.mark.parametrize(
    "changes", [{"kind": "linear"}, {"hidden": 0}, {"side_um": 0.0}, {"splits": 3}, {"hidden": 5000}]
)
def test_a_shape_that_does_not_fit_its_kind_is_refused(changes: dict[str, object]) -> None:
    sound = {"kind": "fields", "levels": 5, "grades": 2, "slides": 40, "hidden": 16, "side_um": 128.0}
    families = tuple(FAMILIES.items())
    assert GraderShape(families=families, **sound).shapes()["embed"] == (16, len(COLUMNS))
    with pytest.raises(ValueError, match=r"should|less than"):
        GraderShape(families=families, **(sound | changes))


def test_a_file_grades_as_it_did_before_it_was_written_and_an_edited_one_is_refused(tmp_path) -> None:
    made = grader()
    path = tmp_path / "g.safetensors"
    tensors = made.weights.tensors
    save_weights(path, sealed(made.card, tensors), tensors)
    read = make_grader(GradeSettings(grader=str(path)))
    assert isinstance(read, FieldGrader)
    assert read.grade(parts_of(nuclei())).to_dict() == made.grade(parts_of(nuclei())).to_dict()
    changed = tensors | {"head_bias": tensors["head_bias"] + 1}
    save_weights(path, sealed(made.card, tensors), changed)
    with pytest.raises(RefusalError, match="were edited"):
        make_grader(GradeSettings(grader=str(path)))
