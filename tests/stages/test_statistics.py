"""The stage on tables made here: nuclei of known places, types and sizes, in regions drawn by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.jobs.execution import execute
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.quality.areas import ARTIFACTS
from pathopipe.pipeline import StatisticsSettings
from pathopipe.provenance import sha256
from pathopipe.results.contents import read_statistics
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.manifests import read_manifest
from pathopipe.results.regions import read_regions
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.features import COLUMNS as FEATURES
from pathopipe.results.schemas.features import CUT_OFF
from pathopipe.results.schemas.quality import QUALITY
from pathopipe.results.schemas.statistics import COLUMNS
from pathopipe.results.schemas.types import SCHEMA as TYPE_SCHEMA
from pathopipe.results.tables import TableWriter
from pathopipe.samples import Sample
from tests.made import manifest, seal
from tests.stages.finished_slide import NUCLEI, quality_details, tissue_details

SIZE = (4000, 3000)
MPP = 0.5
COUNT = 600


class Slide:
    """A slide of 3 mm2 whose left half is crowded with small nuclei, and whose right half has few large ones."""

    def __init__(self, folder: Path, count: int = COUNT, typed: bool = True) -> None:
        self.results, self.home = folder / "results", folder / "results" / "s"
        self.sample = Sample("s", folder / "s.png", (MPP, MPP))
        rng = np.random.default_rng(3)
        left = np.arange(count) < count * 3 // 4
        self.x = np.where(left, rng.uniform(0, 2000, count), rng.uniform(2000, 4000, count))
        self.y = rng.uniform(0, 3000, count)
        self.area = np.where(left, rng.normal(30, 3, count), rng.normal(80, 8, count))
        self.types = np.where(left, "inflammatory", "epithelial").astype(object)
        self.types[::10] = None
        if not typed:
            self.types[:] = None
        self.border = np.zeros(count, np.int8)
        self.count = count
        self.write()

    def write(self) -> None:
        for stage in ("tissue", "quality", "segment", "features", "types"):
            known = manifest(stage, "s", mpp_x=MPP, mpp_y=MPP)
            details = {"tissue": tissue_details(SIZE), "quality": quality_details(SIZE)}
            known |= details.get(stage, {"counts": {"nuclei": self.count}})
            write_json(self.home / stage / "manifest.json", known)
        box = shapely.geometry.mapping(shapely.box(0, 0, *SIZE))
        tissue = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": box, "properties": {}}]}
        for name in ("tissue/tissue.geojson", "quality/sound.geojson"):
            (self.home / name).write_text(json.dumps(tissue))
        (self.home / "tissue" / "thumbnail.jpg").touch()
        ids, none = np.arange(self.count), np.full(self.count, np.nan)
        square = shapely.to_wkb(shapely.box(0, 0, 1, 1))
        nuclei = {"nucleus_id": ids, "geometry": [square] * self.count, "x_px": self.x, "y_px": self.y}
        self._table("segment/nuclei.parquet", NUCLEI, nuclei | {"area_um2": self.area, "score": np.ones(self.count)})
        known = {"nucleus_id": ids, "at_border": self.border, "area_um2": self.area}
        known |= {"circularity": np.linspace(0.5, 1, self.count), "hematoxylin_mean": np.linspace(0, 1, self.count)}
        counts = {column.name: np.arange(self.count) % 7 for column in FEATURES if column.kind == "int64"}
        rest = {column.name: none for column in FEATURES}
        self._table("features/features.parquet", schema_of(FEATURES), rest | counts | known)
        probabilities = {f"p_{name}": np.full(self.count, 0.25) for name in TYPES}
        self._table("types/types.parquet", TYPE_SCHEMA, {"nucleus_id": ids, "type": self.types} | probabilities)
        seal(self.results, "s")

    def _table(self, name: str, schema: pa.Schema, columns: dict[str, Any]) -> None:
        with TableWriter(self.home / name, schema) as table:
            table.write({field.name: columns[field.name] for field in schema})

    def draw(self, *regions: tuple[str | None, str | None, tuple[float, float, float, float]]) -> None:
        """Give the slide regions: name, class, and box in pixels."""
        features = []
        for name, kind, box in regions:
            said = ({"name": name} if name else {}) | ({"classification": {"name": kind}} if kind else {})
            shape = shapely.geometry.mapping(shapely.box(*box))
            features.append({"type": "Feature", "geometry": shape, "properties": said})
        roi = self.results.parent / "roi.geojson"
        roi.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        self.sample = Sample("s", self.sample.path, (MPP, MPP), roi=roi)

    def run(self, workers: int = 1, **settings: Any) -> list[dict[str, Any]]:
        asked = StatisticsSettings(**settings)
        self.manifest = execute("statistics", "s", self.results, asked, self.sample, workers)
        return pq.read_table(self.file).to_pylist()

    @property
    def file(self) -> Path:
        return self.home / "statistics" / "statistics.parquet"


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["region"], row["type"]): row for row in rows}


def test_the_first_row_is_about_all_nuclei(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    first = slide.run()[0]
    assert (first["region"], first["type"], first["nuclei_count"]) == ("slide", "all", COUNT)
    assert first["tissue_mm2"] == pytest.approx(3.0)
    assert first["nuclei_per_mm2"] == pytest.approx(COUNT / 3)
    assert first["region_mm2"] is None
    assert first["nuclear_share"] == pytest.approx(slide.area.sum() / 3e6)
    assert first["area_um2_p50"] == pytest.approx(np.median(slide.area))
    assert first["area_um2_sd"] == pytest.approx(slide.area.std(ddof=1))
    assert first["typed_share"] == pytest.approx(0.9)
    assert first["inflammatory_per_epithelial"] == pytest.approx(3, rel=0.02)
    assert first["epithelial_share"] + first["inflammatory_share"] == pytest.approx(1)
    assert first["spatial_clark_evans"] is not None
    assert read_statistics(slide.file) == first
    assert list(first) == [column.name for column in COLUMNS]


def test_the_first_row_says_how_far_the_slide_can_be_trusted(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    path = slide.home / "quality" / "manifest.json"
    shares = {name: 0.01 * number for number, name in enumerate(ARTIFACTS)}
    write_json(path, read_json(path) | {"unfit_share": 0.25, "shares": shares, "blur_um": 0.7})
    vectors = {"hematoxylin": [0.6, 0.7, 0.3], "eosin": [0.1, 0.9, 0.2], "hematoxylin_max": 1.1, "eosin_max": 0.9}
    path = slide.home / "tissue" / "manifest.json"
    scan = {"glass": [240.0, 241.5, 244.0], "noise": 1.2, "blockiness": 0.3, "sharpness": 0.5}
    write_json(path, read_json(path) | {"stain": vectors | {"source": "macenko"}, "scan": scan})
    seal(slide.results, "s")
    first, *others = slide.run()
    assert (first["unfit_share"], first["blur_um"], first["out_of_focus_share"]) == (0.25, 0.7, shares["out of focus"])
    assert (first["stain_hematoxylin_green"], first["stain_eosin_strength"]) == (0.7, 0.9)
    assert (first["scan_glass_green"], first["scan_noise"], first["scan_blockiness"]) == (241.5, 1.2, 0.3)
    names = [column.name for column in QUALITY]
    assert all(first[name] is not None for name in names)
    assert all(row[name] is None for row in others for name in names)


def test_each_type_has_a_row(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    rows = by_name(slide.run(field_mm2=0))
    assert list(rows) == [("slide", "all"), *(("slide", name) for name in TYPES)]
    for name in TYPES:
        here = slide.area[slide.types == name]
        row = rows["slide", name]
        assert row["nuclei_count"] == len(here)
        assert row["area_um2_mean"] == (pytest.approx(here.mean()) if len(here) else None)
        assert row["typed_share"] is None
        assert row["spatial_interaction_epithelial_epithelial"] is None
    assert rows["slide", "epithelial"]["area_um2_mean"] > 70
    assert rows["slide", "stromal"]["nuclei_per_mm2"] == 0


def test_without_types_there_is_one_row_and_no_share(tmp_path: Path) -> None:
    (row,) = Slide(tmp_path, typed=False).run(field_mm2=0)
    assert row["typed_share"] is None
    assert row["spatial_clark_evans"] is not None
    assert row["spatial_shannon_mean"] is None


def test_regions_have_rows_by_name_or_class(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.draw(
        ("left", "Tumor", (0, 0, 2000, 3000)),
        (None, "Stroma", (2000, 0, 4000, 1500)),
        (None, "Stroma", (2000, 1500, 4000, 3000)),
        ("slide", None, (0, 0, 1000, 1000)),
        ("hole", "Ignore*", (0, 0, 4000, 3000)),
    )
    rows = by_name(slide.run(field_mm2=0))
    assert [region for region, name in rows if name == "all"] == ["slide", "left", "Stroma", "Stroma 2", "slide 2"]
    left = rows["left", "all"]
    inside = slide.x < 2000
    assert left["nuclei_count"] == inside.sum()
    assert left["tissue_mm2"] == left["region_mm2"] == pytest.approx(1.5)
    assert left["nuclei_per_region_mm2"] == left["nuclei_per_mm2"] == pytest.approx(inside.sum() / 1.5)
    assert left["area_um2_mean"] == pytest.approx(slide.area[inside].mean())
    assert rows["left", "epithelial"]["nuclei_count"] == 0
    assert [row["region_class"] for (_, name), row in rows.items() if name == "all"] == [
        "",
        "Tumor",
        "Stroma",
        "Stroma",
        "",
    ]
    (overlap,) = slide.manifest["quality"]
    assert (overlap["code"], overlap["value"]) == ("regions_overlap", 1)
    assert "'left' and 'slide 2' (100% of the smaller one)" in overlap["message"]


def test_a_name_that_a_person_gave_is_given_to_no_other_region(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    boxes = [(0, 0, 500, 3000), (1000, 0, 1600, 3000), (2000, 0, 4000, 3000), (0, 0, 10, 10)]
    slide.draw(
        ("Tumor", "Tumor", boxes[0]),
        (None, "Tumor", boxes[1]),
        ("Tumor 2", None, boxes[2]),
        ("Whole slide", None, boxes[3]),
    )
    rows = by_name(slide.run(field_mm2=0, spatial=False))
    assert [region for region, name in rows if name == "all"] == [
        "slide",
        "Tumor",
        "Tumor 3",
        "Tumor 2",
        "Whole slide 2",
    ]
    assert rows["Tumor 2", "all"]["nuclei_count"] == (slide.x >= 2000).sum()
    assert rows["Tumor 3", "all"]["nuclei_count"] == ((slide.x >= 1000) & (slide.x < 1600)).sum()


def test_many_regions_are_described_some_at_a_time_and_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = Slide(tmp_path)
    slide.draw(*((f"r{number}", None, (100 * number, 0, 100 * number + 100, 3000)) for number in range(12)))
    slide.run(field_mm2=0, spatial=False)
    whole = slide.file.read_bytes()
    monkeypatch.setattr("pathopipe.stages.statistics._PLACES", 5)
    slide.run(field_mm2=0, spatial=False)
    assert slide.file.read_bytes() == whole
    monkeypatch.setattr("pathopipe.stages.statistics._MOST_REGIONS", 10)
    rows = by_name(slide.run(field_mm2=0, spatial=False))
    assert [region for region, name in rows if name == "all"] == ["slide", *(f"r{number}" for number in range(10))]
    assert [entry["code"] for entry in slide.manifest["quality"]] == ["many_regions"]
    monkeypatch.setattr("pathopipe.stages.statistics.ROWS_PER_GROUP", 4)
    slide.run(field_mm2=0, spatial=False)
    assert pq.ParquetFile(slide.file).metadata.row_group(0).num_rows == 4


def test_the_manifest_says_which_measures_leave_out_what_is_cut_off(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.run(field_mm2=0, spatial=False)
    assert slide.manifest["whole_only"] == sorted(CUT_OFF)


def test_many_overlaps_are_one_warning(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.draw(*((f"r{number}", None, (0, 0, 1000 + number, 3000)) for number in range(5)))
    slide.run(field_mm2=0, spatial=False)
    (warning,) = slide.manifest["quality"]
    assert warning["message"].endswith("and 7 more")


def test_measures_that_may_be_negative_have_no_cv(tmp_path: Path) -> None:
    first = Slide(tmp_path).run(spatial=False)[0]
    assert first["area_um2_cv"] is not None
    signed = [name for name in first if name.endswith("_cv") and ("contrast" in name or "margination" in name)]
    assert len(signed) > 10
    assert {first[name] for name in signed} == {None}


def test_regions_outside_are_told_and_empty(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.draw(
        ("in", None, (0, 0, 2000, 3000)), ("out", None, (9000, 0, 9900, 900)), ("part", None, (3900, 0, 4400, 500))
    )
    rows = by_name(slide.run(field_mm2=0))
    (outside,) = slide.manifest["quality"]
    assert outside["code"] == "region_outside"
    assert outside["message"] == "regions that lie outside of the slide, or have no area: 'out'"
    assert rows["out", "all"]["nuclei_count"] == rows["out", "all"]["tissue_mm2"] == 0
    assert rows["out", "all"]["nuclei_per_mm2"] is None
    assert rows["part", "all"]["region_mm2"] == pytest.approx(100 * 500 * MPP**2 / 1e6)


def test_fields_lie_where_nuclei_are_densest_and_largest(tmp_path: Path) -> None:
    slide = Slide(tmp_path, 2000)
    rows = by_name(slide.run(field_mm2=0.5))
    side = 1000 * np.sqrt(0.5) / MPP
    fields = slide.manifest["fields"]
    assert set(fields) == {"densest_field", "largest_field"}
    assert fields["densest_field"]["width_px"] == pytest.approx(side)
    assert fields["densest_field"]["x_px"] + side <= 2000 + side / 4
    assert fields["largest_field"]["x_px"] + side > 2000  # where epithelial nuclei are
    densest, largest = rows["densest_field", "all"], rows["largest_field", "epithelial"]
    assert densest["nuclei_per_mm2"] > rows["slide", "all"]["nuclei_per_mm2"]
    assert largest["nuclei_count"] >= 50
    assert largest["area_um2_mean"] > rows["slide", "epithelial"]["area_um2_mean"]
    place = fields["densest_field"]
    inside = (slide.x >= place["x_px"]) & (slide.x < place["x_px"] + side)
    inside &= (slide.y >= place["y_px"]) & (slide.y < place["y_px"] + side)
    assert densest["nuclei_count"] == inside.sum()


def test_a_slide_smaller_than_a_field_has_none(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.run(field_mm2=3.5)
    assert slide.manifest["fields"] == {}


def test_nuclei_that_are_cut_off_count_for_stain_and_not_for_size(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.border[:150] = 1
    slide.write()
    first = slide.run()[0]
    assert first["nuclei_count"] == COUNT
    assert first["cut_off_share"] == 0.25
    assert first["area_um2_mean"] == pytest.approx(slide.area[150:].mean())
    assert first["hematoxylin_mean_mean"] == pytest.approx(0.5)


def test_of_few_nuclei_there_are_means_and_medians_only(tmp_path: Path) -> None:
    slide = Slide(tmp_path, 9)
    row = slide.run()[0]
    assert row["area_um2_mean"] == pytest.approx(slide.area.mean())
    assert row["area_um2_p50"] == pytest.approx(np.median(slide.area))
    assert row["area_um2_sd"] is row["area_um2_p05"] is row["area_um2_skew"] is None
    assert slide.run(min_nuclei=9)[0]["area_um2_sd"] == pytest.approx(slide.area.std(ddof=1))


def test_one_nucleus_is_described_and_none_gives_a_row(tmp_path: Path) -> None:
    assert Slide(tmp_path / "one", 1).run()[0]["nuclei_count"] == 1
    rows = Slide(tmp_path / "none", 0).run()
    assert [(row["region"], row["type"], row["nuclei_count"]) for row in rows] == [("slide", "all", 0)]


def test_no_number_is_infinite_and_workers_change_no_byte(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.draw(("left", "Tumor", (0, 0, 2000, 3000)))
    rows = slide.run(workers=1)
    first = slide.file.read_bytes()
    slide.run(workers=3)
    assert slide.file.read_bytes() == first
    values = [value for row in rows for value in row.values() if isinstance(value, float)]
    assert len(values) > 1000
    assert np.isfinite(values).all()


def test_how_nuclei_lie_can_be_left_out(tmp_path: Path) -> None:
    row = Slide(tmp_path).run(spatial=False)[0]
    assert row["area_um2_mean"] is not None
    assert {value for name, value in row.items() if name.startswith("spatial_")} == {None}


def test_tables_of_other_lengths_are_damaged(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    known = json.loads((slide.home / "segment" / "manifest.json").read_text())
    write_json(slide.home / "segment" / "manifest.json", known | {"counts": {"nuclei": COUNT + 1}})
    seal(slide.results, "s")
    with pytest.raises(ArtifactError, match="is damaged"):
        slide.run()


def test_a_roi_that_is_no_geojson_is_refused_by_name(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.draw(("left", None, (0, 0, 1, 1)))
    assert slide.sample.roi is not None
    slide.sample.roi.write_text("no")
    with pytest.raises(RefusalError, match="roi"):
        slide.run()


def test_the_regions_are_among_the_inputs(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    slide.run()
    assert "roi" not in slide.manifest["inputs"]
    slide.draw(("tumor", None, (0, 0, 2000, 3000)))
    slide.run()
    assert slide.manifest["inputs"]["roi"] == sha256(slide.results.parent / "roi.geojson")


def test_the_regions_are_written_for_qupath_under_the_names_of_the_rows(tmp_path: Path) -> None:
    slide = Slide(tmp_path)
    known = json.loads((slide.home / "tissue" / "manifest.json").read_text())
    known["slide_info"]["bounds"] = [100, 200, 3000, 2000]
    write_json(slide.home / "tissue" / "manifest.json", known)
    tissue = {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.box(-100, -200, 3900, 2800))}
    write_json(slide.home / "quality" / "sound.geojson", {"type": "FeatureCollection", "features": [tissue]})
    seal(slide.results, "s")
    boxes = ((-100, -200, 1000, 1000), (900, 800, 9000, 9000), (-190, 0, -110, 50), (0, 0, 100, 100))
    slide.draw(*zip(("tumor", "tumor", "beside", "not this"), ("Tumor", None, None, "Ignore*"), boxes, strict=True))
    rows = by_name(slide.run(field_mm2=0.5))
    content = read_json(slide.home / "statistics" / "regions.geojson")
    first = content["features"][0]
    assert first["properties"] == {"objectType": "annotation", "name": "tumor", "classification": {"name": "Tumor"}}
    # QuPath counts from where the scan begins; the part beyond the slide is cut off.
    assert shapely.geometry.shape(first["geometry"]).bounds == (-100, -200, 1000, 1000)
    found = read_regions(
        slide.home / "statistics" / "regions.geojson",
        read_manifest(slide.home / "tissue" / "manifest.json", "tissue"),
    )
    assert [region.name for region in found] == ["tumor", "tumor 2", "densest_field", "largest_field"]
    assert found[0].polygons[0].bounds == (0, 0, 1100, 1200)
    for region in found:
        inside = shapely.contains_xy(shapely.union_all(region.polygons), slide.x, slide.y)
        assert inside.sum() == rows[region.name, "all"]["nuclei_count"] > 0


@pytest.mark.parametrize("features", [[{"type": "Feature"}], "x", None])
def test_damaged_regions_are_told(features: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "regions.geojson", {"type": "FeatureCollection", "features": features})
    with pytest.raises(ArtifactError, match="is damaged"):
        read_regions(tmp_path / "regions.geojson", manifest("tissue"))


def test_regions_beyond_the_slide_are_damaged(tmp_path: Path) -> None:
    far = {"type": "Feature", "geometry": shapely.geometry.mapping(shapely.box(0, 0, 9e4, 9e4))}
    content = {"type": "FeatureCollection", "features": [far | {"properties": {"name": "far"}}]}
    write_json(tmp_path / "regions.geojson", content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_regions(tmp_path / "regions.geojson", manifest("tissue"))
