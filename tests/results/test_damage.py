"""Artifacts that somebody or something damaged: one sentence, whoever reads them, and no more memory than they need."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

import pathopipe
from pathopipe.errors import ArtifactError, PathopipeError
from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.ops.regions import from_geojson
from pathopipe.pipeline import MAPS, STAGES, Config
from pathopipe.record import MANIFEST
from pathopipe.results.contents import read_thumbnail
from pathopipe.results.documents import read_json, reading, write_json
from pathopipe.results.maps import open_maps
from pathopipe.results.quality import read_picture
from pathopipe.results.reader import SlideResults
from pathopipe.results.tissue import read_tissue
from pathopipe.samples import Sample
from pathopipe.status.slides import look
from pathopipe.status.verification import verify
from tests.made import seal

CONFIG = Config.model_validate({"detect": {"model": "classical"}})
FILES = [f"{stage.name}/{name}" for stage in STAGES.values() for name in (*stage.writes, MANIFEST)]
FILES.remove("report/report.html")
SELDOM = {("segment", "quality/sound.geojson"), ("report", "tissue/tissue.geojson")}
"""Read of slides with nuclei of the user's own, and of rejected ones."""
READERS = [
    (stage.name, name)
    for stage in STAGES.values()
    for name in stage.reads
    if not name.endswith(MANIFEST) and (stage.name, name) not in SELDOM
]
SEED = 20261129


@pytest.fixture
def copied(made_results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_results, tmp_path / "results"))


def run(stage: str, copied: Path, made_results: Path) -> None:
    execute(stage, "good", copied, getattr(CONFIG, stage), Sample("good", made_results.parent / "good.tiff"))


def reseal(results: Path, name: str) -> None:
    """Note in the manifest what the file is now: file and manifest were replaced together."""
    if not name.endswith(MANIFEST) and (results / "good" / name).is_file():
        seal(results, "good", name.partition("/")[0])


def map_something(results: Path) -> None:
    """Let the quality map hold something, without which nobody looks at its picture."""
    path = results / "good" / "quality" / MANIFEST
    write_json(path, read_json(path) | {"shares": {"pen": 0.1}})


def damages(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """A dozen ways to damage a file."""
    yield b""
    yield content[: len(content) // 2]
    yield content[:-20]
    yield content[:100]
    yield rng.bytes(len(content))
    for count in (1, 1, 8, 64):
        changed = np.frombuffer(content, np.uint8).copy()
        changed[rng.integers(0, len(content), count)] ^= np.uint8(1) << rng.integers(0, 8, count).astype(np.uint8)
        yield changed.tobytes()
    start = int(rng.integers(0, len(content)))
    yield content[:start] + bytes(min(500, len(content) - start)) + content[start + 500 :]
    yield content[start:] + content[:start]
    yield content[:start] + content[: len(content) // 3] + content[start:]


def misfits(value: Any) -> Iterator[Any]:
    """JSON in which one entry at a time is of another type, or an impossible number."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries)[:12]:
        for other in (None, "x", -1, 1e308, [], {"a": [1]}, *misfits(inner)):
            changed: Any = dict(value) if isinstance(value, dict) else list(value)
            changed[key] = other
            yield changed


def readings(slide: SlideResults, stage: str) -> list[Callable[[], Any]]:
    """All ways of reading what a stage wrote."""
    ways: dict[str, list[Callable[[], Any]]] = {
        "tissue": [slide.tissue, lambda: read_thumbnail(slide.file("tissue", "thumbnail.jpg"))],
        "quality": [
            lambda: read_tissue(slide.file("quality", "sound.geojson"), slide.manifest("tissue")),
            lambda: read_picture(slide.file("quality", "quality.png")),
            lambda: read_areas(slide.file("quality", "quality.geojson")),
        ],
        "tiles": [lambda: slide.table("tiles")],
        "detect": [lambda: slide.table("detections"), lambda: read_maps(slide.file("detect", MAPS))],
        "segment": [lambda: slide.table("nuclei"), slide.polygons],
        "features": [lambda: slide.table("features")],
        "types": [lambda: slide.table("types")],
        "statistics": [lambda: slide.table("statistics"), lambda: slide.statistics, slide.regions],
        "grade": [lambda: slide.grade, slide.heat_map],
    }
    common = [lambda: slide.warnings, lambda: slide.state, lambda: slide.manifest(stage)]
    return [*ways.get(stage, ()), *common]


def read_maps(path: Path) -> None:
    with open_maps(path) as maps:
        maps.read(maps.channels, 0, 0, maps.height, maps.width)


def read_areas(path: Path) -> None:
    content = read_json(path)
    with reading(path):
        from_geojson(content, (0, 0))


def complaints(results: Path, name: str) -> list[str]:
    """What is said by all who read a stage's files; each in a sentence."""
    found = []
    for read in readings(pathopipe.open_results(results)["good"], name.partition("/")[0]):
        try:
            read()
        except PathopipeError as error:
            found.append(str(error))
    assert all("\n" not in sentence for sentence in found)
    return found


@pytest.mark.parametrize("name", FILES)
def test_damage_is_a_sentence(name: str, copied: Path) -> None:
    path, rng = copied / "good" / name, np.random.default_rng([SEED, FILES.index(name)])
    content = path.read_bytes()
    for number, changed in enumerate(damages(content, rng)):
        path.write_bytes(changed)
        reseal(copied, name)
        told = complaints(copied, name)
        if number < 4 and changed != content:
            assert told, f"{name}, damaged in way {number}, was read by all"
    path.unlink()
    path.mkdir()
    assert any("is damaged: delete it and run again" in sentence for sentence in complaints(copied, name))


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("json")])
def test_json_of_other_types_and_numbers_is_a_sentence(name: str, copied: Path) -> None:
    path = copied / "good" / name
    changes = list(misfits(read_json(path)))
    for number in np.random.default_rng(SEED).choice(len(changes), 40):
        path.write_text(json.dumps(changes[number]))
        complaints(copied, name)
    for text in (
        "[]",
        "3",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "[" * 10**5,
        '{"a": ' + "9" * 10**4 + "}",
    ):
        path.write_text(text)
        with pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
            read_json(path)


def test_cohort_status_and_verify_go_on(copied: Path, made_results: Path) -> None:
    samples = [Sample("good", made_results.parent / "good.tiff")]
    for file in ("tissue/manifest.json", "tissue/thumbnail.jpg", "statistics/statistics.parquet", "grade/grade.json"):
        path = copied / "good" / file
        content = path.read_bytes()
        for changed in [*damages(content, np.random.default_rng(SEED))][1:9:3]:
            path.write_bytes(changed)
            reseal(copied, file)
            execute_cohort(copied, samples, CONFIG.cohort)
            look(copied, ["good"])
            verify(copied, samples)
        path.write_bytes(content)
        reseal(copied, file)


@pytest.mark.parametrize(("stage", "name"), READERS)
def test_what_was_written_is_known_before_it_is_parsed(stage: str, name: str, copied: Path, made_results: Path) -> None:
    path = copied / "good" / name
    for changed in (b"", path.read_bytes()[:-9], b"\0" * 999):
        path.write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"is not what the stage '\w+' wrote"):
            run(stage, copied, made_results)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactError, match="is damaged: delete it and run again"):
        run(stage, copied, made_results)


@pytest.mark.parametrize(("stage", "name"), READERS)
def test_a_stage_tells_damage_that_the_manifest_agrees_with(
    stage: str, name: str, copied: Path, made_results: Path
) -> None:
    path = copied / "good" / name
    map_something(copied)
    for changed in (b"", path.read_bytes()[: path.stat().st_size // 2], b"\0" * 999):
        path.write_bytes(changed)
        reseal(copied, name)
        with pytest.raises(ArtifactError, match=f"{name}: is damaged: delete it and run again"):
            run(stage, copied, made_results)


def changed_table(path: Path, **columns: Any) -> None:
    """Write other values into a table, of which there are as many, or another type."""
    table = pq.read_table(path)
    for name, make in columns.items():
        values = make(table[name])
        place = table.schema.get_field_index(name)
        kind = values.type if isinstance(values, pa.Array) else table.schema.field(name).type
        table = table.set_column(place, name, values if isinstance(values, pa.Array) else pa.array(values, kind))
    pq.write_table(table, path)


def polygons(*rings: Any) -> Callable[[Any], list[bytes]]:
    return lambda column: [shapely.to_wkb(shapely.Polygon(rings[0])), *column.to_pylist()[1:]]


FAR = [(0, 0), (1e12, 0), (1e12, 1e12)]
WHOLE = [(0, 0), (700, 0), (700, 600)]
BESIDE = [(800, 300), (810, 300), (810, 310)]
TABLES: list[tuple[str, str, dict[str, Any]]] = [
    ("segment", "detect/detections.parquet", {"grid_x_px": lambda column: [-1] * len(column)}),
    ("segment", "detect/detections.parquet", {"grid_y_px": lambda column: [2**31 - 1] * len(column)}),
    ("segment", "detect/detections.parquet", {"grid_x_px": lambda column: [None] * len(column)}),
    ("segment", "detect/detections.parquet", {"score": lambda column: [np.nan] * len(column)}),
    ("segment", "detect/detections.parquet", {"score": lambda column: pa.array(["1"] * len(column))}),
    ("detect", "tiles/tiles.parquet", {"grid_width_px": lambda column: [10**9] * len(column)}),
    ("detect", "tiles/tiles.parquet", {"grid_x_px": lambda column: [-5] * len(column)}),
    ("features", "segment/nuclei.parquet", {"geometry": lambda column: [b"\1\2"] * len(column)}),
    ("features", "segment/nuclei.parquet", {"geometry": lambda column: [None] * len(column)}),
    ("features", "segment/nuclei.parquet", {"geometry": polygons(FAR)}),
    ("features", "segment/nuclei.parquet", {"geometry": polygons(WHOLE)}),
    ("features", "segment/nuclei.parquet", {"geometry": polygons(BESIDE)}),
    ("features", "segment/nuclei.parquet", {"x_px": lambda column: [np.inf] * len(column)}),
    ("report", "segment/nuclei.parquet", {"geometry": lambda column: [b"\1\2"] * len(column)}),
    (
        "report",
        "segment/nuclei.parquet",
        {"geometry": lambda column: [shapely.to_wkb(shapely.Point(1, 2))] * len(column)},
    ),
    ("report", "features/features.parquet", {"area_um2": lambda column: [np.inf] * len(column)}),
    ("report", "statistics/statistics.parquet", {"area_um2_p50": lambda column: pa.array(["1"] * len(column))}),
    ("grade", "features/features.parquet", {"area_um2": lambda column: pa.array(["1"] * len(column))}),
]


@pytest.mark.parametrize(("stage", "name", "columns"), TABLES)
def test_tables_of_impossible_values_are_told(
    stage: str, name: str, columns: dict[str, Any], copied: Path, made_results: Path
) -> None:
    changed_table(copied / "good" / name, **columns)
    reseal(copied, name)
    with pytest.raises(ArtifactError, match=f"{name}: is damaged: delete it and run again"):
        run(stage, copied, made_results)


@pytest.mark.parametrize(
    "make",
    [
        lambda column: pa.array(np.asarray(column, float) + 0.5),
        lambda column: [None, *column.to_pylist()[1:]],
    ],
    ids=["fractions", "nothing"],
)
def test_a_table_has_whole_numbers_where_they_are_due(make: Callable[[Any], Any], copied: Path) -> None:
    changed_table(copied / "good" / "detect" / "detections.parquet", grid_x_px=make)
    with pytest.raises(ArtifactError, match="is damaged"):
        pathopipe.open_results(copied)["good"].table("detections")


@pytest.mark.parametrize(("rows", "group"), [(20_000, 20_000), (400_000, 8_192)], ids=["one group", "few bytes"])
def test_rows_of_which_no_stage_writes_so_many_are_not_read(rows: int, group: int, copied: Path) -> None:
    path = copied / "good" / "detect" / "detections.parquet"
    schema = pq.read_schema(path)
    columns = [pa.nulls(rows, field.type).fill_null(0) for field in schema]
    pq.write_table(pa.table(columns, schema=schema), path, row_group_size=group)
    with pytest.raises(ArtifactError, match="is damaged"):
        pathopipe.open_results(copied)["good"].table("detections")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("parquet")])
def test_another_table_in_its_place_is_told(name: str, copied: Path) -> None:
    others = [other for other in FILES if other.endswith("parquet") and other != name]
    for other in others:
        shutil.copyfile(copied / "good" / other, copied / "good" / name)
        slide = pathopipe.open_results(copied)["good"]
        with pytest.raises(ArtifactError, match="is damaged"):
            slide.table(Path(name).stem)


def test_fewer_nuclei_than_were_counted_are_told(copied: Path, made_results: Path) -> None:
    for stage, name in (("features", "segment/nuclei.parquet"), ("grade", "features/features.parquet")):
        path = copied / "good" / name
        content = path.read_bytes()
        pq.write_table(pq.read_table(path).slice(1), path)
        reseal(copied, name)
        with pytest.raises(ArtifactError, match=f"{name}: is damaged"):
            run(stage, copied, made_results)
        path.write_bytes(content)
        reseal(copied, name)


def tissue(path: Path, *rings: Any) -> None:
    polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]}
    write_json(path, {"type": "FeatureCollection", "features": [{"geometry": polygon, "properties": {}}]})


def heat(path: Path, ring: Any) -> None:
    polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    properties = {"measurements": {"Influence on the score": 1.0, "Nuclei": 3}}
    write_json(path, {"type": "FeatureCollection", "features": [{"geometry": polygon, "properties": properties}]})


def bomb_table(path: Path) -> None:
    """Some thousand bytes that stand for eight gigabytes: one text in all rows."""
    table = pq.read_table(path)
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 8192, pa.int32()), pa.array([bytes(10**6)], pa.binary()))
    columns = {
        field.name: pa.nulls(8192, field.type).fill_null(0) for field in table.schema if field.name != "geometry"
    }
    made = pa.table({"geometry": text, **columns}).select(table.schema.names)
    pq.write_table(made, path, compression="zstd", store_schema=False)
    counted = read_json(path.parent / MANIFEST)
    write_json(path.parent / MANIFEST, counted | {"counts": {"nuclei": 8192}})


def bomb_maps(path: Path) -> None:
    """Maps whose one chunk unpacks to two gigabytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    described = json.loads(members["zarr.json"])
    described["chunk_grid"]["configuration"]["chunk_shape"] = [2, 30_000, 30_000]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**members, "zarr.json": json.dumps(described).encode()}.items():
            archive.writestr(name, data)


def bomb_thumbnail(path: Path) -> None:
    small = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    place = small.index(b"\xff\xc0") + 5
    path.write_bytes(small[:place] + (30_000).to_bytes(2, "big") * 2 + small[place + 4 :])


def bomb_picture() -> bytes:
    small = cv2.imencode(".png", np.zeros((16, 16, 4), np.uint8))[1].tobytes()
    return small[:16] + (30_000).to_bytes(4, "big") * 2 + small[24:]


def bomb_bins(path: Path) -> None:
    content = read_json(path)
    content["bins"] |= {"width": 200_000, "height": 200_000}
    write_json(path, content)


BOMBS: list[tuple[str, str, Callable[[Path], None]]] = [
    ("tiles", "quality/sound.geojson", lambda path: tissue(path, FAR)),
    ("report", "quality/sound.geojson", lambda path: tissue(path, FAR)),
    ("report", "quality/quality.png", lambda path: path.write_bytes(bomb_picture())),
    (
        "tiles",
        "quality/sound.geojson",
        lambda path: path.write_bytes(b'{"features": [' + b"[]," * 30_000_000 + b"[]]}"),
    ),
    ("tiles", "tissue/manifest.json", bomb_bins),
    ("features", "segment/nuclei.parquet", bomb_table),
    ("segment", f"detect/{MAPS}", bomb_maps),
    ("report", "tissue/thumbnail.jpg", bomb_thumbnail),
    ("report", "grade/heatmap.geojson", lambda path: heat(path, FAR)),
]
LIMITED = """
import sys
from pathlib import Path
import pathopipe.jobs.execution, pathopipe.stages.{stage}
from tests.results.test_damage import run
try:
    run("{stage}", Path(sys.argv[1]), Path(sys.argv[2]))
except pathopipe.errors.ArtifactError as error:
    print(error.reason)
from pathopipe.provenance import Stopwatch
print(Stopwatch().record(1)["peak_memory_mb"])
"""


@pytest.mark.parametrize(("stage", "name", "make"), BOMBS, ids=range(len(BOMBS)))
def test_what_unpacks_to_gigabytes_is_not_unpacked(
    stage: str, name: str, make: Callable[[Path], None], copied: Path, made_results: Path
) -> None:
    map_something(copied)
    make(copied / "good" / name)
    reseal(copied, name)
    code = LIMITED.format(stage=stage)
    command = [sys.executable, "-c", code, str(copied), str(made_results)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    told, memory = done.stdout.splitlines()
    assert told == f"{name}: is damaged: delete it and run again", done.stderr
    assert float(memory) < 1_000
