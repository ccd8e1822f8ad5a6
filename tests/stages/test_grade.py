import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.artifacts import write_json
from pathopipe.config import GradeSettings
from pathopipe.errors import RefusalError
from pathopipe.stages.execution import execute

WARNING = {"code": "out_of_focus", "message": "40% of the sampled tissue looks out of focus", "value": 0.4}


def prepare(results: Path, area: float, count: int = 600, quality: tuple[dict, ...] = (), rejected: str | None = None):
    """Upstream artifacts of a slide whose nuclei are about ``area`` um2."""
    rng = np.random.default_rng(0)
    areas = area * np.exp(0.2 * rng.normal(size=count))
    features = {
        "area_um2": areas,
        "major_axis_um": np.sqrt(areas * 1.5),
        "minor_axis_um": np.sqrt(areas),
        "solidity": np.full(count, 0.95),
        "circularity": pa.array([None, *np.full(max(count - 1, 0), 0.8)][:count], pa.float64()),
        "hematoxylin_mean": rng.random(count),
    }
    slide = results / "s1"
    manifest = {"state": "rejected" if rejected else "done", "reason": rejected, "quality": list(quality)}
    manifest |= {"counts": {"nuclei": count}, "mpp_x": 0.25, "mpp_y": 0.25, "mpp_source": "sheet", "identity": "1-abc"}
    for stage in ("tissue", "segment", "features"):
        write_json(slide / stage / "manifest.json", manifest)
    pq.write_table(pa.table(features), slide / "features" / "features.parquet")
    places = {name: rng.random(count) * 8000 for name in ("x_px", "y_px")}
    pq.write_table(pa.table(places), slide / "segment" / "nuclei.parquet")


def grade(results: Path, **settings) -> dict:
    execute("grade", "s1", results, GradeSettings(**settings))
    return json.loads((results / "s1" / "grade" / "grade.json").read_text())


@pytest.mark.parametrize(("area", "expected"), [(38, "1"), (60, "2"), (100, "3")])
def test_a_slide_is_graded_with_its_evidence(tmp_path, area, expected):
    prepare(tmp_path, area)
    result = grade(tmp_path)
    assert result["grade"] == expected
    assert result["grader"] == "nottingham-pleomorphism"
    assert result["research_use_only"] is True
    evidence = {item["name"]: item["value"] for item in result["evidence"]}
    assert evidence["nuclei_graded"] == 600
    assert evidence["size_ratio"] == pytest.approx(area / 32, rel=0.05)


def test_nuclei_of_an_impossible_size_are_not_graded(tmp_path):
    message = "half of the nuclei are smaller than 8 µm², which is hardly possible: check the slide's mpp"
    prepare(tmp_path, 60)
    manifest = json.loads((tmp_path / "s1/features/manifest.json").read_text())
    manifest["quality"] = [{"code": "implausible_size", "message": message, "value": 8.0}]
    write_json(tmp_path / "s1/features/manifest.json", manifest)
    result = grade(tmp_path)
    assert result["grade"] is None
    assert result["reason"] == f"The image is not fit to measure nuclei: {message}."


def test_places_are_taken_in_micrometers(tmp_path):
    """8000 pixels of 0.25 um are 8 squares of 250 um."""
    prepare(tmp_path, 60, count=3000)
    assert {item["name"]: item["value"] for item in grade(tmp_path)["evidence"]}["squares"] == 64


def test_settings_reach_the_grader(tmp_path):
    prepare(tmp_path, 60)
    assert grade(tmp_path, reference_area_um2=45)["grade"] == "1"
    assert "at least 601 are needed" in grade(tmp_path, min_nuclei=601)["reason"]


def test_a_warning_about_focus_makes_it_abstain(tmp_path):
    prepare(tmp_path, 60, quality=(WARNING,))
    result = grade(tmp_path)
    assert result["grade"] is None
    assert result["abstained"] is True
    assert "40% of the sampled tissue looks out of focus" in result["reason"]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_nuclei_give_a_valid_abstention(tmp_path, count):
    prepare(tmp_path, 60, count=count)
    assert "epithelial nuclei could be measured" in grade(tmp_path)["reason"]


def test_a_rejected_slide_is_not_graded_and_says_why(tmp_path):
    prepare(tmp_path, 60, rejected="no mpp")
    result = grade(tmp_path)
    assert result["reason"] == "The slide was rejected: no mpp"
    assert result["grades"] == ["1", "2", "3"]
    assert result["evidence"] == []
    assert result["probabilities"] == {}


def test_the_same_slide_gives_the_same_bytes(tmp_path):
    prepare(tmp_path, 60)
    grade(tmp_path)
    first = (tmp_path / "s1" / "grade" / "grade.json").read_bytes()
    grade(tmp_path)
    assert (tmp_path / "s1" / "grade" / "grade.json").read_bytes() == first


def test_an_unknown_grader_is_refused(tmp_path):
    prepare(tmp_path, 60)
    with pytest.raises(RefusalError, match="no grader 'gleason'"):
        grade(tmp_path, grader="gleason")
