import math
import re
import warnings

import numpy as np
import pytest
import shapely

from pathopipe.ops.spatial.summary import FEWEST, NAMES, spatial_measures
from pathopipe.ops.spatial.window import Window, window_of
from pathopipe.results.schemas.spatial import SPATIAL

TYPED = NAMES.index("spatial_interaction_epithelial_epithelial")
SIDE = 900.0
WINDOW = window_of([shapely.box(0, 0, SIDE, SIDE)])
NO_WINDOW = window_of([])
Inputs = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


def nuclei(count: int = 3000, seed: int = 0) -> Inputs:
    """Nuclei with a dense cluster, of four types, with sizes that grow to the right."""
    rng = np.random.default_rng(seed)
    points = np.vstack([rng.random((count - 200, 2)) * SIDE, rng.normal(450, 30, (200, 2))])
    types = rng.choice([-1, 0, 1, 2, 3], count, p=[0.05, 0.4, 0.25, 0.2, 0.1]).astype(np.int8)
    measures = {
        "area_um2": 40 + points[:, 0] / 30 + rng.normal(0, 5, count),
        "circularity": rng.random(count),
        "hematoxylin_mean": np.where(rng.random(count) < 0.1, np.nan, rng.random(count)),
    }
    return points, types, measures


def moved(points: np.ndarray, angle: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + np.array(shift)


def quietly(points: np.ndarray, types: np.ndarray | None, measures: dict, window: Window) -> dict[str, float | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return spatial_measures(points, types, measures, window)


@pytest.fixture(scope="module")
def found() -> dict[str, float | None]:
    points, types, measures = nuclei()
    return spatial_measures(points, types, measures, WINDOW, 1)


def test_the_columns_are_those_of_the_dictionary(found):
    assert list(found) == list(NAMES) == [column.name for column in SPATIAL]
    assert len(set(NAMES)) == len(NAMES)
    assert TYPED >= 70
    assert all(column.kind == "float64" and column.label and column.meaning for column in SPATIAL)
    units = {"um": "µm", "um2": "µm²", "mm": "mm", "mm2": "mm²"}
    for column in SPATIAL:
        last = column.name.rsplit("_", 1)[1]
        assert re.split("/|per ", column.unit)[-1] == units.get(last, "") or re.search(r"_\d+um$", column.name)


def test_ordinary_nuclei_have_all_values(found):
    assert [name for name, value in found.items() if value is None] == []
    assert all(type(value) is float and math.isfinite(value) for value in found.values())


def test_values_are_plausible(found):
    assert found["spatial_degree_mean"] == pytest.approx(6, abs=0.3)
    assert found["spatial_area_moran_i"] > 0.5
    assert abs(found["spatial_circularity_moran_z"]) < 4
    assert found["spatial_area_hot_mm2"] == pytest.approx(0.81 * found["spatial_area_hot_share"], rel=0.25)
    assert found["spatial_clusters"] >= 1
    assert found["spatial_cluster_largest"] > 100
    assert found["spatial_clusters_per_mm2"] == pytest.approx(found["spatial_clusters"] / 0.81)
    assert found["spatial_ripley_z_20um"] > 5
    assert found["spatial_interface_stromal_mm"] < found["spatial_interface_other_types_mm"]
    assert found["spatial_voronoi_mean_um2"] == pytest.approx(0.81e6 / 3000, rel=0.15)


def test_threads_change_nothing(found):
    points, types, measures = nuclei()
    assert repr(spatial_measures(points, types, measures, WINDOW, 2)) == repr(found)


def test_without_types_or_measures_the_others_are_the_same(found):
    points, _, measures = nuclei()
    untyped = quietly(points, None, {"area_um2": measures["area_um2"]}, WINDOW)
    for k, name in enumerate(NAMES):
        gone = k >= TYPED or name.startswith(("spatial_circularity", "spatial_hematoxylin"))
        assert untyped[name] == (None if gone else found[name])


def test_a_measure_alone_has_the_values_that_it_has_beside_others():
    points, types, measures = nuclei()
    measures["circularity"][:50] = np.nan
    measures["hematoxylin_mean"] = np.where(np.isnan(measures["circularity"]), np.nan, measures["area_um2"] ** 2)
    together = spatial_measures(points, types, measures, WINDOW)
    for name, values in measures.items():
        word = name.split("_")[0]
        alone = spatial_measures(points, types, {name: values}, WINDOW)
        columns = [column for column in NAMES if column.startswith(f"spatial_{word}_")]
        assert len(columns) == 11
        assert {column: together[column] for column in columns} == {column: alone[column] for column in columns}


def test_a_shift_changes_nothing_and_a_turn_little(found):
    """A turn gives the window other pixels, and its grid of places and squares too: 5% for what depends on them."""
    points, types, measures = nuclei()
    corners = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], np.float64)
    of_window = (
        "clark_evans", "nearest_share", "empty_share", "j_", "ripley", "pair_correlation", "shannon", "simpson",
        "interface_stromal_mm_per", "interface_other_types_mm_per", "clusters_per",
    )  # fmt: skip
    for angle, shift in ((0.0, (8192.0, -1024.0)), (0.6, (5000.0, 77.0))):
        window = window_of([shapely.Polygon(moved(corners, angle, shift))])
        other = spatial_measures(moved(points, angle, shift), types, measures, window)
        for name, value in found.items():
            loose = angle and name.startswith(tuple(f"spatial_{word}" for word in of_window))
            limit = {"rel": 0.05, "abs": 1.5 if "_z" in name else 0.2}
            assert other[name] == pytest.approx(value, **(limit if loose else {"rel": 1e-9, "abs": 1e-9})), name


DEGENERATE = {
    "none": np.empty((0, 2)),
    "one": np.array([[5.0, 5.0]]),
    "too few": np.random.default_rng(0).random((FEWEST - 1, 2)) * SIDE,
    "one place": np.full((100, 2), 450.0),
    "a line": np.column_stack([np.linspace(0, SIDE, 100), np.full(100, 450.0)]),
    "a slanted line": np.column_stack([np.linspace(0, SIDE, 100), np.linspace(0, SIDE, 100)]),
    "two places": np.repeat([[100.0, 100.0], [800.0, 800.0]], 50, axis=0),
    "far apart": np.random.default_rng(0).random((100, 2)) * 2e5,
    "a lattice": np.stack(np.meshgrid(np.arange(30.0), np.arange(30.0)), -1).reshape(-1, 2) * 30,
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("window", [WINDOW, NO_WINDOW, window_of([shapely.box(440, 440, 460, 460)])])
def test_degenerate_nuclei_give_no_warning_and_no_nan(case, window):
    points = DEGENERATE[case]
    count = len(points)
    equal = {
        "area_um2": np.full(count, 40.0),
        "circularity": np.full(count, np.nan),
        "hematoxylin_mean": np.zeros(count),
    }
    types = np.tile(np.arange(4, dtype=np.int8), count)[:count]
    found = quietly(points, types, equal, window)
    assert list(found) == list(NAMES)
    assert all(value is None or math.isfinite(value) for value in found.values())
    assert all(found[name] is None for name in NAMES if "moran" in name or "geary" in name or "_hot_" in name)
    if count < FEWEST:
        assert set(found.values()) == {None}
    if case in {"one place", "a line", "a slanted line", "two places", "far apart"}:
        assert found["spatial_degree_mean"] == 0
        assert found["spatial_edge_mean_um"] is None
        assert found["spatial_voronoi_mean_um2"] is None
    if window is NO_WINDOW:
        assert all(found[name] is None for name in NAMES if "ripley" in name or "clark" in name or "per_mm2" in name)


def test_of_one_type_only_its_own_values_are_known():
    points, _, measures = nuclei()
    found = quietly(points, np.full(len(points), 2, np.int8), measures, WINDOW)
    known = {name for name in NAMES[TYPED:] if found[name] is not None}
    shares = {f"spatial_interaction_stromal_{name}" for name in ("epithelial", "inflammatory", "stromal", "other")}
    ratios = {f"spatial_cooccurrence_stromal_stromal_{within}um" for within in (25, 50, 100)}
    assert known == shares | ratios | {
        f"spatial_{name}" for name in ("shannon_mean", "shannon_sd", "simpson_mean", "simpson_sd")
    }
    assert found["spatial_interaction_stromal_stromal"] == 1
    assert found["spatial_shannon_mean"] == 0


def test_a_window_smaller_than_the_distances():
    rng = np.random.default_rng(0)
    window = window_of([shapely.box(0, 0, 20, 40)])
    found = quietly(rng.random((60, 2)) * (20, 40), None, {}, window)
    assert found["spatial_ripley_l_10um"] is not None
    assert found["spatial_ripley_l_100um"] is None
    assert found["spatial_pair_correlation_75um"] is None
    assert found["spatial_pair_correlation_peak_um"] is None
    assert found["spatial_nearest_share_30um"] is None


def test_unknown_types_count_in_no_pair(found):
    points, types, _ = nuclei()
    known = types >= 0
    typed = spatial_measures(points[known], types[known], {}, WINDOW)
    for name in NAMES[TYPED:]:
        if "cooccurrence" in name or "nearest" in name or "within" in name:
            assert typed[name] == found[name]
