"""Columns of all nuclei, from three tables."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathopipe.errors import ArtifactError
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.nuclei import nuclei_columns
from tests.made import manifest

NAMES = ("x_um", "y_um", "area_um2", "dot_height", "type")


def place(folder: Path, features: dict[str, object] | None = None, types: list[str | None] | None = None) -> None:
    for stage in ("tissue", "segment", "features", "types"):
        write_json(folder / stage / "manifest.json", manifest(stage, counts={"nuclei": 3}, mpp_x=0.25, mpp_y=0.5))
    measured = {"area_um2": [1.0, 2.0, None], "dot_height": pa.array([3, 4, 5], pa.float32())}
    tables = {
        "features/features": measured if features is None else features,
        "segment/nuclei": {"x_px": [4.0, 8.0, 12.0], "y_px": [2.0, 4.0, 6.0]},
        "types/types": {"type": pa.array(["stromal", None, "epithelial"] if types is None else types, pa.string())},
    }
    for name, table in tables.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")


def read(folder: Path, names=NAMES) -> dict[str, list[float]]:
    parts = nuclei_columns(folder.joinpath, lambda stage: read_json(folder / stage / "manifest.json"), names)
    (found,) = parts
    return {name: values.tolist() for name, values in found.items()}


def test_columns_come_under_their_names_in_micrometers(tmp_path: Path) -> None:
    place(tmp_path)
    found = read(tmp_path)
    assert [*found] == ["area_um2", "dot_height", "x_um", "y_um", "type"]
    assert (found["x_um"], found["y_um"]) == ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (found["type"], found["dot_height"]) == ([2.0, -1.0, 0.0], [3.0, 4.0, 5.0])
    assert found["area_um2"][:2] == [1.0, 2.0]
    assert np.isnan(found["area_um2"][2])
    assert [*read(tmp_path, ["y_um"])] == ["y_um"]
    assert [*read(tmp_path, ["type"])] == ["type"]


def test_counts_are_read_as_well(tmp_path: Path) -> None:
    place(tmp_path, {"area_um2": [1.0, 2.0, 3.0], "dot_height": [7, 8, 9]})
    assert read(tmp_path)["dot_height"] == [7.0, 8.0, 9.0]


def test_a_measure_that_was_not_asked_for_is_not_known_and_one_that_was_is_damage(tmp_path: Path) -> None:
    place(tmp_path, {"area_um2": [1.0, 2.0, 3.0]})
    with pytest.raises(ArtifactError, match=r"features\.parquet: is damaged"):
        read(tmp_path)
    path = tmp_path / "features" / "manifest.json"
    write_json(path, read_json(path) | {"params": {"groups": ["shape"]}})
    found = read(tmp_path)
    assert np.isnan(found["dot_height"]).all()
    assert found["area_um2"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"types": ["stromal", "tumour", None]}, "types"),
        ({"types": ["stromal"]}, "types"),
        ({"features": {"area_um2": [1.0], "dot_height": [1.0]}}, "features"),
        ({"features": {"area_um2": ["a", "b", "c"], "dot_height": [1.0, 2.0, 3.0]}}, "features"),
    ],
)
def test_tables_that_do_not_fit_are_damaged(tmp_path: Path, changes: dict, name: str) -> None:
    place(tmp_path, **changes)
    with pytest.raises(ArtifactError, match=rf"{name}\.parquet: is damaged"):
        read(tmp_path)
