"""The stage on fields of view made here: discs of known outline on a noisy image."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pydantic import ValidationError
from scipy import ndimage

from pathopipe.caveats import stops_grade
from pathopipe.errors import FaultError
from pathopipe.identity import identify
from pathopipe.jobs import blocks_of_nuclei
from pathopipe.jobs.execution import execute
from pathopipe.models.mpp_guard import GUARDS, SCALES
from pathopipe.ops.measures import measure_outlines, measure_pixels
from pathopipe.ops.normalization import TARGET, normalized
from pathopipe.ops.raster import rasterize
from pathopipe.ops.regions import Bins, mask_to_polygons, to_geojson
from pathopipe.ops.shape import measure_shapes
from pathopipe.ops.stain import Stains, densities
from pathopipe.pipeline import FeaturesSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.schemas.features import COLUMNS, GROUPS
from pathopipe.results.schemas.measures.neighborhood import COMPARED
from pathopipe.results.tables import TableWriter
from pathopipe.samples import Sample
from pathopipe.units import Grid, Mpp
from tests.made import manifest, seal
from tests.ops.strategies import outlines, runs_of_labels
from tests.stages.finished_slide import NUCLEI

MPP = 0.5


def looks(*seen: tuple[int, float, float]) -> list[dict[str, float]]:
    """Seeds, score and area at three scales, as `detect` writes them."""
    names = ("seeds", "score", "area_px")
    return [
        {"scale": scale, "windows": 2, "pixels": 131072} | dict(zip(names, values, strict=True))
        for scale, values in zip(SCALES, seen, strict=True)
    ]


# `open` on CMU-1-Small-Region, at 0.499, 0.2495 and 0.998 micrometers per pixel; seeds as of two windows.
RIGHT = looks((22, 0.6787, 9.88), (102, 0.6248, 48.5), (22, 0.471, 15.75))
WRONG = {
    "small": looks((92, 0.6369, 48.5), (53, 0.4766, 9.88), (2, 0.5131, 9.25)),
    "large": looks((46, 0.5615, 20.81), (14, 0.6361, 1.5), (91, 0.6337, 72.38)),
}


def discs(height: int, width: int, count: int, seed: int = 0) -> np.ndarray:
    """Label image of discs that don't touch the border; later ones cut into earlier ones, crumbs are dropped."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    for label in range(1, count + 1):
        center = int(rng.integers(16, width - 16)), int(rng.integers(16, height - 16))
        fresh = cv2.circle(np.zeros(labels.shape, np.uint8), center, int(rng.integers(5, 12)), 1, -1) > 0
        if not (labels[fresh] > 0).any():
            labels[fresh] = label
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


class Slide:
    """A results folder as it stands before the stage: an image, its nuclei, upstream manifests."""

    def __init__(self, folder: Path, labels: np.ndarray, factor: int = 1, order: np.ndarray | None = None) -> None:
        self.results, self.labels, self.factor = folder / "results", labels, factor
        self.image = np.random.default_rng(1).integers(90, 240, (*labels.shape, 3), np.uint8)
        self.image[labels > 0] //= 2
        path = folder / "field.png"
        self.big = self.image.repeat(factor, axis=0).repeat(factor, axis=1)
        cv2.imwrite(str(path), cv2.cvtColor(self.big, cv2.COLOR_RGB2BGR))
        self.sample = Sample("field", path, (MPP / factor, MPP / factor))
        self.order = np.arange(labels.max()) if order is None else order
        self._write_nuclei()
        self._write_manifests()

    def _write_nuclei(self) -> None:
        traced = outlines(self.labels)
        coords = traced.coords * self.factor
        rings = [coords[a:b] for a, b in zip(traced.offsets[:-1], traced.offsets[1:], strict=True)]
        geometry = np.array([shapely.to_wkb(shapely.Polygon(ring)) for ring in rings], object)
        rows = self.order
        path = self.results / "field" / "segment" / "nuclei.parquet"
        path.parent.mkdir(parents=True)
        with TableWriter(path, NUCLEI) as table:
            table.write(
                {
                    "nucleus_id": np.arange(len(rows)),
                    "geometry": list(geometry[rows]),
                    "x_px": traced.centroid[rows, 0] * self.factor,
                    "y_px": traced.centroid[rows, 1] * self.factor,
                    "area_um2": traced.area_px[rows] * MPP**2,
                    "score": np.ones(len(rows), np.float32),
                }
            )

    def _write_manifests(self) -> None:
        height, width = (side * self.factor for side in self.labels.shape)
        mpp = Mpp(MPP / self.factor, MPP / self.factor, "sheet")
        shared = {"mpp_x": mpp.x, "mpp_y": mpp.y, "identity": str(identify(self.sample.path))}
        details = {
            "tissue": {
                "stain": Stains().to_dict(),
                "tissue_mm2": self.labels.size * MPP**2 / 1e6,
                "slide_info": {"width": width, "height": height, "levels": 1, "format": "png", "bounds": None},
                "bins": vars(self.bins()),
            },
            "quality": {},
            "detect": {"model": {"name": "open", "sha256": None}, "score": 0.7, "scales": RIGHT},
            "segment": {"grid": vars(Grid.at(MPP, mpp, width, height)), "counts": {"nuclei": len(self.order)}},
        }
        for stage, known in details.items():
            path = self.results / "field" / stage / "manifest.json"
            write_json(path, manifest(stage, "field", **shared, **known))
        self.find(np.ones((self.bins().height, self.bins().width), np.bool_))

    def bins(self) -> Bins:
        """Bins of 16 by 16 level-0 pixels."""
        height, width = (-(-side * self.factor // 16) for side in self.labels.shape)
        return Bins(width, height, 16.0, 16.0, (16 * MPP / self.factor) ** 2)

    def find(self, tissue: np.ndarray) -> None:
        """Let these bins be tissue."""
        polygons = mask_to_polygons(tissue, self.bins())
        path = self.results / "field" / "quality" / "sound.geojson"
        write_json(path, to_geojson(polygons, [{} for _ in polygons], (0.0, 0.0)))
        seal(self.results, "field")

    def detected(self, model: str, scales: list[dict[str, float]], score: float = 0.7) -> None:
        """Let another model have found the nuclei, with a mean score, and have seen something else at three scales."""
        path = self.results / "field" / "detect" / "manifest.json"
        found = {"model": {"name": model, "sha256": None}, "score": score, "scales": scales}
        write_json(path, read_json(path) | found)

    def reject(self, reason: str) -> None:
        path = self.results / "field" / "segment" / "manifest.json"
        write_json(path, read_json(path) | {"state": "rejected", "reason": reason})

    def run(self, workers: int = 1, **settings: object) -> dict[str, object]:
        return execute("features", "field", self.results, FeaturesSettings(**settings), self.sample, workers)

    def file(self) -> Path:
        return self.results / "field" / "features" / "features.parquet"

    def bytes(self) -> bytes:
        return self.file().read_bytes()


def expected(slide: Slide) -> dict[str, np.ndarray]:
    """The same measures taken on the whole image at once, in the order of the labels."""
    traced, fine = outlines(slide.labels), MPP / slide.factor
    columns = measure_outlines(traced.coords, traced.offsets, (MPP, MPP), set(GROUPS))
    coords, mpp = traced.coords * slide.factor, (fine, fine)
    return columns | measure_pixels(slide.big, coords, traced.offsets, mpp, Stains(), set(GROUPS))


def assert_measured(table: pa.Table, columns: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> None:
    kinds = {column.name: column.kind for column in COLUMNS}
    for name, values in columns.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values[rows].astype(kinds[name]), err_msg=name)


@pytest.mark.parametrize("factor", [1, 2])
def test_every_nucleus_measures_as_on_the_whole_image(tmp_path, factor):
    slide = Slide(tmp_path, discs(500, 700, 150), factor)
    manifest = slide.run()
    table = pq.read_table(slide.file())
    assert manifest["counts"] == {"nuclei": slide.labels.max()}
    assert manifest["pixels_mpp"] == [MPP / factor] * 2
    assert table["nucleus_id"].to_pylist() == list(range(slide.labels.max()))
    columns = expected(slide)
    assert_measured(table, columns)
    apart = measure_shapes(runs_of_labels(slide.labels, slide.labels.max()), MPP, MPP)
    for name, values in apart.items():
        np.testing.assert_array_equal(columns[name], values, err_msg=name)
    stained, traced = densities(slide.big, Stains())[0], outlines(slide.labels)
    labels = rasterize(traced.coords * factor, traced.offsets, stained.shape)
    means = ndimage.mean(stained.astype(np.float64), labels, np.arange(1, labels.max() + 1))
    np.testing.assert_allclose(columns["hematoxylin_mean"], means)


def test_all_columns_but_those_of_groups_that_were_not_chosen_hold_values(tmp_path):
    slide = Slide(tmp_path, discs(300, 150, 40).repeat(2, axis=1))  # discs have no direction
    slide.run()
    whole = pq.read_table(slide.file())
    assert whole.column_names == [column.name for column in COLUMNS]
    assert not [name for name in whole.column_names if whole[name].null_count == len(whole)]
    chosen = ("shape", "texture", "chromatin", "neighborhood")
    for groups in ((), *((group,) for group in chosen), chosen[1:]):
        slide.run(groups=groups)
        some = pq.read_table(slide.file())
        assert some.schema.equals(whole.schema, check_metadata=True)
        for group, columns in GROUPS.items():
            for column in columns:
                if group in chosen and group not in groups:
                    assert some[column.name].null_count == len(whole), column.name
                elif not (group == "neighborhood" and column.name.startswith(("contrast_", "orientation_"))):
                    assert some[column.name].equals(whole[column.name]), column.name


def test_what_is_compared_with_neighbors_is_null_where_it_was_not_measured(tmp_path):
    slide = Slide(tmp_path, discs(300, 300, 40))
    slide.run(groups=("neighborhood",))
    table = pq.read_table(slide.file())
    measured = {column.name for group in ("size", "stain") for column in GROUPS[group]}
    for name in COMPARED:
        assert (table[f"contrast_{name}"].null_count == len(table)) == (name not in measured), name


def test_groups_are_given_as_a_list_or_separated_by_commas():
    assert FeaturesSettings.model_validate({"groups": "shape, texture"}).groups == ("shape", "texture")
    assert FeaturesSettings.model_validate({"groups": ["chromatin"]}).groups == ("chromatin",)
    assert FeaturesSettings.model_validate({"groups": ""}).groups == ()
    with pytest.raises(ValidationError, match="groups"):
        FeaturesSettings.model_validate({"groups": "shape, size"})


def test_areas_are_those_of_the_outlines_table(tmp_path):
    slide = Slide(tmp_path, discs(300, 300, 40))
    slide.run()
    nuclei = pq.read_table(slide.results / "field" / "segment" / "nuclei.parquet")
    assert pq.read_table(slide.file())["area_um2"].equals(nuclei["area_um2"])


@pytest.mark.parametrize("model", ["open", "classical"])
@pytest.mark.parametrize(("mpp", "warned", "limit"), [(0.1, "smaller", 10), (0.5, None, None), (1.2, "larger", 130)])
def test_a_size_that_no_nuclei_have_is_warned_of(tmp_path, monkeypatch, model, mpp, warned, limit):
    monkeypatch.setattr("tests.stages.test_features.MPP", mpp)
    slide = Slide(tmp_path, discs(900, 900, 300))
    slide.detected(model, RIGHT)
    manifest = slide.run()
    assert len(pq.read_table(slide.file())) >= 60
    assert manifest["mpp_checked_by"] == ("scales" if model == "open" else "size")
    assert [entry["code"] for entry in manifest["quality"]] == ["implausible_mpp"] * (warned is not None)
    for entry in manifest["quality"]:
        assert f"half of the nuclei are {warned} than" in entry["message"]
        assert f"an mpp of {mpp:g}" in entry["message"]
        assert entry["threshold"] == limit
        assert (entry["value"] < limit) == (warned == "smaller")


@pytest.mark.parametrize(("side", "other"), [("small", "twice"), ("large", "half")])
def test_an_mpp_at_which_nuclei_are_not_seen_best_is_warned_of(tmp_path, side, other):
    slide = Slide(tmp_path, discs(900, 900, 300))
    slide.detected("open", WRONG[side])
    manifest = slide.run()
    (entry,) = manifest["quality"]
    assert entry["code"] == "implausible_mpp"
    assert entry["message"] == (
        f"the mpp of 0.5 looks too {side}: nuclei are detected best at about {other} that value; check the mpp"
    )
    assert entry["value"] > entry["threshold"] == GUARDS["open"].sides[side].threshold
    assert manifest["mpp_checked_by"] == "scales"


def test_other_models_are_checked_by_size_alone(tmp_path):
    slide = Slide(tmp_path, discs(900, 900, 300))
    slide.detected("mine", WRONG["small"])
    manifest = slide.run()
    assert (manifest["mpp_checked_by"], manifest["quality"]) == ("size", [])


def test_nuclei_that_are_drawn_are_checked_by_size_alone(tmp_path):
    slide = Slide(tmp_path, discs(900, 900, 300))
    slide.detected("open", WRONG["large"], score=0.81)
    manifest = slide.run()
    assert (manifest["mpp_checked_by"], manifest["quality"]) == ("size", [])


@pytest.mark.parametrize("model", ["open", "classical"])
def test_few_nuclei_are_not_enough_to_doubt_the_mpp(tmp_path, monkeypatch, model):
    monkeypatch.setattr("tests.stages.test_features.MPP", 0.1)
    slide = Slide(tmp_path, discs(900, 900, 59))
    slide.detected(model, [look | {"seeds": 5} for look in WRONG["large"]])
    manifest = slide.run()
    assert (manifest["mpp_checked_by"], manifest["quality"]) == ("nothing", [])


def test_where_most_nuclei_are_missed_those_at_the_finer_scale_count(tmp_path):
    slide = Slide(tmp_path, discs(900, 900, 40))
    slide.detected("open", WRONG["small"])
    (entry,) = slide.run()["quality"]
    assert "looks too small" in entry["message"]


def test_rows_keep_the_order_of_the_nuclei_whatever_it_is(tmp_path):
    labels = discs(400, 400, 60)
    order = np.random.default_rng(2).permutation(labels.max())
    slide = Slide(tmp_path, labels, order=order)
    slide.run()
    table = pq.read_table(slide.file())
    assert_measured(table, expected(slide), order)


def test_neither_workers_nor_read_sizes_change_a_byte(tmp_path, monkeypatch):
    slide = Slide(tmp_path, discs(500, 700, 150))
    slide.run(workers=1)
    first = slide.bytes()
    slide.run(workers=2)
    assert slide.bytes() == first
    monkeypatch.setattr(blocks_of_nuclei, "_BLOCK", 64)
    slide.run(workers=2)
    assert slide.bytes() == first


def test_nuclei_in_several_row_groups_measure_the_same(tmp_path, monkeypatch):
    labels, places = discs(400, 500, 90), [tmp_path / "whole", tmp_path / "parts"]
    for place in places:
        place.mkdir()
    whole = Slide(places[0], labels)
    whole.run()
    monkeypatch.setattr("pathopipe.results.tables.ROWS_PER_GROUP", 32)
    parts = Slide(places[1], labels)
    parts.run()
    found = pq.ParquetFile(parts.file())
    assert found.num_row_groups > 2
    assert found.read().to_pydict() == pq.read_table(whole.file()).to_pydict()


class StoppedError(Exception):
    """What ends a job here, in the middle of its work."""


def test_a_job_that_was_stopped_goes_on_where_it_was_and_leaves_the_same_bytes(tmp_path, monkeypatch):
    slide = Slide(tmp_path, discs(500, 700, 150))
    monkeypatch.setattr(blocks_of_nuclei, "_BLOCK", 128)
    measure, measured, limit = blocks_of_nuclei.measure_pixels, [], [10**6]

    def stopping(rgb, coords, offsets, *more):
        if len(measured) >= limit[0]:
            raise StoppedError
        measured.append(len(offsets) - 1)
        return measure(rgb, coords, offsets, *more)

    monkeypatch.setattr(blocks_of_nuclei, "measure_pixels", stopping)
    slide.run()
    whole, first = slide.bytes(), list(measured)
    assert len(first) > 10
    assert sum(first) == slide.labels.max()  # the second pass measures nothing again
    shutil.rmtree(slide.file().parent)
    done = []
    for stop in (3, 4):
        measured.clear()
        limit[0] = stop
        with pytest.raises(StoppedError):
            slide.run()
        done += measured
    measured.clear()
    limit[0] = 10**6
    slide.run()
    assert [*done, *measured] == first
    assert slide.bytes() == whole


def test_a_nucleus_alone_has_no_neighbor(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 1))
    slide.run()
    (nucleus,) = pq.read_table(slide.file()).to_pylist()
    assert nucleus["nearest_um"] is nucleus["edge_mean_um"] is nucleus["contrast_area_um2"] is None
    assert nucleus["neighbors_50um"] == nucleus["degree"] == 0


def test_a_slide_without_nuclei_has_a_table_without_rows(tmp_path):
    slide = Slide(tmp_path, np.zeros((60, 60), np.int32))
    assert slide.run()["counts"] == {"nuclei": 0}
    table = pq.read_table(slide.file())
    assert (table.num_rows, table.column_names) == (0, [column.name for column in COLUMNS])


def test_a_nucleus_at_the_border_of_the_slide_is_measured(tmp_path):
    labels = np.zeros((60, 60), np.int32)
    labels[:12, :12], labels[50:, 20:31] = 1, 2
    slide = Slide(tmp_path, labels)
    slide.run()
    table = pq.read_table(slide.file())
    assert table["area_um2"].to_pylist() == [36.0, 27.5]
    assert table["hematoxylin_mean"].null_count == table["hematoxylin_edge"].null_count == 0
    assert table["at_border"].to_pylist() == [1, 1]


@pytest.mark.parametrize("factor", [1, 2])
def test_nuclei_at_the_border_of_the_tissue_are_flagged(tmp_path, factor):
    labels = np.zeros((96, 128), np.int32)
    labels[40:50, 40:50] = 1  # amid tissue
    labels[40:50, 86:96] = 2  # up to where the tissue ends
    labels[40:50, 70:80] = 3  # most of a bin before it
    labels[6:16, 20:30] = 4  # beyond where it begins
    slide = Slide(tmp_path, labels, factor)
    tissue = np.zeros((slide.bins().height, slide.bins().width), np.bool_)
    tissue[factor : 6 * factor, : 6 * factor] = True
    slide.find(tissue)
    slide.run()
    assert pq.read_table(slide.file())["at_border"].to_pylist() == [0, 1, 0, 1]
    slide.find(np.ones_like(tissue))
    slide.run()
    assert pq.read_table(slide.file())["at_border"].to_pylist() == [0, 0, 0, 0]


def test_a_rejected_slide_gets_a_table_of_the_same_columns_without_rows(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 3))
    slide.run()
    schema = pq.read_schema(slide.file())
    slide.reject("no nuclei")
    manifest = slide.run()
    assert (manifest["state"], manifest["reason"]) == ("rejected", "no nuclei")
    table = pq.read_table(slide.file())
    assert table.num_rows == 0
    assert table.schema.equals(schema, check_metadata=True)


def test_another_file_in_the_slides_place_is_a_fault_that_keeps_the_results(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 3))
    slide.run()
    before = slide.bytes()
    cv2.imwrite(str(slide.sample.path), np.full((90, 90, 3), 200, np.uint8))
    with pytest.raises(FaultError, match="changed since"):
        slide.run()
    assert slide.bytes() == before


MINE = Stains((0.62, 0.70, 0.354), (0.20, 0.90, 0.387), 0.6, 0.45, "macenko")


def stained(slide: Slide, stains: Stains = MINE, **tissue: object) -> Slide:
    """Let a slide have these stains, and its tissue these other entries."""
    path = slide.results / "field" / "tissue" / "manifest.json"
    write_json(path, read_json(path) | {"stain": stains.to_dict()} | tissue)
    return slide


def test_normalized_stain_is_that_of_the_target_and_outlines_stay(tmp_path):
    slide = stained(Slide(tmp_path, discs(500, 700, 150)))
    native = slide.run()
    before = pq.read_table(slide.file())
    manifest = slide.run(stain="normalized")
    assert (native["stain"], native["quality"]) == ({"measured": "native"}, [])
    assert manifest["stain"] == {"measured": "normalized", "target": TARGET.to_dict()}
    traced, image = outlines(slide.labels), normalized(slide.big, MINE)
    groups = {"texture", "chromatin"}
    measured = measure_pixels(image, traced.coords, traced.offsets, (MPP, MPP), TARGET, groups)
    table = pq.read_table(slide.file())
    assert_measured(table, measured)
    assert table["area_um2"].equals(before["area_um2"])
    assert not table["hematoxylin_mean"].equals(before["hematoxylin_mean"])


def test_normalized_stain_gives_the_same_bytes_for_any_blocks_and_workers(tmp_path, monkeypatch):
    slide = stained(Slide(tmp_path, discs(500, 700, 150)))
    slide.run(stain="normalized")
    first = slide.bytes()
    monkeypatch.setattr(blocks_of_nuclei, "_BLOCK", 256)
    slide.run(3, stain="normalized")
    assert slide.bytes() == first


@pytest.mark.parametrize(
    ("stains", "tissue", "words"),
    [
        (Stains(), {}, "the stain colors could not be estimated from this slide"),
        (MINE, {"quality": [{"code": "not_he", "message": "m", "value": 1.0, "threshold": 0}]}, "the colors are not"),
        (Stains(MINE.hematoxylin, MINE.eosin, 0.2, 0.45, "macenko"), {}, "would have to be strengthened 4.1-fold"),
    ],
)
def test_a_stain_that_is_not_known_well_is_left_as_it_is_and_that_is_told(tmp_path, stains, tissue, words):
    slide = stained(Slide(tmp_path, discs(300, 300, 40)), stains, **tissue)
    slide.run()
    native = slide.bytes()
    manifest = slide.run(stain="normalized")
    assert slide.bytes() == native
    assert manifest["stain"] == {"measured": "native"}
    (warning,) = manifest["quality"]
    assert warning["code"] == "stain_not_normalized"
    assert words in warning["message"]
    assert stops_grade(warning)
