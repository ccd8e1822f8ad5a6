"""Grades of regions, the heat map, and the fields and nuclei that drive a grade."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile

from pathopipe.caveats import warning
from pathopipe.errors import ArtifactError
from pathopipe.jobs.execution import execute
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.statistics import summarize
from pathopipe.pipeline import ORDER, Config, GradeSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.heat_map import read_heat_map
from pathopipe.results.manifests import read_manifest
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.schemas.counts import REGION, REGION_CLASS, SLIDE, TYPE
from pathopipe.results.schemas.counts import ROWS_PER_GROUP as ROWS
from pathopipe.results.schemas.features import CUT_OFF
from pathopipe.results.schemas.types import PROBABILITIES
from pathopipe.results.schemas.types import SCHEMA as TYPE_SCHEMA
from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter
from pathopipe.samples import Sample
from tests.made import manifest, seal
from tests.stages.linear_grader import WEIGHTS, LinearGrader

MPP = 0.5
SIZE = (4000, 3000)
SAMPLE = Sample("s1", Path("s1.svs"))
MEASURES = ("area_um2", "circularity", "hematoxylin_mean")
SHARES = [column.name for column in PROBABILITIES]


def measured(count: int = 3000) -> dict[str, np.ndarray]:
    """Nuclei of which those at the right are large and vary more."""
    rng = np.random.default_rng(0)
    x, y = rng.random(count) * SIZE[0], rng.random(count) * SIZE[1]
    area = 40 * np.exp(rng.normal(0, 0.2 + 0.4 * (x > 3000), count)) * (1 + (x > 3000))
    return {
        "x_px": x,
        "y_px": y,
        "area_um2": area,
        "circularity": rng.beta(8, 2, count).astype(np.float32),
        "hematoxylin_mean": rng.gamma(9, 0.1, count),
        "at_border": (rng.random(count) < 0.05).astype(np.int8),
        "kind": rng.integers(-1, len(TYPES), count),
    }


def rows_of(nuclei: dict[str, np.ndarray], region: str, inside: np.ndarray) -> list[dict[str, object]]:
    """Rows of statistics of a region, as the stage makes them."""
    rows = []
    for kind in ("all", *TYPES):
        here = inside & (np.ones(len(inside), bool) if kind == "all" else nuclei["kind"] == TYPES.index(kind))
        whole = here & (nuclei["at_border"] == 0)
        values = {name: nuclei[name][whole if name in CUT_OFF else here] for name in MEASURES}
        counted = {column.name: None for column in SLIDE} | {"nuclei_count": int(here.sum())}
        rows.append({"region": region, "region_class": "", "type": kind} | counted | summarize(values))
    return rows


def describe(results: Path, rows: list[dict[str, object]]) -> None:
    names = [name for name in rows[0] if name.startswith(MEASURES)]
    schema = schema_of((REGION, REGION_CLASS, TYPE, *SLIDE, *(Column(name, "float64", "", "") for name in names)))
    with TableWriter(results / "s1" / "statistics" / "statistics.parquet", schema, ROWS) as table:
        table.write({name: [row.get(name) for row in rows] for name in schema.names})


def prepare(results: Path, bounds: list[int] | None = None, rejected: str | None = None) -> dict[str, np.ndarray]:
    """Results of a slide up to `statistics`, with a region at the left and one of hardly any nuclei."""
    nuclei, home = measured(), results / "s1"
    info = {"width": SIZE[0], "height": SIZE[1], "levels": 1, "format": "png", "bounds": bounds}
    bins = {"width": 250, "height": 188, "bin_px_x": 16.0, "bin_px_y": 16.0, "bin_um2": 64.0}
    count = len(nuclei["x_px"])
    known = {"slide_info": info, "bins": bins, "whole_only": sorted(CUT_OFF), "counts": {"nuclei": count}}
    known |= {"state": "rejected" if rejected else "done", "reason": rejected}
    for stage in ("tissue", "quality", "detect", "segment", "features", "types", "statistics"):
        write_json(home / stage / "manifest.json", manifest(stage, "s1", **known))
    places = {name: nuclei[name] for name in ("x_px", "y_px")}
    features = {name: nuclei[name] for name in (*MEASURES, "at_border")}
    for name, columns in (("segment/nuclei.parquet", places), ("features/features.parquet", features)):
        pq.write_table(pa.table(columns), home / name, row_group_size=ROWS_PER_GROUP)
    with TableWriter(home / "types" / "types.parquet", TYPE_SCHEMA) as types:
        said = [TYPES[kind] if kind >= 0 else None for kind in nuclei["kind"].tolist()]
        types.write({"nucleus_id": np.arange(count), "type": said} | dict.fromkeys(SHARES, np.zeros(count)))
    every = np.ones(count, bool)
    regions = {"slide": every, "left": nuclei["x_px"] < 2000, "corner": nuclei["x_px"] < 5}
    describe(results, [row for name, inside in regions.items() for row in rows_of(nuclei, name, inside)])
    seal(results, "s1")
    return nuclei


@pytest.fixture
def grader(monkeypatch):
    """Have the stage use a linear grader; what is assigned to its `weights` counts."""

    def use(**changes) -> LinearGrader:
        made = LinearGrader(**changes)
        monkeypatch.setattr("pathopipe.stages.grade.make_grader", lambda *_: made)
        return made

    use()
    return use


def grade(results: Path) -> dict:
    execute("grade", "s1", results, GradeSettings(), SAMPLE)
    return json.loads((results / "s1" / "grade" / "grade.json").read_text())


def squares(results: Path) -> list:
    tissue = read_manifest(results / "s1" / "tissue" / "manifest.json", "tissue")
    return read_heat_map(results / "s1" / "grade" / "heatmap.geojson", tissue)


def test_regions_are_graded_by_their_statistics(tmp_path, grader):
    prepare(tmp_path)
    found = grade(tmp_path)
    assert (found["grade"], list(found["regions"])) == ("2", ["corner", "left"])
    left = found["regions"]["left"]
    assert (left["grade"], left["reason"], left["prediction_set"]) == ("1", None, ["1"])
    assert left["score"] < 2.0 < found["score"]
    assert left["probabilities"] == {"1": 0.8, "2": 0.2}
    assert found["regions"]["corner"]["reason"] == "A statistic is missing."


def test_what_stops_the_grade_of_the_slide_stops_those_of_regions(tmp_path, grader):
    prepare(tmp_path)
    path = tmp_path / "s1" / "detect" / "manifest.json"
    write_json(path, read_json(path) | {"quality": [warning("out_of_focus", "it is out of focus", 0.4, 0.3)]})
    found = grade(tmp_path)
    nothing = {"grade": None, "score": None, "probabilities": {}, "prediction_set": None}
    assert found["regions"]["left"] == nothing | {"reason": "It is out of focus."}
    assert {name: found[name] for name in nothing} == nothing
    assert (found["reason"], found["coverage"]) == ("It is out of focus.", None)
    assert squares(tmp_path) == []
    assert found["drivers"]["fields"] == found["drivers"]["nuclei"] == []


def test_only_so_many_regions_are_graded(tmp_path, grader, monkeypatch):
    nuclei = prepare(tmp_path)
    monkeypatch.setattr("pathopipe.results.described.MOST_REGIONS", 110)
    rows = rows_of(nuclei, "slide", np.ones(3000, bool))
    describe(tmp_path, [*rows, *(row | {"region": f"r{number:03}"} for number in range(120) for row in rows)])
    seal(tmp_path, "s1")
    found = grade(tmp_path)
    assert list(found["regions"]) == [f"r{number:03}" for number in range(110)]
    assert {region["grade"] for region in found["regions"].values()} == {"2"}


def test_a_table_that_does_not_begin_with_the_slide_is_damaged(tmp_path, grader):
    nuclei = prepare(tmp_path)
    describe(tmp_path, rows_of(nuclei, "left", np.ones(3000, bool)))
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"statistics/statistics.parquet: is damaged"):
        grade(tmp_path)


def test_the_heat_map_sums_what_each_nucleus_contributes(tmp_path, grader):
    nuclei = prepare(tmp_path)
    found, drawn = grade(tmp_path)["drivers"], squares(tmp_path)
    assert (found["side_um"], found["covered"], found["left_out"]) == (250.0, 1.0, [])
    assert sum(square.nuclei for square in drawn) == 3000
    assert {(square.width_px, square.height_px) for square in drawn} == {(500.0, 500.0)}
    fields = sorted(drawn, key=lambda square: -abs(square.influence))[:5]
    assert found["fields"] == [vars(square) for square in fields]
    assert all(square.x_px >= 3000 for square in fields[:3]), "where nuclei are large and vary"
    largest = set(np.argsort(-nuclei["area_um2"])[:60].tolist())
    assert (len(found["nuclei"]), {entry["nucleus_id"] for entry in found["nuclei"]} <= largest) == (20, True)


def without(nuclei: dict[str, np.ndarray], gone: np.ndarray) -> float:
    """Score of the nuclei that are left, by statistics made anew."""
    score = LinearGrader().score({"all": rows_of(nuclei, "slide", ~gone)[0]})
    assert score is not None
    return score


def test_deleting_the_strongest_tenth_of_fields_changes_the_score_more_than_a_random_tenth(tmp_path, grader):
    nuclei = prepare(tmp_path)
    before = grade(tmp_path)["score"]
    check_fields(nuclei, squares(tmp_path), before)


def check_fields(nuclei: dict[str, np.ndarray], drawn: list, before: float) -> None:
    """Delete the nuclei of squares, and make the score anew of the others."""
    rng, tenth = np.random.default_rng(0), max(1, round(len(drawn) / 10))
    influence = np.array([square.influence for square in drawn])

    def fallen(numbers: np.ndarray) -> float:
        gone = np.zeros(len(nuclei["x_px"]), bool)
        for square in (drawn[number] for number in numbers):
            in_x = (nuclei["x_px"] >= square.x_px) & (nuclei["x_px"] < square.x_px + square.width_px)
            gone |= in_x & (nuclei["y_px"] >= square.y_px) & (nuclei["y_px"] < square.y_px + square.height_px)
        return before - without(nuclei, gone)

    draws = [rng.permutation(len(drawn))[:tenth] for _ in range(40)]
    by_chance = np.array([fallen(numbers) for numbers in draws])
    order = np.argsort(influence)
    assert abs(fallen(np.argsort(-np.abs(influence))[:tenth])) > np.quantile(np.abs(by_chance), 0.95)
    assert fallen(order[-tenth:]) > 0 > fallen(order[:tenth]), "the sign says where the score goes"
    assert np.corrcoef(by_chance, [influence[numbers].sum() for numbers in draws])[0, 1] > 0.9


def test_geojson_counts_from_where_the_scan_begins(tmp_path, grader):
    prepare(tmp_path, bounds=[100, 50, 3000, 2000])
    grade(tmp_path)
    content = json.loads((tmp_path / "s1" / "grade" / "heatmap.geojson").read_text())
    first = content["features"][0]
    assert min(point[0] for point in first["geometry"]["coordinates"][0]) == -100
    assert min(point[1] for point in first["geometry"]["coordinates"][0]) == -50
    assert first["properties"]["objectType"] == "tile"
    assert set(first["properties"]["measurements"]) == {"Influence on the score", "Nuclei"}
    names = {feature["properties"]["classification"]["name"] for feature in content["features"]}
    assert names == {"Raises the score", "Lowers the score"}
    for feature in content["features"]:
        raises = feature["properties"]["measurements"]["Influence on the score"] > 0
        assert (feature["properties"]["classification"]["name"] == "Raises the score") == raises
    assert (squares(tmp_path)[0].x_px, squares(tmp_path)[0].y_px) == (0, 0)


def test_types_count_for_themselves(tmp_path, grader):
    nuclei = prepare(tmp_path)
    grader(weights={("stromal", "area_um2_mean"): 0.1})
    found = grade(tmp_path)["drivers"]
    stromal = set(np.flatnonzero(nuclei["kind"] == TYPES.index("stromal")).tolist())
    assert {entry["nucleus_id"] for entry in found["nuclei"]} <= stromal
    (tmp_path / "s1" / "types" / "types.parquet").write_bytes(b"")
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"types/types.parquet: is damaged"):
        grade(tmp_path)


def test_a_type_that_nobody_knows_is_damage(tmp_path, grader):
    prepare(tmp_path)
    path = tmp_path / "s1" / "types" / "types.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "type", pa.array(["alien"] * len(table))), path)
    seal(tmp_path, "s1")
    with pytest.raises(ArtifactError, match=r"types/types.parquet: is damaged"):
        grade(tmp_path)


@pytest.mark.parametrize(
    ("weights", "left_out"),
    [({}, []), ({("all", "nuclei_count"): 1.0}, ["all: nuclei_count"])],
)
def test_without_a_slope_there_is_an_empty_map(tmp_path, grader, weights, left_out):
    prepare(tmp_path)
    grader(weights=weights)
    found = grade(tmp_path)
    assert found["grade"] is not None
    assert squares(tmp_path) == []
    covered = 0.0 if weights else None
    assert found["drivers"] == {
        "side_um": None,
        "covered": covered,
        "left_out": left_out,
        "fields": [],
        "nuclei": [],
    }


def test_what_the_map_leaves_out_is_told(tmp_path, grader):
    prepare(tmp_path)
    grader(weights=WEIGHTS | {("all", "nuclei_count"): 0.001, ("all", "nuclei_per_mm2"): 1.0}, limit=1.0)
    found = grade(tmp_path)
    assert found["grade"] is None, "a density is missing"
    grader(weights=WEIGHTS | {("all", "nuclei_count"): 0.001}, limit=1.0)
    drivers = grade(tmp_path)["drivers"]
    assert drivers["left_out"] == ["all: nuclei_count"]
    assert 0.3 < drivers["covered"] < 0.7


def test_a_rejected_slide_has_an_empty_map(tmp_path, grader):
    prepare(tmp_path, rejected="no mpp")
    found = grade(tmp_path)
    content = json.loads((tmp_path / "s1" / "grade" / "heatmap.geojson").read_text())
    assert content == {"type": "FeatureCollection", "features": []}
    assert (found["regions"], found["drivers"]["fields"], found["drivers"]["side_um"]) == ({}, [], None)


def test_the_same_slide_gives_the_same_bytes(tmp_path, grader):
    prepare(tmp_path)
    names = ("grade.json", "heatmap.geojson")

    def written() -> list[bytes]:
        grade(tmp_path)
        return [(tmp_path / "s1" / "grade" / name).read_bytes() for name in names]

    assert written() == written()


def test_the_figures_of_the_grader_and_its_card_are_written(tmp_path, grader):
    prepare(tmp_path)
    found = grade(tmp_path)
    assert found["figures"] == {"quadratic_kappa": {"value": 0.5, "low": 0.4, "high": None}}
    assert found["card"] == "Made by hand."


def test_fields_of_real_tissue(tmp_path, grader, shared_data):
    """A part of a real slide through all stages before, found by the classical model."""
    pixels = tifffile.imread(shared_data / "slides" / "CMU-1-Small-Region.svs", key=0)[:2900, :2200]
    tifffile.imwrite(tmp_path / "field.tif", pixels)
    sample = Sample("s1", tmp_path / "field.tif", (MPP, MPP))
    config = Config.model_validate({"detect": {"model": "classical"}, "types": {"model": "none"}})
    for stage in ORDER[: ORDER.index("grade")]:
        execute(stage, "s1", tmp_path, getattr(config, stage), sample, 2)
    execute("grade", "s1", tmp_path, config.grade, sample)
    found = read_json(tmp_path / "s1" / "grade" / "grade.json")
    names = ["area_um2", "circularity", "hematoxylin_mean", "at_border"]
    nuclei = pq.read_table(tmp_path / "s1" / "features" / "features.parquet", columns=names).to_pydict()
    nuclei |= pq.read_table(tmp_path / "s1" / "segment" / "nuclei.parquet", columns=["x_px", "y_px"]).to_pydict()
    arrays = {name: np.array(values, float) for name, values in nuclei.items()}
    arrays["kind"] = np.full(len(arrays["x_px"]), -1)
    assert without(arrays, np.zeros(len(arrays["x_px"]), bool)) == pytest.approx(found["score"])
    assert len(squares(tmp_path)) >= 15
    check_fields(arrays, squares(tmp_path), found["score"])
