"""Slides whose content cannot be used are data: the run goes on, exits 0, and says why."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from pathopipe.pipeline import STAGES
from pathopipe.record import MANIFEST
from pathopipe.results.names import RUN
from tests.workflow.conftest import PADDING, Project, make_project

REASONS = {
    "empty": "the file is empty",
    "cut": "damaged",
    "text": "not a slide or image in a known format",
    "nompp": "column 'mpp'",
    "badmpp": "implausible",
    "blank": "no tissue",
    "pink": "nuclei",
    "dark": "fluorescence",
    "deep": "16",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("rejections"), slides=1)
    folder = project.folder
    good = (folder / "slide 0.tiff").read_bytes()
    (folder / "empty.svs").write_bytes(b"")
    (folder / "cut.tiff").write_bytes(good[: (len(good) - PADDING) // 2])
    (folder / "text.svs").write_text("this is no slide")
    write = lambda name, pixels: cv2.imwrite(str(folder / name), pixels)  # noqa: E731
    rng = np.random.default_rng(0)
    write("nompp.png", np.full((300, 300, 3), 200, np.uint8))
    write("blank.png", np.full((300, 300, 3), 244, np.uint8))
    write("pink.png", np.full((300, 300, 3), (190, 120, 220), np.uint8))
    write("dark.png", rng.integers(0, 25, (300, 300, 3), dtype=np.uint8))
    write("deep.png", np.full((300, 300, 3), 40000, np.uint16))
    rows = [
        "s0\tslide 0.tiff\t",
        "empty\tempty.svs\t",
        "cut\tcut.tiff\t",
        "text\ttext.svs\t0.5",
        "nompp\tnompp.png\t",
        "badmpp\tslide 0.tiff\t7",
        *(f"{name}\t{name}.png\t0.5" for name in ("blank", "pink", "dark", "deep")),
    ]
    project.write_sheet(*rows)
    done = project.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.mark.parametrize("slide", REASONS)
def test_a_rejected_slide_says_why_in_every_stage(cohort: Project, slide: str) -> None:
    reasons = set()
    for stage, contract in STAGES.items():
        folder = cohort.results / slide / stage
        assert {file.name for file in folder.iterdir()} == {*contract.writes, MANIFEST, RUN}
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["state"] == "rejected":
            reasons.add(manifest["reason"])
    (reason,) = reasons
    assert REASONS[slide] in reason
    assert "\n" not in reason


@pytest.mark.parametrize("slide", REASONS)
def test_its_files_are_empty_but_valid(cohort: Project, slide: str) -> None:
    folder = cohort.results / slide
    for table in ("segment/nuclei.parquet", "features/features.parquet"):
        assert len(pd.read_parquet(folder / table)) == 0
    assert cv2.imread(str(folder / "tissue" / "thumbnail.jpg")) is not None
    assert slide in (folder / "report" / "report.html").read_text()


def test_the_cohort_lists_them_with_reasons(cohort: Project) -> None:
    table = pd.read_csv(cohort.results / "cohort" / "cohort.tsv", sep="\t").set_index("slide")
    assert table.loc["s0", "state"] == "done"
    for slide, words in REASONS.items():
        assert table.loc[slide, "state"] == "rejected"
        assert words in table.loc[slide, "reason"]
    page = (cohort.results / "cohort" / "index.html").read_text()
    assert "column &#39;mpp&#39;" in page


def test_a_rejected_cohort_reruns_nothing(cohort: Project) -> None:
    assert cohort.planned() == {}


def test_the_pixels_of_a_field_without_background_are_all_tissue(cohort: Project) -> None:
    manifest = json.loads((cohort.results / "s0" / "tissue" / MANIFEST).read_text())
    assert manifest["tissue_mm2"] == pytest.approx(640 * 512 * 0.25e-6, rel=0.05)
    assert Path(cohort.results / "s0" / "tissue" / "tissue.geojson").exists()
