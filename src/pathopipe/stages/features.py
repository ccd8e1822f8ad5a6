"""Stage features: measures every nucleus, then the slide.

A nucleus is measured whole, on its own pixels and the ring around them, so nothing depends on how the work is cut up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.journal import Journal, advance
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.models.mpp_guard import LEAST_NUCLEI, Doubt, judge
from pathopipe.ops.blocks import by_block
from pathopipe.ops.intensity import INTENSITY_STATISTICS, measure_intensities
from pathopipe.ops.raster import rasterize
from pathopipe.ops.shape import SHAPE_FEATURES, measure_shapes
from pathopipe.ops.spatial.neighbors import density_per_mm2, measure_neighbors
from pathopipe.ops.stain import Stains, densities
from pathopipe.ops.statistics import summarize
from pathopipe.pipeline import FeaturesSettings
from pathopipe.provenance import Stopwatch
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import Manifest, model_of, mpp_of
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.features import MEASURES, NUCLEUS_ID
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.statistics import BY_FEATURE, REGION, SLIDE, WHOLE_SLIDE
from pathopipe.results.tables import TableWriter, read_batches, read_columns
from pathopipe.slide import Slide
from pathopipe.units import Grid, Mpp

_BLOCK = 1024
_NEIGHBOR_UM = 50.0
_STAINS = ("hematoxylin", "eosin")
_INTENSITIES = tuple(f"{stain}_{statistic}" for stain in _STAINS for statistic in INTENSITY_STATISTICS)
# Half the nuclei of a slide are smaller than this where its mpp is a fraction of the true one, larger where it is a
# multiple. Medians of annotated nuclei are 13 to 48 um2 in fields of TNBC and NuCLS, and 14 to 52 in those of MoNuSeg
# but three, whose scale is in doubt (docs/network.md).
_MEDIAN_UM2 = (10.0, 130.0)

_NUCLEI_SCHEMA = schema_of((NUCLEUS_ID, *MEASURES))
_SLIDE_SCHEMA = schema_of((REGION, *SLIDE, *BY_FEATURE))

Floats = NDArray[np.float64]
Features = dict[str, Floats]
Members = NDArray[np.int64]


@dataclass(frozen=True)
class _Pixels:
    """Where pixels come from, and what their colors mean; shared by threads."""

    slide: Slide
    grid: Grid
    stains: Stains
    watch: Stopwatch


@dataclass(frozen=True)
class _Rings:
    """Outlines on the working grid: points (M, 2) as x, y of all rings in turn; ring i ends at ``offsets[i + 1]``."""

    coords: Floats
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def run(job: Job[FeaturesSettings]) -> Outcome:
    """Measure all nuclei of a slide."""
    tissue, segment = job.manifest("tissue"), job.manifest("segment")
    nearest, neighbors = _neighbors(job, mpp_of(tissue))
    total, nuclei = len(nearest), job.input("segment/nuclei.parquet")
    if total != segment["counts"]["nuclei"]:
        raise damaged(nuclei)
    table = TableWriter(job.output("features.parquet"), _NUCLEI_SCHEMA)
    with open_slide_of(job) as slide, table, job.journal() as journal:
        pixels = _Pixels(slide, Grid(**segment["grid"]), Stains.from_dict(tissue["stain"]), job.watch)
        for batch in read_batches(nuclei, ["nucleus_id", "geometry"], NUCLEI):
            rows = slice(table.count, table.count + len(batch))
            rings = _Rings(*unpack_outlines(nuclei, batch["geometry"], pixels.grid))
            features = _measure(job, journal, pixels, rings, total, table.count)
            features |= {"nearest_um": nearest[rows]}
            table.write({"nucleus_id": batch["nucleus_id"]} | features | {"neighbors_50um": neighbors[rows]})
    row = _write_statistics(job, total, tissue["tissue_mm2"])
    checked_by, warnings = _check_mpp(row, job.manifest("detect"))
    details = {"grid": segment["grid"], "mpp_checked_by": checked_by, "quality": warnings}
    return Outcome(counts={"nuclei": total}, details=details)


def write_empty(job: Job[FeaturesSettings]) -> None:
    """Write both tables without rows."""
    for name, schema in (("features.parquet", _NUCLEI_SCHEMA), ("statistics.parquet", _SLIDE_SCHEMA)):
        with TableWriter(job.output(name), schema):
            pass


def _neighbors(job: Job[FeaturesSettings], mpp: Mpp) -> tuple[Floats, NDArray[np.int64]]:
    places = read_columns(job.input("segment/nuclei.parquet"), ["x_px", "y_px"], NUCLEI)
    points_um = np.column_stack([places.pop("x_px") * mpp.x, places.pop("y_px") * mpp.y])
    return measure_neighbors(points_um, _NEIGHBOR_UM, job.workers)


def _measure(
    job: Job[FeaturesSettings], journal: Journal, pixels: _Pixels, rings: _Rings, total: int, before: int
) -> Features:
    """Measure nuclei block by block, whatever their order; ``before`` of ``total`` are done.

    A batch has no more blocks than nuclei, so that numbers from ``before`` on are free for its pieces.
    """
    features = {name: np.full(len(rings), np.nan) for name in (*SHAPE_FEATURES, *_INTENSITIES)}
    # By the block of the grid that their first point lies in, so that a group is read in one window.
    groups = list(by_block(rings.coords[rings.offsets[:-1]], _BLOCK))
    found = advance(journal, partial(_measure_block, pixels, rings), groups, job.workers, before)
    done = before
    for members, measured in zip(groups, found, strict=True):
        for name, values in measured.items():
            features[name][members] = values
        done += len(members)
        job.progress.update(done, total, "nuclei")
    return features


def _measure_block(pixels: _Pixels, rings: _Rings, members: Members) -> Features:
    """Measure some nuclei in a window that shows all of them whole, with a pixel to spare."""
    coords, offsets = _take(rings, members)
    x0, y0 = (int(value) for value in np.floor(coords.min(axis=0)) - 1)
    x1, y1 = (int(value) for value in np.ceil(coords.max(axis=0)) + 1)
    with pixels.watch.spending("reading"):
        rgb = pixels.slide.read(pixels.grid, x0, y0, x1 - x0, y1 - y0)
    labels = rasterize(coords, offsets, (y1 - y0, x1 - x0), (y0, x0))
    features = measure_shapes(labels, len(members), pixels.grid.mpp_x, pixels.grid.mpp_y)
    for stain, density in zip(_STAINS, densities(rgb, pixels.stains), strict=True):
        measured = measure_intensities(labels, len(members), density)
        features |= {f"{stain}_{statistic}": values for statistic, values in measured.items()}
    return features


def _take(rings: _Rings, members: Members) -> tuple[Floats, NDArray[np.int64]]:
    starts, lengths = rings.offsets[members], np.diff(rings.offsets)[members]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return rings.coords[rows], offsets


def _write_statistics(job: Job[FeaturesSettings], nuclei: int, tissue_mm2: float) -> dict[str, Any]:
    """Summarize the finished table in a row; a column at a time, so that memory doesn't grow with the features."""
    path = job.output("features.parquet")
    row: dict[str, Any] = {
        REGION.name: WHOLE_SLIDE,
        "nuclei_count": nuclei,
        "tissue_mm2": tissue_mm2,
        "nuclei_per_mm2": density_per_mm2(nuclei, tissue_mm2),
    }
    for column in MEASURES:
        row |= summarize(read_columns(path, [column.name]))
    with TableWriter(job.output("statistics.parquet"), _SLIDE_SCHEMA) as table:
        table.write({name: [value] for name, value in row.items()})
    return row


def _check_mpp(row: Mapping[str, Any], detect: Manifest) -> tuple[str, list[dict[str, Any]]]:
    """How the mpp was checked (``scales``, ``size`` or ``nothing``: too few nuclei), and the warning if it failed.

    Sizes alone reveal an mpp that is too wrong for the guard to notice, and serve for models that it does not know.
    """
    nuclei, median = row["nuclei_count"], row["area_um2_p50"]
    judged, doubt = judge(model_of(detect)["name"], nuclei, detect["score"], detect["scales"])
    if doubt is not None:
        return "scales", [_doubt(mpp_of(detect).x, doubt)]
    least, most = _MEDIAN_UM2
    sized = nuclei >= LEAST_NUCLEI
    by = "scales" if judged else "size" if sized else "nothing"
    return by, [] if not sized or least <= median <= most else [_impossible(mpp_of(detect).x, median)]


def _doubt(mpp: float, doubt: Doubt) -> dict[str, Any]:
    other = "twice" if doubt.side == "small" else "half"
    message = (
        f"the mpp of {mpp:.4g} looks too {doubt.side}: nuclei are detected best at about {other} that value; "
        "check the mpp"
    )
    return warning("implausible_mpp", message, round(doubt.value, 4), doubt.threshold)


def _impossible(mpp: float, median: float) -> dict[str, Any]:
    size, limit = ("smaller", _MEDIAN_UM2[0]) if median < _MEDIAN_UM2[0] else ("larger", _MEDIAN_UM2[1])
    message = (
        f"half of the nuclei are {size} than {median:.3g} µm², which is hardly possible at an mpp of {mpp:.4g}: "
        "check the mpp"
    )
    return warning("implausible_mpp", message, round(median, 4), limit)
