"""The file of the heat map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathopipe.errors import ArtifactError
from pathopipe.ops.heat_map import HeatMap
from pathopipe.results.documents import write_json
from pathopipe.results.heat_map import Square, heat_map_of, read_heat_map, squares_of
from tests.made import manifest

INFO = {"width": 1100, "height": 900, "levels": 1, "format": "png", "bounds": [40, 30, 1000, 800]}


def tissue(**info: Any) -> Any:
    return manifest("tissue", mpp_x=0.5, mpp_y=0.25, slide_info=INFO | info)


def made() -> list[Square]:
    ints = np.array([0, 2]), np.array([0, 0]), np.array([3, 4])
    return squares_of(HeatMap(250.0, *ints, np.array([0.123456789, -2.0]), np.empty(0, int), np.empty(0)), tissue())


def test_squares_are_cut_to_the_slide_and_measured_in_its_pixels():
    assert made() == [Square(0, 0, 500, 900, 3, 0.123457), Square(1000, 0, 100, 900, 4, -2.0)]


def test_what_is_written_is_read(tmp_path: Path):
    squares = [Square(0, 0, 500, 900, 3, 0.123457), Square(1000, 0, 100, 900, 4, -2.0)]
    write_json(tmp_path / "heatmap.geojson", heat_map_of(squares, tissue()))
    assert read_heat_map(tmp_path / "heatmap.geojson", tissue()) == squares


@pytest.mark.parametrize(
    "square",
    [Square(-50, 0, 500, 500, 3, 1.0), Square(700, 0, 500, 500, 3, 1.0), Square(0, 500, 500, 500, 3, 1.0)],
)
def test_squares_that_do_not_lie_on_the_slide_are_damage(tmp_path: Path, square: Square):
    write_json(tmp_path / "heatmap.geojson", heat_map_of([square], tissue()))
    with pytest.raises(ArtifactError, match="is damaged"):
        read_heat_map(tmp_path / "heatmap.geojson", tissue())


@pytest.mark.parametrize("change", [{"measurements": {}}, {"measurements": None}, {}])
def test_squares_without_their_numbers_are_damage(tmp_path: Path, change: dict[str, Any]):
    content = heat_map_of([Square(0, 0, 500, 500, 3, 1.0)], tissue())
    content["features"][0]["properties"] = change
    write_json(tmp_path / "heatmap.geojson", content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_heat_map(tmp_path / "heatmap.geojson", tissue())


def test_a_slide_of_which_nothing_is_known_has_no_squares(tmp_path: Path):
    unknown = tissue() | {"slide_info": None}
    write_json(tmp_path / "heatmap.geojson", heat_map_of([], unknown))
    assert read_heat_map(tmp_path / "heatmap.geojson", unknown) == []
