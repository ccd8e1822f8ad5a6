"""A run of a sheet in which some slides come with nuclei, and some of these files can't be used."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.synthetic import Scene, write_slide
from tests.workflow.conftest import Project

HEADER = "slide\tpath\tmpp\tnuclei\tnuclei_before"
ROWS = (
    "found\ts.tiff\t0.5",
    "given\ts.tiff\t0.5\tAnna Smith.geojson\tbefore.geojson",
    "foreign\ts.tiff\t0.5\tforeign.geojson",
)


def write_nuclei(path: Path, places: list[tuple[int, int]], name: str = "Tumor") -> None:
    """Discs as QuPath exports detections."""
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shapely.Point(place).buffer(10)),
            "properties": {"objectType": "detection", "classification": {"name": name, "color": [200, 0, 0]}},
        }
        for place in places
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("own")
    write_slide(Scene(640, 640, mpp=0.5, seed=4, tissue="field"), folder / "s.tiff", levels=1)
    (folder / "config.yaml").write_text("detect:\n  model: classical\n")
    places = [(x, y) for x in range(40, 620, 40) for y in range(40, 620, 40)]
    write_nuclei(folder / "before.geojson", places)
    write_nuclei(folder / "Anna Smith.geojson", places[3:])
    write_nuclei(folder / "foreign.geojson", [(9000 + 40 * step, 9000) for step in range(9)] + places)
    made = Project(folder)
    made.write_sheet(*ROWS, header=HEADER)
    ended = made.run()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return made


def manifest(project: Project, slide: str, stage: str) -> dict:
    return json.loads((project.results / slide / stage / "manifest.json").read_text())


def test_slides_with_and_without_nuclei_run_beside_each_other(project: Project) -> None:
    table = pd.read_csv(project.results / "cohort" / "cohort.tsv", sep="\t").set_index("slide")
    assert table["state"].to_dict() == {"found": "done", "given": "done", "foreign": "rejected"}
    assert table["model"][["found", "given"]].tolist() == ["classical", "given"]
    assert "outlines outside the slide" in table["reason"]["foreign"]
    made = manifest(project, "given", "segment")
    assert made["changes"] == {"before": 225, "kept": 222, "changed": 0, "deleted": 3, "added": 0, "retyped": 0}
    for stage in ("features", "types", "statistics", "grade"):
        assert manifest(project, "given", stage)["state"] == "done"
    features = pq.read_table(project.results / "given" / "features" / "features.parquet")
    assert len(features) == made["counts"]["nuclei"] == 222
    assert manifest(project, "given", "types")["counts"]["epithelial"] == 222
    grade = json.loads((project.results / "given" / "grade" / "grade.json").read_text())
    assert "The nuclei of this slide were given in the sample sheet" in grade["scope"]
    assert "given" not in json.loads((project.results / "found" / "grade" / "grade.json").read_text())["scope"]
    page = (project.results / "given" / "report" / "report.html").read_text()
    assert "given, not found by a model" in page
    assert "222 kept, 0 changed, 3 deleted, 0 added, 0 retyped" in page


def test_no_output_names_the_file_of_nuclei_and_all_hold_its_digest(project: Project) -> None:
    files = [file for file in project.results.rglob("*") if file.is_file() and "logs" not in file.parts]
    told = [file for file in files if b"Anna" in file.read_bytes() and ".pathopipe" not in file.parts]
    assert told == []
    digest = manifest(project, "given", "segment")["inputs"]["nuclei"]
    crate = json.loads((project.results / "given" / "ro-crate-metadata.json").read_text())["@graph"]
    assert {thing["sha256"] for thing in crate if thing["@id"] == "#nuclei"} == {digest}
    sheet = pd.read_csv(project.results / "cohort" / "slides.tsv", sep="\t").set_index("slide")
    assert sheet["nuclei_sha256"]["given"] == digest


def test_only_the_slide_whose_nuclei_changed_runs_again(project: Project) -> None:
    quiet = project.run("--dry-run")
    assert "nothing" in quiet.stdout.lower(), quiet.stdout
    file = project.folder / "Anna Smith.geojson"
    content = file.read_text()
    assert project.run(command=("verify", "results", "--slides", "slides.tsv")).returncode == 0
    file.write_text(content.replace("Tumor", "Blood"))  # as long as before
    ended = project.run("--dry-run")
    assert "the sheet changed (nuclei)" in ended.stdout
    verified = project.run(command=("verify", "results", "--slides", "slides.tsv"))
    assert "its nuclei differs from the one that the results were made from" in verified.stdout + verified.stderr
    clock = {stage: manifest_time(project, "found", stage) for stage in ("detect", "report")}
    tiles = manifest_time(project, "given", "tiles")
    assert project.run("--until", "types").returncode == 0
    assert clock == {stage: manifest_time(project, "found", stage) for stage in clock}
    assert manifest_time(project, "given", "tiles") == tiles
    (entry,) = manifest(project, "given", "segment")["quality"]
    assert entry["code"] == "unknown_classes"
    assert "'Blood'" in entry["message"]


def manifest_time(project: Project, slide: str, stage: str) -> int:
    return (project.results / slide / stage / "manifest.json").stat().st_mtime_ns
