"""Columns of the tables: what each file says of its own columns, in one vocabulary with the pages."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.fingerprint import counted
from pathopipe.ops.measures import measure_outlines, measure_pixels
from pathopipe.ops.spatial.graph import delaunay_measures, neighbor_graph
from pathopipe.ops.spatial.neighbors import differences, measure_neighbors
from pathopipe.ops.stain import Stains
from pathopipe.ops.statistics import STATISTICS
from pathopipe.results.schemas import counts, detections, features, nuclei, statistics, tiles, types
from pathopipe.results.schemas.column import Column, schema_of
from pathopipe.results.schemas.features import GROUPS, MEASURES, NUCLEUS_ID, TERMS, term_of
from pathopipe.results.schemas.measures.neighborhood import COMPARED
from pathopipe.results.tables import TableWriter, read_table

TABLES = {
    "tiles": tiles.TILES,
    "detections": detections.DETECTIONS,
    "nuclei": nuclei.NUCLEI,
    "features": features.COLUMNS,
    "statistics": statistics.COLUMNS,
    "types": types.COLUMNS,
}
SUFFIXES = {
    "_mm_per_mm2": "mm/mm²",
    "_per_mm2": "per mm²",
    "_per_region_mm2": "per mm²",
    "_per_um": "per µm",
    "_um": "µm",
    "_um2": "µm²",
    "_mm": "mm",
    "_mm2": "mm²",
    "_od": "OD",
    "_deg": "°",
}
"""How names end, and the unit that goes with it; the first that fits counts."""


@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_a_table_says_what_its_columns_are(columns: tuple[Column, ...], tmp_path: Path) -> None:
    with TableWriter(tmp_path / "t.parquet", schema_of(columns)):
        pass
    written = read_table(tmp_path / "t.parquet").schema
    assert written.names == [column.name for column in columns]
    for field, column in zip(written, columns, strict=True):
        assert len(field.metadata[b"description"]) > 5, field.name
        assert field.metadata.get(b"unit", b"").decode() == column.unit


@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_units_agree_with_the_names_of_columns(columns: tuple[Column, ...]) -> None:
    for column in columns:
        known = next((unit for suffix, unit in SUFFIXES.items() if column.name.endswith(suffix)), None)
        assert column.unit == known or known is None, column
        assert column.unit.endswith("px") == column.name.endswith("_px") or column.name == "geometry", column


def test_a_float_stays_a_float_and_a_count_a_count() -> None:
    kinds = {field.name: field.type for field in schema_of((NUCLEUS_ID, *MEASURES))}
    assert kinds["nucleus_id"] == kinds["neighbors_50um"] == pa.int64()
    assert kinds["area_um2"] == kinds["nearest_um"] == pa.float64()
    assert detections.SCHEMA.field("score").type == pa.float32()
    assert detections.SCHEMA.field("grid_x_px").type == pa.int32()
    assert features.AT_BORDER.kind == "int8"
    assert counts.REGION.kind == counts.TYPE.kind == "string"


def test_nuclei_are_geoparquet_without_a_coordinate_system(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "nuclei.parquet", nuclei.SCHEMA):
        pass
    geo = json.loads(pq.read_schema(tmp_path / "nuclei.parquet").metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"] == {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}


def test_every_measure_of_the_product_has_a_term() -> None:
    square = np.array([[2.0, 2], [8, 2], [8, 8], [2, 8]])
    outline, mpp, points = (square, np.array([0, 4])), (0.5, 0.5), np.array([[0.0, 0], [5, 0], [0, 5], [9, 9]])
    graph = neighbor_graph(points)
    values = dict.fromkeys((*COMPARED, "orientation_deg"), np.zeros(4))
    measured = [
        *measure_outlines(*outline, mpp, GROUPS.keys()),
        *measure_pixels(np.full((12, 12, 3), 99, np.uint8), *outline, mpp, Stains(), GROUPS.keys()),
        *measure_neighbors(points),
        *delaunay_measures(points, graph),
        *differences(values, graph),
    ]
    assert sorted(measured) == sorted(TERMS)
    assert set(statistics.STATISTICS) == set(STATISTICS)
    assert term_of("unheard_of").label == "unheard_of"


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ("area_um2_p50", ("area_um2", "p50")),
        ("hematoxylin_sd_sd", ("hematoxylin_sd", "sd")),
        ("nuclei_count", None),
        ("mean", None),
    ],
)
def test_statistic_columns_are_split(column: str, parts: tuple[str, str] | None) -> None:
    assert statistics.split(column) == parts


def test_columns_have_labels_and_units() -> None:
    assert statistics.column_term("area_um2_mean").label == "Nuclear area, mean"
    assert statistics.column_term("area_um2_mean").unit == "µm²"
    assert statistics.column_term("area_um2_cv").label == "Nuclear area, CV"
    assert statistics.column_term("area_um2_cv").unit == ""
    assert statistics.column_term("tissue_mm2").unit == "mm²"


def schemas_of(stage: str) -> set[str]:
    return {file.stem for file in counted(stage) if "schemas" in file.parts}


@pytest.mark.parametrize("stage", ["tissue", "tiles", "detect", "segment", "grade"])
def test_a_new_measure_makes_only_those_run_again_that_deal_with_measures(stage: str) -> None:
    files = schemas_of(stage)
    assert not files & {"features", "statistics", "spatial", "cohort", *GROUPS}
    assert schemas_of("features") >= {"features", "texture"}
    assert not schemas_of("features") & {"statistics", "spatial", "cohort"}
    assert schemas_of("statistics") >= {"features", "texture", "statistics", "spatial"}
