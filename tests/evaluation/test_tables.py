import numpy as np
import pytest

from pathopipe.evaluation.layout import Estimate, aligned
from pathopipe.evaluation.metrics import Counts
from pathopipe.evaluation.perturbation import PERTURBATIONS
from pathopipe.evaluation.point_metrics import PointCounts, TypeCounts
from pathopipe.evaluation.scoring import Row
from pathopipe.evaluation.tables import (
    POOLED,
    drops,
    outline_f1,
    outline_lines,
    point_f1,
    point_lines,
    pooled_only,
    rankings,
    tsv,
)


def counts(tp: int) -> Counts:
    """Of ten nuclei and ten found."""
    return Counts(tp, 10 - tp, 10 - tp, 0.8 * tp, 60 * tp, 1000, tp, 10, 10)


def two_models() -> list[Row]:
    first = [Row("first", name, counts(tp)) for name, tp in (("a", 8), ("b", 6), ("c", 5))]
    return first + [Row("second", name, counts(tp)) for name, tp in (("a", 7), ("b", 6), ("c", 9))]


def test_images_come_with_all_models_side_by_side_then_the_pooled_scores():
    lines = outline_lines(two_models())
    assert [(line["image"], line["model"]) for line in lines] == [
        (image, model) for image in ("a", "b", "c", POOLED) for model in ("first", "second")
    ]
    assert [str(line["f1"]) for line in lines[:2]] == ["0.800", "0.700"]
    assert str(lines[-2]["f1"]).startswith("0.633 [0.5")
    assert lines[-2]["nuclei"] == "30"


def test_a_minus_is_not_taken_for_a_dash():
    assert str(Estimate(0.2, 0.1, 0.3)) == "0.200 [0.100-0.300]"
    assert str(Estimate(0.2, -0.1, 0.3)) == "0.200 [-0.100 to 0.300]"


def test_the_table_is_aligned():
    header, *lines = aligned(pooled_only(outline_lines(two_models()))).splitlines()
    assert header.split()[:4] == ["model", "nuclei", "found", "f1"]
    for name, start in (("f1", "0."), ("aji", "0."), ("detection_f1", "0.")):
        assert all(line[header.index(f" {name}") + 1 :].startswith(start) for line in lines)


def test_the_file_has_the_ends_of_intervals_in_columns_of_their_own():
    header, *lines = (line.split("\t") for line in tsv(two_models()).splitlines())
    assert header[:9] == ["model", "image", "labels", "change", "nuclei", "found", "f1", "f1_low", "f1_high"]
    named = [dict(zip(header, line, strict=True)) for line in lines]
    assert named[0]["f1_low"] == ""
    for score in ("f1", "pq", "aji", "detection_f1"):
        pooled = named[-1]
        assert float(pooled[f"{score}_low"]) < float(pooled[score]) < float(pooled[f"{score}_high"])
    assert tsv(two_models()) == tsv(two_models())


def test_the_first_model_is_held_against_each_other_one():
    rows = two_models() + [Row("third", name, counts(4)) for name in "ab"]
    assert rankings(rows, outline_f1, "F1") == [
        "first against second, F1: ahead on 1 of 3 images, behind on 1",
        "first against third, F1: ahead on 2 of 2 images, behind on 0",
    ]
    assert rankings(rows[:3], outline_f1, "F1") == []


def test_a_model_whose_nuclei_have_types_stands_beside_one_whose_have_none():
    types = {"tumor": TypeCounts(labelled=4, found=3, right=2, predicted=4)}
    rows = [Row("with", "a", PointCounts(3, 5, 4, types, typed=True)), Row("without", "a", PointCounts(3, 5, 4, types))]
    one, other = point_lines(rows)[-2:]
    assert (one["recall:tumor"], one["f1:tumor"]) == (other["recall:tumor"], "0.500") == ("0.750", "0.500")
    assert "f1:tumor" not in other
    assert aligned([one, other]).splitlines()[-1].endswith("-")
    assert rankings(rows, point_f1, "detection F1")[0].endswith("ahead on 0 of 1 images, behind on 0")


def test_drops_are_of_the_pooled_scores():
    rows = [Row("m", "a", counts(8)), Row("m", "b", counts(6))]
    rows += [Row("m", name, counts(5), change=how.name) for name in "ab" for how in PERTURBATIONS]
    lines = drops(rows)
    assert [line["drop"] for line in lines] == [how.name for how in PERTURBATIONS]
    assert {line["f1 m"] for line in lines} == {"+0.200"}
    assert float(str(lines[0]["aji m"])) == pytest.approx(np.mean([0.48, 0.36]) - 0.3)
    assert "detection_f1 m" not in lines[0]
