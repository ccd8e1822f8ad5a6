"""The stage on fields of view made here: discs of known outline on a noisy image."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.errors import FaultError
from pathopipe.identity import identify
from pathopipe.jobs.execution import execute
from pathopipe.models.mpp_guard import GUARDS, SCALES
from pathopipe.ops.intensity import measure_intensities
from pathopipe.ops.shape import measure_shapes
from pathopipe.ops.stain import Stains, densities
from pathopipe.pipeline import FeaturesSettings
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.tables import TableWriter
from pathopipe.samples import Sample
from pathopipe.stages import features
from pathopipe.units import Grid, Mpp
from tests.made import manifest, seal
from tests.ops.strategies import outlines
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
        big = self.image.repeat(factor, axis=0).repeat(factor, axis=1)
        cv2.imwrite(str(path), cv2.cvtColor(big, cv2.COLOR_RGB2BGR))
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
            "tissue": {"stain": Stains().to_dict(), "tissue_mm2": self.labels.size * MPP**2 / 1e6},
            "detect": {"model": {"name": "open", "sha256": None}, "score": 0.7, "scales": RIGHT},
            "segment": {"grid": vars(Grid.at(MPP, mpp, width, height)), "counts": {"nuclei": len(self.order)}},
        }
        for stage, known in details.items():
            path = self.results / "field" / stage / "manifest.json"
            write_json(path, manifest(stage, "field", **shared, **known))
        seal(self.results, "field")

    def detected(self, model: str, scales: list[dict[str, float]], score: float = 0.7) -> None:
        """Let another model have found the nuclei, with a mean score, and have seen something else at three scales."""
        path = self.results / "field" / "detect" / "manifest.json"
        found = {"model": {"name": model, "sha256": None}, "score": score, "scales": scales}
        write_json(path, read_json(path) | found)

    def reject(self, reason: str) -> None:
        path = self.results / "field" / "segment" / "manifest.json"
        write_json(path, read_json(path) | {"state": "rejected", "reason": reason})

    def run(self, workers: int = 1) -> dict[str, object]:
        return execute("features", "field", self.results, FeaturesSettings(), self.sample, workers)

    def file(self, name: str) -> Path:
        return self.results / "field" / "features" / name

    def bytes(self) -> tuple[bytes, bytes]:
        return self.file("features.parquet").read_bytes(), self.file("statistics.parquet").read_bytes()


def expected(slide: Slide) -> dict[str, np.ndarray]:
    """The same measures taken on the whole image at once."""
    count = int(slide.labels.max())
    columns = measure_shapes(slide.labels, count, MPP, MPP)
    for stain, density in zip(("hematoxylin", "eosin"), densities(slide.image, Stains()), strict=True):
        measured = measure_intensities(slide.labels, count, density)
        columns |= {f"{stain}_{name}": values for name, values in measured.items()}
    return columns


@pytest.mark.parametrize("factor", [1, 2])
def test_every_nucleus_measures_as_on_the_whole_image(tmp_path, factor):
    slide = Slide(tmp_path, discs(500, 700, 150), factor)
    manifest = slide.run()
    table = pq.read_table(slide.file("features.parquet"))
    assert manifest["counts"] == {"nuclei": slide.labels.max()}
    assert table["nucleus_id"].to_pylist() == list(range(slide.labels.max()))
    for name, values in expected(slide).items():
        np.testing.assert_array_equal(table[name].to_numpy(), values, err_msg=name)


def test_areas_are_those_of_the_outlines_table(tmp_path):
    slide = Slide(tmp_path, discs(300, 300, 40))
    slide.run()
    nuclei = pq.read_table(slide.results / "field" / "segment" / "nuclei.parquet")
    assert pq.read_table(slide.file("features.parquet"))["area_um2"].equals(nuclei["area_um2"])


@pytest.mark.parametrize("model", ["open", "classical"])
@pytest.mark.parametrize(("mpp", "warned", "limit"), [(0.1, "smaller", 10), (0.5, None, None), (1.2, "larger", 130)])
def test_a_size_that_no_nuclei_have_is_warned_of(tmp_path, monkeypatch, model, mpp, warned, limit):
    monkeypatch.setattr("tests.stages.test_features.MPP", mpp)
    slide = Slide(tmp_path, discs(900, 900, 300))
    slide.detected(model, RIGHT)
    manifest = slide.run()
    assert len(pq.read_table(slide.file("features.parquet"))) >= 60
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
    table = pq.read_table(slide.file("features.parquet"))
    for name, values in expected(slide).items():
        np.testing.assert_array_equal(table[name].to_numpy(), values[order], err_msg=name)


def test_neither_workers_nor_read_sizes_change_a_byte(tmp_path, monkeypatch):
    slide = Slide(tmp_path, discs(500, 700, 150))
    slide.run(workers=1)
    first = slide.bytes()
    slide.run(workers=2)
    assert slide.bytes() == first
    monkeypatch.setattr(features, "_BLOCK", 64)
    slide.run(workers=2)
    assert slide.bytes() == first


def test_the_slide_has_one_row_of_statistics(tmp_path):
    slide = Slide(tmp_path, discs(500, 700, 150))
    slide.run()
    (row,) = pq.read_table(slide.file("statistics.parquet")).to_pylist()
    areas = expected(slide)["area_um2"]
    assert row["region"] == "slide"
    assert row["nuclei_count"] == len(areas)
    assert row["tissue_mm2"] == pytest.approx(0.0875)
    assert row["nuclei_per_mm2"] == pytest.approx(len(areas) / 0.0875)
    assert row["area_um2_p50"] == pytest.approx(np.median(areas))
    assert row["area_um2_cv"] == pytest.approx(areas.std(ddof=1) / areas.mean())
    assert row["neighbors_50um_mean"] > 1


def test_a_nucleus_alone_has_no_neighbor_and_no_spread(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 1))
    slide.run()
    (nucleus,) = pq.read_table(slide.file("features.parquet")).to_pylist()
    (row,) = pq.read_table(slide.file("statistics.parquet")).to_pylist()
    assert nucleus["nearest_um"] is None
    assert nucleus["neighbors_50um"] == 0
    assert row["nearest_um_mean"] is None
    assert row["area_um2_mean"] == nucleus["area_um2"]
    assert row["area_um2_sd"] is None


def test_a_slide_without_nuclei_has_a_row_of_statistics_all_the_same(tmp_path):
    slide = Slide(tmp_path, np.zeros((60, 60), np.int32))
    slide.run()
    assert pq.read_table(slide.file("features.parquet")).num_rows == 0
    (row,) = pq.read_table(slide.file("statistics.parquet")).to_pylist()
    assert row["nuclei_count"] == row["nuclei_per_mm2"] == 0
    assert row["area_um2_mean"] is None


def test_a_nucleus_at_the_border_of_the_slide_is_measured(tmp_path):
    labels = np.zeros((60, 60), np.int32)
    labels[:12, :12], labels[50:, 20:31] = 1, 2
    slide = Slide(tmp_path, labels)
    slide.run()
    table = pq.read_table(slide.file("features.parquet"))
    assert table["area_um2"].to_pylist() == [36.0, 27.5]
    assert table["hematoxylin_mean"].null_count == table["hematoxylin_edge"].null_count == 0


def test_a_rejected_slide_gets_tables_of_the_same_columns_without_rows(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 3))
    slide.run()
    columns = [pq.read_schema(slide.file(name)) for name in ("features.parquet", "statistics.parquet")]
    slide.reject("no nuclei")
    manifest = slide.run()
    assert (manifest["state"], manifest["reason"]) == ("rejected", "no nuclei")
    for name, schema in zip(("features.parquet", "statistics.parquet"), columns, strict=True):
        table = pq.read_table(slide.file(name))
        assert table.num_rows == 0
        assert table.schema.equals(schema)


def test_another_file_in_the_slides_place_is_a_fault_that_keeps_the_results(tmp_path):
    slide = Slide(tmp_path, discs(80, 80, 3))
    slide.run()
    before = slide.bytes()
    cv2.imwrite(str(slide.sample.path), np.full((90, 90, 3), 200, np.uint8))
    with pytest.raises(FaultError, match="changed since"):
        slide.run()
    assert slide.bytes() == before
