"""GeoJSON as QuPath reads it (0.4 and later): nuclei as detections, tissue and regions as annotations."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from pathopipe.exports.columns import OUTLINE
from pathopipe.exports.csv import described
from pathopipe.exports.format import Format
from pathopipe.exports.selection import Selection
from pathopipe.ops.regions import Origin, from_geojson, origin_of, to_geojson
from pathopipe.ops.wkb import from_wkb
from pathopipe.results.documents import read_json, reading
from pathopipe.results.reader import SlideResults

COLORS: Final = MappingProxyType(
    {
        "epithelial": [200, 0, 0],
        "inflammatory": [90, 20, 170],
        "stromal": [150, 200, 150],
        "other": [230, 180, 30],
    }
)
"""Colors of types, as of QuPath's own classes Tumor, Immune cells and Stroma; the last differs from these."""
_UNMEASURED: Final = frozenset({"slide", "type", "region", "x_um", "y_um", "x_px", "y_px"})
"""No numbers, or what QuPath knows of an outline by itself."""
_ROWS: Final = 1024
"""Nuclei that are written together: with all measures, 6 kB each."""
_THREADS: Final = 2
_DIGITS: Final = 3
_BETWEEN: Final = ",\n"
_Part = tuple[pa.RecordBatch, bool]


def write(selection: Selection, out: BinaryIO, pack: Callable[[bytes], bytes] = bytes) -> int:
    """Write the features of one slide; returns how many nuclei there are."""
    (slide,) = selection.slides
    features = _Features.of(selection, slide)
    count = 0
    out.write(pack(b'{"type":"FeatureCollection","features":[\n'))
    for rows, text in _in_order(partial(_packed, features, pack), _parts(selection)):
        out.write(text)
        count += rows
    rest = [_BETWEEN + json.dumps(feature, ensure_ascii=False) for feature in annotations(selection, slide)]
    said = json.dumps(described([column for column in selection.columns if column.name in features.measured]))
    out.write(pack(("".join(rest)[0 if count else len(_BETWEEN) :] + f'\n],"columns":{said}}}\n').encode()))
    return count


def write_packed(selection: Selection, out: BinaryIO) -> int:
    """As `write`, for gzip (RFC 1952): a thousand nuclei are a member, without a name and a time."""
    return write(selection, out, _gzip)


def _gzip(text: bytes) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.gzip_encode(text, level=1))


def annotations(selection: Selection, slide: SlideResults) -> list[dict[str, Any]]:
    """Return tissue, its quality map, and regions as features; of regions those that were asked for."""
    asked = selection.asked.regions
    tissue = [(polygon, _annotation("Tissue", "Tissue", locked=True)) for polygon in slide.tissue()]
    regions = [
        (shapely.union_all(region.polygons), _annotation(region.name, region.kind))
        for region in slide.regions()
        if not asked or region.name in asked
    ]
    shapes = [*tissue, *regions]
    content = to_geojson([shape for shape, _ in shapes], [said for _, said in shapes], _origin(slide))
    return [*content["features"], *_quality(slide)]


def _quality(slide: SlideResults) -> list[dict[str, Any]]:
    """Return the map of tissue that can't be trusted, which is as QuPath reads it; empty where there is none."""
    path = slide.file("quality", "quality.geojson")
    content = read_json(path) if path.exists() else {"features": []}
    with reading(path):
        from_geojson(content, _origin(slide))  # sound, or damaged
        return [*content["features"]]


def _annotation(name: str, kind: str, *, locked: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"objectType": "annotation", "name": name, "isLocked": locked}
    return said | ({"classification": {"name": kind}} if kind else {})


def _origin(slide: SlideResults) -> Origin:
    info = slide.manifest("tissue")["slide_info"]
    return origin_of(info["bounds"])


@dataclass(frozen=True)
class _Features:
    """What writes the nuclei of a slide as features, each after what separates it from the one before."""

    table: Path
    origin: Origin
    head: str
    measured: tuple[str, ...]

    @classmethod
    def of(cls, selection: Selection, slide: SlideResults) -> "_Features":
        measured = tuple(column.name for column in selection.columns if column.name not in _UNMEASURED)
        return cls(slide.file("segment", "nuclei.parquet"), _origin(slide), _head(slide), measured)

    def __call__(self, part: pa.RecordBatch) -> pa.StringArray:
        with reading(self.table):
            rings = _rings(part.column(OUTLINE.name), self.origin)
        ids = pa.array([f"{self.head}{number:012x}" for number in part.column("nucleus_id").to_pylist()])
        kinds = pa.array([_CLASSES[name] for name in part.column("type").to_pylist()])
        measurements = [_measurement(part.column(name), name) for name in self.measured]
        return pc.binary_join_element_wise(
            f'{_BETWEEN}{{"type":"Feature","id":"',
            ids,
            '","geometry":{"type":"Polygon","coordinates":[[[',
            rings,
            ']]]},"properties":{"objectType":"detection",',
            kinds,
            '"measurements":{',
            pc.binary_join_element_wise(*measurements, ",", null_handling="skip"),
            "}}}",
            "",
        )


def _packed(features: _Features, pack: Callable[[bytes], bytes], part: _Part) -> tuple[int, bytes]:
    """Write nuclei; the first of the slide has nothing before it."""
    rows, is_first = part
    texts = features(rows)
    _, ends, text = texts.buffers()
    end = int(np.frombuffer(ends, np.int32)[len(texts)])
    return len(rows), pack(text[len(_BETWEEN) if is_first else 0 : end].to_pybytes())


def _parts(selection: Selection) -> Iterator[_Part]:
    """Go through the nuclei, and whether they are the first ones."""
    is_first = True
    for batch in selection.nuclei([*selection.columns, OUTLINE]):
        for start in range(0, len(batch), _ROWS):
            yield batch.slice(start, _ROWS), is_first
            is_first = False


def _in_order(function: Callable[[_Part], tuple[int, bytes]], parts: Iterator[_Part]) -> Iterator[tuple[int, bytes]]:
    """Apply a function in threads; only so many results wait."""
    waiting = deque[Future[tuple[int, bytes]]]()
    with ThreadPoolExecutor(_THREADS) as threads:
        for part in parts:
            waiting.append(threads.submit(function, part))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _head(slide: SlideResults) -> str:
    """Begin the UUIDs of a slide's nuclei: of other outlines they are others (RFC 9562, version 8)."""
    outlines = slide.manifest("segment").get("outputs", {}).get("nuclei.parquet", "")
    digest = hashlib.sha256(f"{slide.id} {outlines}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"


def _class(name: str) -> str:
    return f'"classification":{json.dumps({"name": name, "color": COLORS[name]}, separators=(",", ":"))},'


_CLASSES: Final = MappingProxyType({None: "", **{name: _class(name) for name in COLORS}})


def _rings(outlines: pa.BinaryArray, origin: Origin) -> pa.StringArray:
    """Write the points of outlines, counted from where QuPath does."""
    coords, offsets = from_wkb(outlines)
    x, y = (pc.cast(pa.array(values), pa.string()) for values in np.round(coords - origin, _DIGITS).T)
    points = pc.binary_join_element_wise(x, y, ",")
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), points), "],[")


def _measurement(values: pa.Array, name: str) -> pa.StringArray:
    """Write a measure of each nucleus, in single precision, as QuPath keeps it; what is not known is null."""
    if pa.types.is_floating(values.type):
        values = pc.cast(values, pa.float32(), safe=False)
        if not pc.all(known := pc.is_finite(values)).as_py():
            values = pc.if_else(known, values, None)
    return pc.binary_join_element_wise(f"{json.dumps(name)}:", pc.cast(values, pa.string()), "")


FORMAT: Final = Format((".geojson", ".geojson.gz"), write, joins=False, streams=True, write_packed=write_packed)
