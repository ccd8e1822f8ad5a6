"""Stage statistics: what the nuclei of the slide, of its regions and of each type are like, and how they lie.

It reads tables and no pixels, so that it can run again in seconds.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.regions import drawn_regions, sound_polygons
from pathopipe.ops.fields import Field, hot_spots
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.regions import Region, distinct_names, origin_of
from pathopipe.ops.spatial.neighbors import density_per_mm2
from pathopipe.ops.spatial.summary import MEASURES as MEASURED
from pathopipe.ops.spatial.summary import spatial_measures
from pathopipe.ops.spatial.window import window_of
from pathopipe.ops.statistics import summarize
from pathopipe.pipeline import StatisticsSettings
from pathopipe.results.documents import damaged, write_json
from pathopipe.results.manifests import mpp_of
from pathopipe.results.regions import regions_file
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.counts import ALL, DENSEST, LARGEST, REGION_LABELS, ROWS_PER_GROUP, SLIDE, WHOLE_SLIDE
from pathopipe.results.schemas.features import AT_BORDER, CUT_OFF, SIGNED
from pathopipe.results.schemas.features import TABLE as FEATURES
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.quality import trust_of
from pathopipe.results.schemas.statistics import COLUMNS, SUMMARIZED
from pathopipe.results.schemas.types import TABLE as TYPE_TABLE
from pathopipe.results.tables import TableWriter, read_batches, read_columns

_SCHEMA: Final = schema_of(COLUMNS)
_PLACES: Final = 32
"""Regions that are described together: each takes a byte per nucleus of the slide, and megabytes for its rows."""
_MOST_REGIONS: Final = 1000
_NAMED: Final = 3
"""Regions that a warning names."""
_LEAST_SHARED: Final = 0.01
_AT_ONCE: Final = 8
"""Columns that are read together: a million nuclei are eight megabytes each."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
StatisticsJob = Job[StatisticsSettings]
Row = dict[str, Any]


@dataclass(frozen=True)
class _Nuclei:
    """All nuclei of the slide, (N,) each: centers (N, 2), area, type (-1 where it is not known), and whether whole."""

    points_um: Floats
    area_um2: Floats
    types: NDArray[np.int8]
    whole: Mask

    @property
    def typed(self) -> bool:
        """Whether the type of any is known."""
        return bool((self.types >= 0).any())


@dataclass(frozen=True)
class _Place:
    """A region: name and class, tissue in um, areas, which nuclei lie in it, and how far the slide can be trusted."""

    name: str
    kind: str
    tissue_um: tuple[shapely.Polygon, ...]
    tissue_mm2: float
    region_mm2: float | None
    inside: Mask
    trust: tuple[tuple[str, float | None], ...] = ()


@dataclass(frozen=True)
class _Group:
    """The nuclei that a row is about."""

    place: _Place
    type: str
    rows: NDArray[np.int64]


def run(job: StatisticsJob) -> Outcome:
    """Describe the nuclei of a slide, some regions at a time: only so many masks and rows are held."""
    nuclei = _read(job)
    tissue = tuple(_in_um(job, sound_polygons(job)))
    regions, warnings = _regions(job)
    fields = _fields(job, nuclei, tissue)
    with TableWriter(job.output("statistics.parquet"), _SCHEMA, ROWS_PER_GROUP) as table:
        places = [*_places(job, nuclei, tissue, regions), *_field_places(job, nuclei, tissue, fields)]
        for start in range(0, len(places), _PLACES):
            groups = [group for make in places[start : start + _PLACES] for group in _groups(nuclei, make())]
            rows = [_counted(nuclei, group) for group in groups]
            if job.settings.spatial:  # first: this takes most memory
                _add_spatial(job, nuclei, groups, rows)
            _add_measured(job, nuclei, groups, rows)
            table.write({column.name: [row.get(column.name) for row in rows] for column in COLUMNS})
            job.progress.update(min(start + _PLACES, len(places)), len(places), "regions")
    described = [*regions, *(Region(name, "", (_square(job, field),)) for name, field in fields.items())]
    write_json(job.output("regions.geojson"), regions_file(described, job.manifest("tissue")))
    details = {
        "quality": warnings,
        "fields": {name: _in_pixels(job, field) for name, field in fields.items()},
        "whole_only": sorted(CUT_OFF),
    }
    return Outcome(counts={"nuclei": len(nuclei.types), "rows": table.count}, details=details)


def write_empty(job: StatisticsJob) -> None:
    """Write a table without rows, and no regions."""
    with TableWriter(job.output("statistics.parquet"), _SCHEMA):
        pass
    write_json(job.output("regions.geojson"), {"type": "FeatureCollection", "features": []})


def _read(job: StatisticsJob) -> _Nuclei:
    """Read what is needed of all nuclei; tables of different lengths are damaged."""
    mpp = mpp_of(job.manifest("tissue"))
    total = job.manifest("segment")["counts"]["nuclei"]
    features = read_columns(job.input("features/features.parquet"), ["area_um2", AT_BORDER.name], FEATURES)
    places = read_columns(job.input("segment/nuclei.parquet"), ["x_px", "y_px"], NUCLEI)
    types = _types(job)
    for found, name in ((features["area_um2"], "features/features.parquet"), (types, "types/types.parquet")):
        if len(found) != total:
            raise damaged(job.input(name))
    points = np.column_stack([places.pop("x_px") * mpp.x, places.pop("y_px") * mpp.y])
    if len(points) != total:
        raise damaged(job.input("segment/nuclei.parquet"))
    return _Nuclei(points, features["area_um2"], types, features[AT_BORDER.name] == 0)


def _types(job: StatisticsJob) -> NDArray[np.int8]:
    """Numbers of the types; -1 for a nucleus without one."""
    path, numbers = job.input("types/types.parquet"), {name: place for place, name in enumerate(TYPES)}
    found = [np.empty(0, np.int8)]
    for batch in read_batches(path, ["type"], TYPE_TABLE):
        names = batch["type"].to_pylist()
        if not set(names) <= {*numbers, None}:
            raise damaged(path)
        found.append(np.array([numbers.get(name, -1) for name in names], np.int8))
    return np.concatenate(found)


def _in_um(job: StatisticsJob, polygons: list[shapely.Polygon]) -> list[shapely.Polygon]:
    """Polygons in level-0 pixels, cut to the slide, in um."""
    tissue = job.manifest("tissue")
    mpp, info = mpp_of(tissue), tissue["slide_info"]
    frame = shapely.box(0, 0, info["width"], info["height"])
    cut = _polygons([shapely.intersection(shapely.make_valid(polygon), frame) for polygon in polygons])
    return [shapely.transform(part, lambda xy: xy * (mpp.x, mpp.y)) for part in cut]


def _polygons(shapes: list[shapely.Geometry]) -> list[shapely.Polygon]:
    """Return the polygons that shapes consist of."""
    parts = [part for shape in shapes for part in shapely.get_parts(shape)]
    return [part for part in parts if part.geom_type == "Polygon" and part.area > 0]


def _regions(job: StatisticsJob) -> tuple[list[Region], list[dict[str, Any]]]:
    """Return the regions to describe, under distinct names, and warnings about them."""
    bounds = job.manifest("tissue")["slide_info"]["bounds"]
    found = [region for region in drawn_regions(job, origin_of(bounds)) if not region.ignored]
    names = distinct_names(found, (*REGION_LABELS, *REGION_LABELS.values()))
    regions = [Region(name, region.kind, region.polygons) for name, region in zip(names, found, strict=True)]
    warnings = [*_outside(job, regions), *_overlaps(regions)]
    if len(regions) > _MOST_REGIONS:
        message = f"there are {len(regions):,} regions, of which the first {_MOST_REGIONS:,} have rows of statistics"
        warnings.append(warning("many_regions", message, len(regions), _MOST_REGIONS))
    return regions[:_MOST_REGIONS], warnings


def _outside(job: StatisticsJob, regions: list[Region]) -> Iterator[dict[str, Any]]:
    outside = [region.name for region in regions if not _in_um(job, list(region.polygons))]
    if outside:
        names = _some(f"'{name}'" for name in outside)
        message = f"regions that lie outside of the slide, or have no area: {names}"
        yield warning("region_outside", message, len(outside), 0)


def _overlaps(regions: list[Region]) -> Iterator[dict[str, Any]]:
    """Warn where regions share more than a hundredth of the smaller one: their nuclei count in both."""
    shapes = [shapely.union_all([shapely.make_valid(part) for part in region.polygons]) for region in regions]
    if not shapes:
        return
    pairs, shares = [], [0.0]
    for first, second in sorted(map(tuple, shapely.STRtree(shapes).query(shapes, predicate="intersects").T.tolist())):
        smaller = min(shapes[first].area, shapes[second].area)
        if first < second and smaller:
            share = shapely.intersection(shapes[first], shapes[second]).area / smaller
            if share > _LEAST_SHARED:
                pairs.append(f"'{regions[first].name}' and '{regions[second].name}' ({share:.0%} of the smaller one)")
                shares.append(share)
    if pairs:
        message = f"regions overlap, and nuclei count in each of them: {_some(pairs)}"
        yield warning("regions_overlap", message, max(shares), _LEAST_SHARED)


def _some(texts: Iterable[str]) -> str:
    """Join some texts, and count the rest."""
    found = list(texts)
    more = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _fields(job: StatisticsJob, nuclei: _Nuclei, tissue: tuple[shapely.Polygon, ...]) -> dict[str, Field]:
    """Return the field with the most nuclei, and that with the largest: of epithelial ones where types are known."""
    if not job.settings.field_mm2:
        return {}
    counted = nuclei.whole & (nuclei.types == TYPES.index("epithelial")) if nuclei.typed else nuclei.whole
    areas = np.where(counted, nuclei.area_um2, np.nan)
    found = hot_spots(nuclei.points_um, areas, tissue, job.settings.field_mm2)
    return {name: field for name, field in zip((DENSEST, LARGEST), found, strict=True) if field is not None}


def _in_pixels(job: StatisticsJob, field: Field) -> dict[str, float]:
    mpp = mpp_of(job.manifest("tissue"))
    place = {"x_px": field.x_um / mpp.x, "y_px": field.y_um / mpp.y}
    return place | {"width_px": field.side_um / mpp.x, "height_px": field.side_um / mpp.y}


def _places(
    job: StatisticsJob, nuclei: _Nuclei, tissue: tuple[shapely.Polygon, ...], regions: list[Region]
) -> Iterator[Callable[[], _Place]]:
    everything = np.ones(len(nuclei.types), np.bool_)
    quality = job.manifest("quality")
    whole = _Place(
        WHOLE_SLIDE,
        "",
        tissue,
        float(quality["sound_mm2"]),
        None,
        everything,
        tuple(trust_of(quality, job.manifest("tissue")).items()),
    )
    yield lambda: whole
    for region in regions:
        yield partial(_place, job, nuclei, tissue, region.name, region.kind, list(region.polygons))


def _field_places(
    job: StatisticsJob, nuclei: _Nuclei, tissue: tuple[shapely.Polygon, ...], fields: dict[str, Field]
) -> Iterator[Callable[[], _Place]]:
    for name, field in fields.items():
        yield partial(_place, job, nuclei, tissue, name, "", [_square(job, field)])


def _square(job: StatisticsJob, field: Field) -> shapely.Polygon:
    """The field in level-0 pixels."""
    mpp = mpp_of(job.manifest("tissue"))
    return shapely.transform(field.polygon, lambda xy: xy / (mpp.x, mpp.y))


def _place(
    job: StatisticsJob,
    nuclei: _Nuclei,
    tissue: tuple[shapely.Polygon, ...],
    name: str,
    kind: str,
    polygons: list[shapely.Polygon],
) -> _Place:
    """Make the place of a region in pixels, cut to the slide; its nuclei are those with their center in it."""
    shape = shapely.union_all(_in_um(job, polygons))
    parts = tuple(_polygons([shapely.intersection(piece, shape) for piece in tissue]))
    shapely.prepare(shape)
    inside = shapely.contains_xy(shape, nuclei.points_um[:, 0], nuclei.points_um[:, 1])
    return _Place(name, kind, parts, sum(part.area for part in parts) / 1e6, shape.area / 1e6, inside)


def _groups(nuclei: _Nuclei, place: _Place) -> Iterator[_Group]:
    """Yield the nuclei of a place, and those of each type where types are known at all."""
    yield _Group(place, ALL, np.flatnonzero(place.inside))
    for number, name in enumerate(TYPES if nuclei.typed else ()):
        yield _Group(place, name, np.flatnonzero(place.inside & (nuclei.types == number)))


def _counted(nuclei: _Nuclei, group: _Group) -> Row:
    """Count the nuclei of a row."""
    place, rows = group.place, group.rows
    count = len(rows)
    found = {
        "region": place.name,
        "region_class": place.kind,
        "type": group.type,
        "nuclei_count": count,
        "tissue_mm2": place.tissue_mm2,
        "nuclei_per_mm2": density_per_mm2(count, place.tissue_mm2),
        "region_mm2": place.region_mm2,
        "nuclei_per_region_mm2": density_per_mm2(count, place.region_mm2 or 0.0),
        "nuclear_share": _ratio(float(np.nansum(nuclei.area_um2[rows])) / 1e6, place.tissue_mm2),
        "cut_off_share": _ratio(int(np.count_nonzero(~nuclei.whole[rows])), count),
    }
    if place.name == WHOLE_SLIDE and group.type == ALL:
        found |= dict(place.trust)
    return found | (_of_types(nuclei.types[rows]) if group.type == ALL and nuclei.typed else {})


def _of_types(types: NDArray[np.int8]) -> Row:
    numbers = {name: int(np.count_nonzero(types == place)) for place, name in enumerate(TYPES)}
    typed = sum(numbers.values())
    shares = {f"{name}_share": _ratio(number, typed) for name, number in numbers.items()}
    ratios = {
        column.name: _ratio(numbers[column.name.removesuffix("_per_epithelial")], numbers["epithelial"])
        for column in SLIDE
        if column.name.endswith("_per_epithelial")
    }
    return {"typed_share": _ratio(typed, len(types))} | shares | ratios


def _ratio(dividend: float, divisor: float) -> float | None:
    return dividend / divisor if divisor else None


def _add_measured(job: StatisticsJob, nuclei: _Nuclei, groups: list[_Group], rows: list[Row]) -> None:
    """Add summaries of the measures of nuclei to the row of each group, some columns at a time."""
    names, path = SUMMARIZED, job.input("features/features.parquet")

    def of_column(name: str, values: Floats) -> list[Row]:
        if name in CUT_OFF:
            values = np.where(nuclei.whole, values, np.nan)
        found = [summarize({name: values[group.rows]}, job.settings.min_nuclei) for group in groups]
        return [row | {f"{name}_cv": None} for row in found] if name in SIGNED else found

    parts = [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
    with ThreadPoolExecutor(job.workers) as threads:
        for columns in _one_ahead(threads, lambda part: read_columns(path, part, FEATURES), parts):
            for summaries in threads.map(of_column, columns, columns.values()):
                for row, summary in zip(rows, summaries, strict=True):
                    row.update(summary)


def _one_ahead(
    threads: ThreadPoolExecutor, read: Callable[[tuple[str, ...]], dict[str, Floats]], parts: list[tuple[str, ...]]
) -> Iterator[dict[str, Floats]]:
    """Read some columns while those before them are in use."""
    waiting = deque[Future[dict[str, Floats]]]()
    for part in parts:
        waiting.append(threads.submit(read, part))
        if len(waiting) > 1:
            yield waiting.popleft().result()
    yield from (future.result() for future in waiting)


def _add_spatial(job: StatisticsJob, nuclei: _Nuclei, groups: list[_Group], rows: list[Row]) -> None:
    """Add how the nuclei of each row lie."""
    measures = read_columns(job.input("features/features.parquet"), list(MEASURED.values()), FEATURES)
    for name in CUT_OFF & set(measures):
        measures[name][~nuclei.whole] = np.nan
    for _, members in groupby(zip(groups, rows, strict=True), lambda member: member[0].place.name):
        here = list(members)
        # Of one place at a time: a window and what it has computed take up to 100 MB.
        window = window_of(here[0][0].place.tissue_um)
        for group, row in here:
            of_types = nuclei.types[group.rows] if group.type == ALL and nuclei.typed else None
            of_rows = {name: values[group.rows] for name, values in measures.items()}
            row.update(spatial_measures(nuclei.points_um[group.rows], of_types, of_rows, window, job.workers))
