"""Slides of which most or all is unfit: all stages run, nobody grades them, and their pages say why, with the map."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pathopipe.jobs.execution import execute
from pathopipe.ops.quality.inks import INKS
from pathopipe.pipeline import ORDER, Config
from pathopipe.results.documents import read_json
from pathopipe.samples import Sample
from pathopipe.synthetic import Scene, render
from pathopipe.synthetic.artifacts import Painting, defocus

MPP = 0.5
SIZE = (1000, 800)
CONFIG: dict[str, Any] = {"detect": {"model": "classical"}}


def tissue() -> Painting:
    scene = Scene(*SIZE, mpp=MPP, seed=3, pleomorphism=2, tissue="field")
    return Painting.of(render(scene, 0, 0, *SIZE), MPP)


def blurred(share: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    painting, where = tissue(), np.zeros((SIZE[1], SIZE[0]), np.float32)
    where[:, : round(share * SIZE[0])] = 1
    defocus(painting, where, 12.0, 0.75)
    return painting.rgb


def inked() -> np.ndarray[Any, np.dtype[np.uint8]]:
    painting = tissue()
    painting.density += np.float32(0.8) * np.array(INKS["blue"], np.float32)
    return painting.rgb


def analyzed(
    folder: Path, rgb: np.ndarray[Any, np.dtype[np.uint8]], **changes: Any
) -> tuple[dict[str, dict[str, Any]], str]:
    """Run all stages on an image; returns their manifests and the page."""
    cv2.imwrite(str(folder / "field.png"), rgb[..., ::-1])
    sample, config = Sample("s", folder / "field.png", (MPP, MPP)), Config.model_validate(CONFIG | changes)
    found = {stage: execute(stage, "s", folder, getattr(config, stage), sample) for stage in ORDER}
    return found, (folder / "s/report/report.html").read_text(encoding="utf-8")


def holds_map(page: str, folder: Path) -> bool:
    return base64.b64encode((folder / "s/quality/quality.png").read_bytes()).decode() in page


def test_a_slide_of_which_most_is_unfit_is_graded_by_nobody_and_its_page_says_why(tmp_path: Path) -> None:
    found, page = analyzed(tmp_path, blurred(0.7))
    assert 0.5 < found["quality"]["unfit_share"] < 1
    assert {manifest["state"] for manifest in found.values()} == {"done"}
    graded = read_json(tmp_path / "s/grade/grade.json")
    assert graded["abstained"] is True
    assert graded["grade"] is None
    assert "not fit to be measured" in graded["reason"]
    assert "not fit to be measured" in page
    assert "out of focus" in page
    assert holds_map(page, tmp_path)


def test_half_as_much_is_graded_as_usual(tmp_path: Path) -> None:
    found, _ = analyzed(tmp_path, blurred(0.3))
    assert [entry["code"] for entry in found["quality"]["quality"]] == ["unfit"]
    assert "not fit" not in str(read_json(tmp_path / "s/grade/grade.json")["reason"])


@pytest.mark.parametrize(("name", "rgb"), [("out of focus", blurred(1.0)), ("pen", inked())], ids=["blurred", "inked"])
def test_a_slide_of_which_all_is_unfit_is_rejected_and_its_page_says_why(
    name: str, rgb: np.ndarray[Any, np.dtype[np.uint8]], tmp_path: Path
) -> None:
    found, page = analyzed(tmp_path, rgb)
    assert found["quality"]["state"] == "done"
    assert found["quality"]["unfit_share"] == 1
    assert found["tiles"]["state"] == found["grade"]["state"] == "rejected"
    assert name in found["tiles"]["reason"]
    assert name in page
    assert holds_map(page, tmp_path)


def test_a_slide_without_magnification_has_no_map(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "field.png"), tissue().rgb[..., ::-1])
    sample, config = Sample("s", tmp_path / "field.png"), Config()
    found = {stage: execute(stage, "s", tmp_path, getattr(config, stage), sample) for stage in ("tissue", "quality")}
    assert found["quality"]["state"] == "rejected"
    assert "mpp" in found["quality"]["reason"]
    assert read_json(tmp_path / "s/quality/quality.geojson")["features"] == []
