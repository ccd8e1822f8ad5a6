import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pathopipe.cli.evaluate import evaluate
from pathopipe.errors import RefusalError
from pathopipe.evaluation.perturbation import PERTURBATIONS
from pathopipe.evaluation.scoring import STAGES, TYPE_STAGES
from pathopipe.evaluation.tables import POOLED
from pathopipe.jobs.execution import execute
from pathopipe.models.registry import weights_of
from pathopipe.models.weights import save_weights
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import Config, DetectSettings
from pathopipe.results.schemas.types import SCHEMA
from pathopipe.results.tables import TableWriter
from pathopipe.samples import Sample

CENTERS = [(x, y) for y in (60, 140, 220) for x in (50, 120, 190, 260)]
RADIUS_PX = 16
CLASSICAL = ("--model", "classical")


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


def given(folders: tuple[Path, Path]) -> list[str | Path]:
    return ["--images", folders[0], "--labels", folders[1], "--mpp", "0.25", *CLASSICAL]


def rows(text: str) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in text.splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_clear_nuclei_are_found_and_outlined(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shown = call(*given(folders), "--out", tmp_path / "scores.tsv")
    found = rows((tmp_path / "scores.tsv").read_text())
    assert [row["image"] for row in found] == ["a", "b", POOLED]
    assert found[-1] | {"nuclei": "24", "found": "24", "f1": "1.000", "detection_f1": "1.000"} == found[-1]
    assert float(found[-1]["aji"]) > 0.85
    title, header, line = shown.splitlines()
    assert title == "Outlines of 2 images; 95% intervals over images in brackets"
    assert line[header.index("f1") :].startswith("1.000 [1.000-1.000]  1.000")


def test_geojson_labels_say_the_same_as_a_label_image(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, labels = folders
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
    call(*given(folders), "--out", tmp_path / "scores.tsv")
    a, b, _ = rows((tmp_path / "scores.tsv").read_text())
    assert float(b["aji"]) == pytest.approx(float(a["aji"]), abs=0.02)
    assert a["f1"] == b["f1"] == "1.000"


def test_finished_results_score_like_the_images_that_they_come_from(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    config = Config(detect=DetectSettings(model="classical"))
    for stage in STAGES:
        for name in ("a", "b"):
            sample = Sample(name, images / f"{name}.png", (0.25, 0.25))
            execute(stage, name, tmp_path / "results", getattr(config, stage), sample)
    call("--results", tmp_path / "results", "--labels", labels, "--out", tmp_path / "run.tsv")
    call(*given(folders), "--out", tmp_path / "images.tsv")
    assert (tmp_path / "run.tsv").read_text() == (tmp_path / "images.tsv").read_text()


def test_all_results_that_are_damaged_are_named_at_once(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    results, config = tmp_path / "results", Config(detect=DetectSettings(model="classical"))
    for stage in STAGES:
        for name in ("a", "b"):
            execute(stage, name, results, getattr(config, stage), Sample(name, images / f"{name}.png", (0.25, 0.25)))
    for damaged in (results / "a" / "segment" / "nuclei.parquet", results / "b" / "tissue" / "manifest.json"):
        damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(RefusalError) as refused:
        call("--results", results, "--labels", labels)
    assert [problem.split("results/")[1] for problem in refused.value.problems] == [
        "a/segment/nuclei.parquet: is damaged: delete it and run again",
        "b/tissue/manifest.json: is damaged: delete it and run again",
    ]


def test_an_image_without_tissue_scores_nothing_and_says_why(folders: tuple[Path, Path]) -> None:
    cv2.imwrite(str(folders[0] / "a.png"), np.full((320, 320, 3), 255, np.uint8))
    result = CliRunner().invoke(evaluate, ["nuclei", *map(str, given(folders)), "--per-image"])
    assert "a: classical found nothing: " in result.stderr
    line = next(line.split() for line in result.stdout.splitlines() if " a " in line)
    assert line[2:5] == ["12", "0", "0.000"]


def test_what_is_missing_is_said_in_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    images, labels = folders
    refusals = {
        "--images needs --mpp": ["--images", images, "--labels", labels],
        "--images needs --labels": ["--images", images, "--mpp", "0.25"],
        "--results needs --labels": ["--results", tmp_path],
        r"either --images or --sheet .* or --results": ["--labels", labels],
        "leave --labels and --mpp out": ["--sheet", labels / "a.png", "--mpp", "0.25"],
        "only apply to images": ["--results", tmp_path, "--labels", labels, "--robustness"],
        "no nucleus model 'x'": [*given(folders), "--model", "x"],
        "there are no images or results": ["--results", tmp_path, "--labels", labels],
        "the folder .* does not exist": [*given(folders), "--out", tmp_path / "nowhere" / "a.tsv"],
    }
    for sentence, arguments in refusals.items():
        with pytest.raises(RefusalError, match=sentence):
            call(*arguments)


def test_weights_for_another_resolution_are_refused_as_by_a_run(folders: tuple[Path, Path], tmp_path: Path) -> None:
    weights = weights_of("open")
    fine = tmp_path / "fine.safetensors"
    save_weights(fine, replace(weights.card, mpp=0.25), weights.tensors)
    asked = [*given(folders)[:-2], "--model", fine]
    with pytest.raises(RefusalError, match=r"tiles\.mpp: .* is made for 0\.25 micrometers per pixel, got 0\.5"):
        call(*asked)
    assert "2 images" in call(*asked, "--working-mpp", "0.25")


def test_all_images_and_labels_are_read_before_the_first_is_analyzed(folders: tuple[Path, Path]) -> None:
    images, labels = folders
    cv2.imwrite(str(labels / "a.png"), np.zeros((320, 300), np.uint16))
    (images / "b.png").write_bytes(b"no image")
    with pytest.raises(RefusalError) as caught:
        call(*given(folders))
    first, second = caught.value.problems
    assert "a.png: is 300 x 320 pixels, its image 320 x 320" in first
    assert f"{images / 'b.png'}: the file is not a slide or image" in second


def write_points(path: Path, shift: float = 0) -> None:
    """Nuclei of two types; those of the lower row are left out."""
    lines = [f"{x + shift}\t{y}\t{'Tumor' if x > 100 else 'lymphocyte'}" for x, y in CENTERS[:8]]
    path.write_text("\n".join(["x\ty\ttype", *lines]))


def test_points_score_detection_and_recall_by_type(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (folders[1] / f"{name}.png").unlink()
    write_points(folders[1] / "a.tsv")
    write_points(folders[1] / "b.tsv", shift=14)
    shown = call(*given(folders), "--out", tmp_path / "scores.tsv")
    a, b, both = rows((tmp_path / "scores.tsv").read_text())
    # Twelve nuclei at eight points; 14 pixels are more than 3 um.
    assert a | {"points": "8", "found": "12", "detection_f1": "0.800", "detection_precision": "0.667"} == a
    assert (a["recall:epithelial"], a["recall:inflammatory"], b["detection_recall"]) == ("1.000", "1.000", "0.000")
    assert both["detection_f1"] == "0.400"
    assert (both["detection_f1_low"], both["detection_f1_high"]) == ("0.000", "0.800")
    assert shown.startswith("Points of 2 images")


def finished(folders: tuple[Path, Path], results: Path) -> Path:
    """Run all stages up to the types on an image, and say of its nuclei what they are; returns the table."""
    sample = Sample("a", folders[0] / "a.png", (0.25, 0.25))
    config = Config(detect=DetectSettings(model="classical"))
    for stage in (*STAGES, *TYPE_STAGES):
        execute(stage, "a", results, getattr(config, stage), sample)
    places = pq.read_table(results / "a" / "segment" / "nuclei.parquet")["x_px"].to_pylist()
    path = results / "a" / "types" / "types.parquet"
    shares = {name: np.full(len(places), 0.1, np.float32) for name in TYPES}
    said = ["inflammatory" if x < 150 else "epithelial" for x in places]
    for name in ("inflammatory", "epithelial"):
        shares[name][np.array(said) == name] = 0.7
    with TableWriter(path, SCHEMA) as table:
        ids = np.arange(len(places))
        table.write({"nucleus_id": ids, "type": said} | {f"p_{name}": shares[name] for name in TYPES})
    return path


def test_types_in_results_are_scored_too(folders: tuple[Path, Path], tmp_path: Path) -> None:
    finished(folders, tmp_path / "results")
    (folders[1] / "a.png").unlink()
    write_points(folders[1] / "a.tsv")
    shown = call("--results", tmp_path / "results", "--labels", folders[1], "--out", tmp_path / "scores.tsv")
    line = rows((tmp_path / "scores.tsv").read_text())[0]
    # Of three columns of tumor the first was said to be lymphocytes; the lower row has no points.
    inflammatory, epithelial = 2 * 2 / (6 + 2), 2 * 4 / (6 + 6)
    assert (line["f1:inflammatory"], line["f1:epithelial"]) == (f"{inflammatory:.3f}", f"{epithelial:.3f}")
    assert line["f1:mean"] == f"{(inflammatory + epithelial) / 2:.3f}"
    _, confusion = shown.split("\n\n")
    assert [line.split() for line in confusion.splitlines()[1:4]] == [
        ["annotated", "epithelial", "inflammatory"],
        ["epithelial", "4", "2"],
        ["inflammatory", "0", "2"],
    ]
    assert confusion.splitlines()[4] == "expected calibration error 0.050, in ten bins of probability"


def test_outlines_with_classes_are_scored_by_type_too(folders: tuple[Path, Path], tmp_path: Path) -> None:
    finished(folders, tmp_path / "results")
    (folders[1] / "a.png").unlink()
    features = []
    for x, y in CENTERS[:8]:
        ring = [(x - 14, y - 14), (x + 14, y - 14), (x + 14, y + 14), (x - 14, y + 14), (x - 14, y - 14)]
        kind = {"classification": {"name": "Tumor" if x > 100 else "Immune cells"}}
        features.append({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": kind})
    content = {"type": "FeatureCollection", "features": features}
    (folders[1] / "a.geojson").write_text(json.dumps(content))
    shown = call("--results", tmp_path / "results", "--labels", folders[1], "--out", tmp_path / "scores.tsv")
    outlined, _, pointed, _ = rows((tmp_path / "scores.tsv").read_text())
    assert (outlined["labels"], outlined["nuclei"], outlined["f1:mean"]) == ("outlines", "8", "")
    assert (pointed["labels"], pointed["f1:inflammatory"], pointed["f1:epithelial"]) == ("points", "0.500", "0.667")
    assert [block.split(" of ")[0] for block in shown.split("\n\n")[:2]] == ["Outlines", "Points"]


def test_points_of_a_type_that_is_none_of_ours_are_not_judged(folders: tuple[Path, Path], tmp_path: Path) -> None:
    finished(folders, tmp_path / "results")
    (folders[1] / "a.png").unlink()
    write_points(folders[1] / "a.tsv")
    text = (folders[1] / "a.tsv").read_text()
    (folders[1] / "a.tsv").write_text(text.replace("Tumor", "mitosis"))
    call("--results", tmp_path / "results", "--labels", folders[1], "--out", tmp_path / "scores.tsv")
    line = rows((tmp_path / "scores.tsv").read_text())[0]
    # Four of the inflammatory ones lie at points of that other type.
    assert (line["f1:inflammatory"], line["f1:mean"], line["points"]) == ("0.667", "0.667", "8")


def test_types_are_given_to_images_whose_points_have_some(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[1] / "a.png").unlink()
    write_points(folders[1] / "a.tsv")
    (folders[0] / "b.png").unlink()
    (folders[1] / "b.png").unlink()
    shown = call(*given(folders), "--set", "types.min_probability=0", "--out", tmp_path / "scores.tsv")
    line = rows((tmp_path / "scores.tsv").read_text())[0]
    assert {"f1:inflammatory", "f1:epithelial", "f1:mean"} <= line.keys()
    assert "Types that classical gave nuclei within 6 um of a point" in shown
    call(*given(folders), "--set", "types.model=none", "--out", tmp_path / "scores.tsv")
    assert "f1:mean" not in rows((tmp_path / "scores.tsv").read_text())[0]


def test_a_sheet_brings_images_of_different_resolution_together(folders: tuple[Path, Path], tmp_path: Path) -> None:
    half = cv2.resize(cv2.imread(str(folders[0] / "b.png")), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folders[0] / "b.png"), half)
    (folders[1] / "b.png").unlink()
    (folders[1] / "b.tsv").write_text("x\ty\n" + "\n".join(f"{x / 2}\t{y / 2}" for x, y in CENTERS))
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("image\tlabels\tmpp\nimages/a.png\tlabels/a.png\t0.25\nimages/b.png\tlabels/b.tsv\t0.5\n")
    shown = call("--sheet", sheet, *CLASSICAL, "--out", tmp_path / "scores.tsv")
    a, _, b, _ = rows((tmp_path / "scores.tsv").read_text())
    assert (a["labels"], a["f1"], a["points"]) == ("outlines", "1.000", "")
    assert (b["labels"], b["f1"], b["detection_f1"]) == ("points", "", "1.000")
    assert [line for line in shown.splitlines() if " of " in line] == ["Outlines of 1 image", "Points of 1 image"]


def test_robustness_shows_what_each_change_costs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shown = call(*given(folders), "--robustness", "--out", tmp_path / "scores.tsv")
    _, table = shown.split("\n\n")
    title, header, *lines = table.splitlines()
    assert title == "Drop of the scores when images are changed"
    assert re.split(r" {2,}", header) == ["drop", "f1 classical", "aji classical"]
    assert [re.split(r" {2,}", line)[0] for line in lines] == [how.name for how in PERTURBATIONS]
    pooled = {row["change"]: row for row in rows((tmp_path / "scores.tsv").read_text()) if row["image"] == POOLED}
    for line in lines:
        change, f1, aji = re.split(r" {2,}", line)
        # Discs as clear as these are found under every change, and outlined where the changed labels are.
        assert float(f1) == 0
        assert float(aji) == pytest.approx(float(pooled[""]["aji"]) - float(pooled[change]["aji"]), abs=0.0011)
        assert abs(float(aji)) < 0.1
