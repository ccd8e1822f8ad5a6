"""A real field at its own mpp and at wrong ones, and a synthetic one: from the pixels to the grade."""

from pathlib import Path

import cv2
import pytest

from pathopipe.jobs.execution import execute
from pathopipe.pipeline import Config
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.slide import open_slide
from pathopipe.synthetic import Scene, write_slide

STAGES = ("tissue", "quality", "tiles", "detect", "segment", "features", "types", "statistics", "grade")


@pytest.fixture(scope="module")
def field(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """612 nuclei of CMU-1-Small-Region, at 0.499 micrometers per pixel."""
    with open_slide(shared_data / "slides" / "CMU-1-Small-Region.svs") as slide:
        pixels = slide.read(slide.grid(0.499), 300, 900, 1024, 1024)
    path = tmp_path_factory.mktemp("field") / "field.png"
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def run(path: Path, results: Path, mpp: float, min_nuclei: int = 10) -> Path:
    config = Config.model_validate({"grade": {"nottingham": {"min_nuclei": min_nuclei}}})
    for stage in STAGES:
        execute(stage, "s", results, getattr(config, stage), Sample("s", path, (mpp, mpp)))
    return results / "s"


@pytest.mark.slow
@pytest.mark.parametrize("min_nuclei", [10, 100_000])
@pytest.mark.parametrize(("times", "side"), [(0.5, "small"), (2, "large"), (2.54, "large")])
def test_a_field_of_a_wrong_mpp_is_not_graded(field, tmp_path, times, side, min_nuclei):
    folder = run(field, tmp_path, 0.499 * times, min_nuclei)
    (warning,) = read_json(folder / "features" / "manifest.json")["quality"]
    assert warning["code"] == "implausible_mpp"
    assert warning["value"] > warning["threshold"]
    grade = read_json(folder / "grade" / "grade.json")
    assert grade["grade"] is None
    assert grade["reason"].startswith(f"The mpp of {0.499 * times:.4g} looks too {side}")


@pytest.mark.slow
def test_a_field_of_the_right_mpp_is_graded(field, tmp_path):
    folder = run(field, tmp_path, 0.499)
    features = read_json(folder / "features" / "manifest.json")
    assert (features["mpp_checked_by"], features["quality"]) == ("scales", [])
    assert read_json(folder / "grade" / "grade.json")["grade"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("mpp", [0.25, 0.5])
def test_large_nuclei_of_a_synthetic_slide_are_no_wrong_mpp(tmp_path, mpp):
    path = tmp_path / "scene.tiff"
    write_slide(Scene(1200, 1200, mpp=mpp, seed=10, pleomorphism=3, tissue="field"), path, levels=1)
    features = read_json(run(path, tmp_path, mpp) / "features" / "manifest.json")
    assert (features["mpp_checked_by"], features["quality"]) == ("size", [])
