import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pathopipe.cli.evaluate import evaluate
from pathopipe.cli.evaluation import POOLED, STAGES, Row, table
from pathopipe.config import Config
from pathopipe.errors import RefusalError
from pathopipe.ops.metrics import Counts
from pathopipe.samples import Sample
from pathopipe.stages.execution import execute

CENTERS = [(x, y) for y in (60, 140, 220) for x in (50, 120, 190, 260)]
RADIUS_PX = 16


def field(size: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Dark discs on pink, at 0.25 mpp, and their labels."""
    rgb = np.full((size, size, 3), (235, 190, 215), np.uint8)
    labels = np.zeros((size, size), np.uint16)
    ys, xs = np.ogrid[:size, :size]
    for label, (x, y) in enumerate(CENTERS, 1):
        inside = (ys - y) ** 2 + (xs - x) ** 2 <= RADIUS_PX**2
        rgb[inside], labels[inside] = (95, 80, 150), label
    return rgb, labels


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    rgb, truth = field()
    for name in ("a", "b"):
        cv2.imwrite(str(images / f"{name}.png"), rgb[..., ::-1])
        cv2.imwrite(str(labels / f"{name}.png"), truth)
    (images / "images.tsv").write_text("not an image")
    return images, labels


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(evaluate, ["nuclei", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(text: str) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in text.splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_clear_nuclei_are_found_and_outlined(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    shown = call("--images", images, "--labels", labels, "--mpp", "0.25", "--out", tmp_path / "scores.tsv")
    found = rows((tmp_path / "scores.tsv").read_text())
    assert [row["image"] for row in found] == ["a", "b", POOLED]
    assert found[-1] | {"nuclei": "24", "found": "24", "f1": "1.000", "detection_f1": "1.000"} == found[-1]
    assert float(found[-1]["aji"]) > 0.85
    assert POOLED in shown
    assert len(shown.splitlines()) == 2


def test_geojson_labels_say_the_same_as_a_label_image(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    (labels / "b.png").unlink()
    angles = np.linspace(0, 2 * np.pi, 60)
    rings = [
        np.stack([x + 0.5 + 16.2 * np.cos(angles), y + 0.5 + 16.2 * np.sin(angles)], axis=1).tolist()
        for x, y in CENTERS
    ]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}} for ring in rings
    ]
    (labels / "b.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    call("--images", images, "--labels", labels, "--mpp", "0.25", "--out", tmp_path / "scores.tsv")
    a, b, _ = rows((tmp_path / "scores.tsv").read_text())
    assert float(b["aji"]) == pytest.approx(float(a["aji"]), abs=0.02)
    assert a["f1"] == b["f1"] == "1.000"


def test_finished_results_score_like_the_images_that_they_come_from(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    for stage in STAGES:
        for name in ("a", "b"):
            sample = Sample(name, images / f"{name}.png", (0.25, 0.25))
            execute(stage, name, tmp_path / "results", getattr(Config(), stage), sample)
    call("--results", tmp_path / "results", "--labels", labels, "--out", tmp_path / "run.tsv")
    call("--images", images, "--labels", labels, "--mpp", "0.25", "--out", tmp_path / "images.tsv")
    assert (tmp_path / "run.tsv").read_text() == (tmp_path / "images.tsv").read_text()


def test_an_image_without_tissue_scores_nothing_and_says_why(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    cv2.imwrite(str(images / "a.png"), np.full((320, 320, 3), 255, np.uint8))
    result = CliRunner().invoke(
        evaluate, ["nuclei", "--images", str(images), "--labels", str(labels), "--mpp", "0.25", "--per-image"]
    )
    assert "a: nothing was found: " in result.stderr
    line = next(line.split() for line in result.stdout.splitlines() if " a " in line)
    assert line[2:5] == ["12", "0", "0.000"]


def test_what_is_missing_is_said_in_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    arguments = ["--images", images, "--labels", labels, "--mpp", "0.25"]
    with pytest.raises(RefusalError, match="needs --mpp"):
        call(*arguments[:-2])
    with pytest.raises(RefusalError, match=r"either --images .* or --results"):
        call("--labels", labels)
    with pytest.raises(RefusalError, match="no nucleus model 'x'"):
        call(*arguments, "--model", "x")
    with pytest.raises(RefusalError, match="there is nothing to evaluate"):
        call("--results", tmp_path, "--labels", labels)
    (labels / "b.png").unlink()
    with pytest.raises(RefusalError, match="no labels for 1 of 2, the first is 'b'"):
        call(*arguments)


def test_labels_of_another_size_are_refused(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    cv2.imwrite(str(labels / "a.png"), np.zeros((320, 300), np.uint16))
    with pytest.raises(RefusalError, match=r"a\.png: is 300 x 320 pixels, its image 320 x 320"):
        call("--images", images, "--labels", labels, "--mpp", "0.25")


def test_a_color_image_is_no_label_image(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    cv2.imwrite(str(labels / "a.png"), np.zeros((320, 320, 3), np.uint8))
    with pytest.raises(RefusalError, match="is no label image"):
        call("--images", images, "--labels", labels, "--mpp", "0.25")


def test_the_table_is_aligned_or_separated() -> None:
    made = [Row("classical", "a", Counts(tp=1, fp=1, iou_sum=0.8, predicted=2, labelled=1))]
    header, line = table(made).splitlines()
    assert header.index("f1") == line.index("0.667")
    assert table(made, separator="\t").splitlines()[1].split("\t")[:4] == ["classical", "a", "1", "2"]
