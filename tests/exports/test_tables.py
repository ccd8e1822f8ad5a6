"""CSV and GeoParquet: read back with pandas, pyarrow and GeoPandas."""

import io
import json
import shutil
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely

import pathopipe
from pathopipe.errors import RefusalError
from pathopipe.exports import csv, geoparquet
from pathopipe.exports.columns import LEADING
from pathopipe.exports.selection import Asked, Selection, select
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.results.reader import SlideResults
from pathopipe.results.schemas.features import TERMS
from tests.exports.conftest import LACKING, REGIONS


def asked(results: Path, *slides: str, **what: tuple[str, ...]) -> Selection:
    return select(pathopipe.open_results(results), Asked(slides, **what))


def as_csv(selection: Selection) -> pd.DataFrame:
    stream = io.BytesIO()
    count = csv.write(selection, stream)
    frame = pd.read_csv(io.BytesIO(stream.getvalue()))
    assert len(frame) == count
    return frame


def as_geoparquet(selection: Selection) -> io.BytesIO:
    stream = io.BytesIO()
    geoparquet.write(selection, stream)
    return stream


def test_csv_has_all_nuclei_of_all_slides_with_all_that_is_known(finished_results: Path, good: SlideResults) -> None:
    selection = asked(finished_results)
    assert list(selection.left_out) == ["blank"]
    assert selection.left_out["blank"].startswith("rejected: no tissue was found")
    frame = as_csv(selection)
    features, nuclei, types = (good.table(name) for name in ("features", "nuclei", "types"))
    here, there = frame[frame["slide"] == "good"], frame[frame["slide"] == "offset"]
    assert len(here) == len(there) == len(features) > 100
    np.testing.assert_array_equal(here["area_um2"], features["area_um2"])
    np.testing.assert_array_equal(here["type"].fillna(""), types["type"].fillna(""))
    np.testing.assert_allclose(here["x_um"], nuclei["x_px"] * 0.5)
    assert frame.columns[: len(LEADING)].tolist() == list(LEADING)
    lacking = sorted(LACKING)
    assert here[lacking].notna().any().all()
    assert there[lacking].isna().all().all()
    assert len(lacking) > 3


def test_regions_are_those_that_hold_the_centroid(finished_results: Path, good: SlideResults) -> None:
    frame = as_csv(asked(finished_results, "good"))
    nuclei = good.table("nuclei")
    within = {
        name: shapely.contains_xy(shapely.box(*box), nuclei["x_px"], nuclei["y_px"])
        for name, (_, box) in REGIONS.items()
    }
    expected = ["; ".join(name for name in within if within[name][row]) for row in range(len(nuclei))]
    assert frame["region"].fillna("").tolist() == expected
    assert len({*expected}) == 3
    rows = good.table("statistics").set_index(["region", "type"])["nuclei_count"]
    for name in ("densest_field", "largest_field"):
        assert frame[name].sum() == rows[name, "all"] > 0


def test_a_region_named_like_a_formula_is_text_to_a_spreadsheet(finished_results: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(finished_results, tmp_path / "results"))
    path = results / "good" / "statistics" / "regions.geojson"
    name = '=HYPERLINK("http://a.b")'
    path.write_text(path.read_text().replace('"tumor"', json.dumps(name)))
    frame = as_csv(asked(results, "good"))
    rows = frame["region"].dropna()
    assert {value.split("; ")[0] for value in rows if "HYPERLINK" in value} == {f"'{name}"}
    assert {value for value in rows if "HYPERLINK" not in value} == {'the "rim"'}
    stored = pq.read_table(as_geoparquet(asked(results, "good")), columns=["region"])["region"]
    assert name in stored.to_pylist(), "where nothing runs, names are as they are"


def test_types_and_regions_select(finished_results: Path, good: SlideResults) -> None:
    rows = good.table("statistics").set_index(["region", "type"])["nuclei_count"]
    kind = next(name for name in TYPES if 0 < rows["tumor", name] < rows["slide", name])
    frame = as_csv(asked(finished_results, types=(kind,), regions=("tumor",)))
    assert len(frame) == rows["tumor", kind]
    assert set(frame["type"]) == {kind}
    both = as_csv(asked(finished_results, "good", regions=("tumor", 'the "rim"')))
    assert len(both) == both["region"].notna().sum() > rows["tumor", "all"]
    unknown = good.table("types")["type"].isna().sum()
    assert len(as_csv(asked(finished_results, "good", types=(kind, "unknown")))) == rows["slide", kind] + unknown


def test_measures_select_in_the_order_of_the_dictionary(finished_results: Path) -> None:
    selection = asked(finished_results, measures=("circularity", "area_um2"))
    assert as_csv(selection).columns.tolist() == [*LEADING, "area_um2", "circularity"]


def test_a_slide_without_the_region_is_left_out(finished_results: Path) -> None:
    selection = asked(finished_results, regions=("tumor",))
    assert [slide.id for slide in selection.slides] == ["good"]
    assert selection.left_out["offset"] == "has none of these regions"


@pytest.mark.parametrize(
    ("slides", "what", "sentence"),
    [
        (("bad",), {}, "has no slide 'bad'; it has blank, good, offset"),
        (("blank",), {}, r"no slide can be exported \(blank: rejected: no tissue was found"),
        ((), {"types": ("tumor",)}, "--type tumor: there is no such type; the types are epithelial, inflammatory"),
        ((), {"regions": ("tumour",)}, "--region tumour: no slide has a region of this name; the regions are tumor"),
        ((), {"measures": ("area_um",)}, "--measures area_um: no measure has this name: did you mean area_um2"),
        (("offset",), {"measures": (min(LACKING),)}, "these results do not have it"),
        ((), {"types": ("other",), "regions": ("tumor",)}, "nothing was written: no nucleus is of these types"),
    ],
)
def test_what_is_not_there_is_refused_in_a_sentence(
    slides: tuple[str, ...], what: dict[str, tuple[str, ...]], sentence: str, finished_results: Path
) -> None:
    with pytest.raises(RefusalError, match=sentence) as error:
        asked(finished_results, *slides, **what)
    assert len(error.value.problems) == 1


def test_the_dictionary_beside_csv_says_what_each_column_is(finished_results: Path) -> None:
    selection = asked(finished_results)
    said = json.loads(csv.dictionary(selection, "nuclei.csv"))
    assert said["url"] == "nuclei.csv"
    columns = {column["name"]: column for column in said["tableSchema"]["columns"]}
    assert list(columns) == as_csv(selection).columns.tolist()
    assert columns["area_um2"]["schema:unitText"] == "µm²"
    assert columns["area_um2"]["dc:description"] == TERMS["area_um2"].meaning
    assert all(column["dc:description"] for column in columns.values())


def test_geoparquet_is_read_by_geopandas_with_outlines_and_units(finished_results: Path, good: SlideResults) -> None:
    stream = as_geoparquet(asked(finished_results))
    frame = geopandas.read_parquet(stream)
    assert frame.crs is None
    here = frame[frame["slide"] == "good"].reset_index()
    assert here.geometry.geom_equals(good.polygons().geometry).all()
    assert set(frame["slide"]) == {"good", "offset"}
    pd.testing.assert_series_equal(here["circularity"], good.table("features")["circularity"])
    schema = pq.read_schema(stream)
    assert schema.field("area_um2").metadata[b"unit"].decode() == "µm²"
    assert all(field.metadata[b"description"] for field in schema)


def test_the_same_bytes_each_time(finished_results: Path) -> None:
    first, second = (as_geoparquet(asked(finished_results)).getvalue() for _ in range(2))
    assert first == second
