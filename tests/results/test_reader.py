"""Results as Python sees them: everything is there, and nothing is read that was not asked for."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

import pathopipe
from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.pipeline import ORDER
from pathopipe.results import documents, tables
from pathopipe.results.documents import write_json
from pathopipe.results.reader import Results, SlideResults
from tests.made import manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copied(made_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_results, tmp_path / "results"))


@pytest.fixture
def good(made_results: Path) -> SlideResults:
    return pathopipe.open_results(made_results)["good"]


def test_slides_have_states_and_reasons(made_results: Path) -> None:
    results = pathopipe.open_results(str(made_results))
    assert list(results) == ["blank", "good"]
    assert [(slide.id, slide.state) for slide in results.slides] == [("blank", "rejected"), ("good", "done")]
    assert results["good"].reason is None
    assert "tissue" in (results["blank"].reason or "")
    assert len(results) == 2
    assert "bad" not in results


def test_a_slide_that_failed_or_is_at_work_or_was_overtaken_is_not_done(copied: Path) -> None:
    write_json(copied / "good" / ".work" / "detect" / "fault.json", {"reason": "the disk is full"})
    (copied / "late" / ".work" / "tissue").mkdir(parents=True)
    results = pathopipe.open_results(copied)
    assert (results["good"].state, results["good"].reason) == ("failed", "detect: the disk is full")
    assert (results["late"].state, results["late"].reason) == (
        "not finished",
        "the stage 'tissue' has not been finished",
    )
    shutil.rmtree(copied / "good" / ".work")
    write_json(copied / "good" / "segment" / "manifest.json", manifest("segment", "good"))
    again = pathopipe.open_results(copied)["good"]
    assert (again.state, again.reason) == ("not finished", "the stage 'features' has not been finished")


@pytest.mark.parametrize("name", ["tiles", "detections", "nuclei", "features", "statistics", "types"])
def test_tables_are_data_frames_and_arrow_on_request(good: SlideResults, name: str) -> None:
    frame, table = good.table(name), good.arrow(name)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == table.column_names
    assert len(frame) == table.num_rows > 0
    column = table.column_names[0]
    some = good.table(name, [column])
    assert list(some.columns) == [column]
    assert some[column].tolist() == frame[column].tolist()
    assert all(field.metadata[b"description"] for field in table.schema)


def test_units_come_with_the_columns(good: SlideResults) -> None:
    schema = good.arrow("features").schema
    assert schema.field("area_um2").metadata[b"unit"].decode() == "µm²"
    assert good.arrow("statistics").schema.field("area_um2_p50").metadata[b"unit"].decode() == "µm²"


def test_unknown_tables_and_columns_are_refused_in_words(good: SlideResults) -> None:
    with pytest.raises(RefusalError, match="there is no table 'kinds'; the tables are tiles, detections, nuclei"):
        good.table("kinds")
    with pytest.raises(RefusalError, match=r"nuclei.parquet has no column 'area'; it has nucleus_id, geometry"):
        good.table("nuclei", ["area"])


def test_outlines_are_a_geodataframe(good: SlideResults) -> None:
    frame = good.polygons()
    assert isinstance(frame, geopandas.GeoDataFrame)
    assert frame.crs is None
    assert list(frame.columns) == ["nucleus_id", "area_um2", "score", "geometry"]
    grid = good.manifest("segment")["grid"]
    um2_per_px = grid["mpp_x"] * grid["mpp_y"] / grid["factor_x"] / grid["factor_y"]
    np.testing.assert_allclose(frame.area * um2_per_px, frame["area_um2"], rtol=0.02)
    assert list(good.polygons(["score", "geometry"]).columns) == ["score", "geometry"]
    assert list(good.polygons([]).columns) == ["geometry"]


def test_without_geopandas_one_sentence_says_what_to_install(
    good: SlideResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "geopandas", None)
    with pytest.raises(RefusalError, match=r"need geopandas: pip install 'pathopipe\[geo\]'$"):
        good.polygons()


def test_tissue_statistics_grade_warnings_and_manifests(good: SlideResults) -> None:
    pieces, tissue = good.tissue(), good.manifest("tissue")
    assert all(isinstance(piece, shapely.Polygon) for piece in pieces)
    mpp = tissue["mpp_x"] or 0.0
    assert sum(piece.area for piece in pieces) * mpp**2 / 1e6 == pytest.approx(tissue["tissue_mm2"], rel=0.1)
    assert good.statistics["nuclei_count"] == len(good.table("nuclei")) == good.manifest("segment")["counts"]["nuclei"]
    assert good.grade["grader"] == "nottingham-pleomorphism"
    codes = [entry["code"] for stage in ORDER for entry in good.manifest(stage).get("quality", [])]
    assert [warning["code"] for warning in good.warnings] == codes
    assert list(good.manifests) == list(ORDER)


def test_a_rejected_slide_has_tables_without_rows(made_results: Path) -> None:
    blank = pathopipe.open_results(made_results)["blank"]
    names = ("tiles", "detections", "nuclei", "features", "statistics", "types")
    assert [len(blank.table(name)) for name in names] == [0] * 6
    assert len(blank.polygons()) == 0
    assert (blank.statistics, blank.tissue(), blank.grade["grade"]) == ({}, [], None)


def test_the_cohort_is_a_table(made_results: Path) -> None:
    results = pathopipe.open_results(made_results)
    assert results.cohort()["state"].tolist() == ["rejected", "done"]
    assert list(results.cohort(["slide", "nuclei_count"]).columns) == ["slide", "nuclei_count"]
    assert results.cohort_arrow().schema.field("nuclei_count").type == pa.int64()
    assert results.manifest["counts"]["done"] == 1
    with pytest.raises(RefusalError, match=r"cohort.parquet has no column 'x'"):
        results.cohort(["x"])


def test_what_is_not_there_or_damaged_is_told(copied: Path) -> None:
    slide = pathopipe.open_results(copied)["good"]
    (copied / "good" / "features" / "features.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"cannot be read .*: run the stage that writes it"):
        slide.table("features")
    for name in ("grade/grade.json", "tissue/tissue.geojson", "statistics/statistics.parquet"):
        (copied / "good" / name).write_text("{}")
    for read in (lambda: slide.grade, slide.tissue, lambda: slide.statistics):
        with pytest.raises(ArtifactError, match="is damaged"):
            read()
    shutil.rmtree(copied / "cohort")
    with pytest.raises(ArtifactError, match="cannot be read"):
        pathopipe.open_results(copied).cohort()


def test_a_folder_of_a_newer_version_or_none_is_refused(copied: Path) -> None:
    marker = json.loads((copied / "pathopipe.json").read_text())
    marker["contracts"]["segment"] += 1
    (copied / "pathopipe.json").write_text(json.dumps(marker))
    with pytest.raises(RefusalError, match=r"was written by a newer version of pathopipe \(segment\): update"):
        pathopipe.open_results(copied)
    with pytest.raises(RefusalError, match="this folder does not exist"):
        pathopipe.open_results(copied / "nowhere")


def test_opening_a_large_cohort_reads_nothing_of_its_slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        write_json(tmp_path / f"s{number:03}" / "tissue" / "manifest.json", {})
    opened = list[Path]()
    read = documents.read_json
    monkeypatch.setattr("pathopipe.results.manifests.read_json", lambda path: (opened.append(path), read(path))[1])
    monkeypatch.setattr(tables.pq, "ParquetFile", lambda path: pytest.fail(f"{path} was read"))
    results = pathopipe.open_results(tmp_path)
    assert len(results) == 300
    assert isinstance(results, Results)
    assert opened == []
    assert results["s007"].state == "not finished"
    assert {path.parts[-3] for path in opened} <= {"s007"}


def test_the_state_of_a_slide_is_told_by_its_last_manifest(made_results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[Path]()
    read = documents.read_json
    monkeypatch.setattr("pathopipe.results.manifests.read_json", lambda path: (opened.append(path), read(path))[1])
    assert pathopipe.open_results(made_results)["good"].state == "done"
    assert len(opened) == 1


def test_a_slide_that_was_rejected_stays_so_before_its_report_is_there(copied: Path) -> None:
    (copied / "blank" / "report" / "manifest.json").unlink()
    slide = pathopipe.open_results(copied)["blank"]
    assert slide.state == "rejected"
    assert slide.reason == slide.manifest("tissue")["reason"]


def test_selected_columns_are_all_that_is_read(good: SlideResults, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()

    class Watched(pq.ParquetFile):
        def read_row_group(self, group: int, columns: object = None, **options: object) -> pa.Table:
            asked.append(columns)
            return super().read_row_group(group, columns=columns, **options)

    monkeypatch.setattr(tables.pq, "ParquetFile", Watched)
    good.table("features", ["area_um2"])
    assert asked == [["area_um2"]]


LIGHT = """
import sys
import pathopipe
heavy = {"pydantic", "numpy", "pandas", "pyarrow", "geopandas", "shapely"}
print(sorted(heavy & set(sys.modules)))
pathopipe.open_results
print(sorted({"pandas", "pyarrow", "geopandas", "shapely", "numpy"} & set(sys.modules)))
"""


def test_importing_is_cheap() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
    with pytest.raises(AttributeError, match="no attribute 'open_result'"):
        pathopipe.open_result  # noqa: B018


@pytest.mark.parametrize("stage", ORDER)
def test_no_stage_of_a_slide_imports_pandas(stage: str) -> None:
    code = f"import sys, pathopipe.stages.{stage}; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def run_examples(page: str, results: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Run what a page shows, in a folder of its own; returns the names that it leaves."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = text.replace("pathopipe-demo/results", "results").replace("demo_pleomorphism_2", "good")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (here / "results").symlink_to(results)
    monkeypatch.chdir(here)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("MPLCONFIGDIR", str(here / "matplotlib"))
    names: dict[str, object] = {}
    exec("\n".join(blocks), names)  # noqa: S102
    return names


@pytest.mark.parametrize("page", ["docs/python.md", "README.md"])
def test_the_examples_in_the_documentation_run(
    page: str, made_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_examples(page, made_results, tmp_path, monkeypatch)
    shown = capsys.readouterr().out
    assert "good done" in shown
    assert "blank rejected no tissue" in shown


def test_the_examples_for_python_give_what_they_say(
    good: SlideResults,
    made_results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = run_examples("docs/python.md", made_results, tmp_path, monkeypatch)
    features, types = good.table("features"), good.table("types")
    kinds = set(types["type"].dropna())
    by_type = names["by_type"]
    assert isinstance(by_type, pd.DataFrame)
    assert kinds <= set(by_type["type"])
    assert set(by_type["slide"]) == {"good"}
    assert names["total"] == pytest.approx(features["area_um2"][types["type"] == "epithelial"].sum())
    assert len(names["inside"]) == len(features)  # type: ignore[arg-type]
    assert re.search(r"^ *blank +rejected +None", capsys.readouterr().out, re.MULTILINE)
    drawn = cv2.imread(str(tmp_path / "map.png"))
    assert drawn.shape[:2] == (500, 1200)
    # Both halves have something in color, not gray: outlines, and points.
    colored = np.ptp(drawn.astype(int), axis=2) > 60
    assert colored[:, :600].sum() > 1000 < colored[:, 600:].sum()


def test_batches_are_the_tables_side_by_side(good: SlideResults) -> None:
    names = good.columns()
    assert len(names) == len({*names})
    joined = pa.Table.from_batches(good.batches(names)).to_pandas()
    for table in ("features", "types", "nuclei"):
        frame = good.table(table)
        pd.testing.assert_frame_equal(joined[frame.columns.tolist()], frame)
    some = [*good.batches(["type", "x_px", "area_um2"])]
    assert some[0].schema.names == ["type", "x_px", "area_um2"]


def test_tables_of_different_lengths_are_damaged(copied: Path) -> None:
    slide = pathopipe.open_results(copied)["good"]
    path = copied / "good" / "types" / "types.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ArtifactError, match="is damaged"):
        next(slide.batches(["area_um2"]))


def test_regions_are_read(good: SlideResults) -> None:
    names = set(good.table("statistics")["region"]) - {"slide"}
    assert {region.name for region in good.regions()} == names
