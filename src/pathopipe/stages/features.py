"""Stage features: measures every nucleus.

A nucleus is measured whole, on its own pixels and those around it, so nothing depends on how the work is cut up. What
sets it against its neighbors follows when all have been measured.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.inspection.sizes import check_mpp
from pathopipe.jobs.blocks_of_nuclei import ROW, Rings, View, unpacked
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.journal import Journal, advance, unpack
from pathopipe.jobs.parallel import ahead
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import sound_polygons
from pathopipe.ops.blocks import by_block
from pathopipe.ops.border import Border
from pathopipe.ops.normalization import MOST_AMPLIFIED, TARGET, amplification_of
from pathopipe.ops.regions import Bins, polygons_to_mask
from pathopipe.ops.spatial.graph import Graph, delaunay_measures, neighbor_graph
from pathopipe.ops.spatial.neighbors import differences, measure_neighbors
from pathopipe.ops.stain import Stains
from pathopipe.pipeline import FeaturesSettings
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import mpp_of
from pathopipe.results.outlines import unpack_outlines
from pathopipe.results.schemas.column import schema_of
from pathopipe.results.schemas.features import AT_BORDER, COLUMNS, CUT_OFF, GROUPS
from pathopipe.results.schemas.measures.neighborhood import COMPARED
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.tables import TableWriter, numbers, read_batches, read_columns
from pathopipe.slide import Slide
from pathopipe.units import Grid

_AHEAD: Final = 256
"""Pixels that blocks begin before multiples of their side, so that what lies around one touches fewer decoded squares.

Those begin at multiples of 512.
"""
_GROUPS: Final = 2
"""Row groups whose nuclei are measured together."""
_FINEST_MPP: Final = 0.25
"""Pixels are measured at the slide's own resolution, or at this one where that is finer."""
_NATIVE: Final = "stain_not_normalized"
_OTHER_COLORS: Final = frozenset({"not_he", "implausible_color"})
"""Warnings under which what was taken for hematoxylin and eosin is something else."""
_SCHEMA: Final = schema_of(COLUMNS)
_OF_WHOLE: Final = CUT_OFF | {"orientation_deg"}
_KINDS: Final = {column.name: column.kind for column in COLUMNS}

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
Members = NDArray[np.int64]


@dataclass(frozen=True)
class _Nuclei:
    """All nuclei of the slide: measured first, as far as that was not done before, and read in the table's order then.

    Some row groups at a time, and of these block by block, whatever the order of the nuclei.
    """

    job: Job[FeaturesSettings]
    view: View
    journal: Journal
    total: int

    def measure(self) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Measure them; yields what `View.measure` returns, block by block."""
        done = 0
        for piece in advance(self.journal, self.view.measure, self._blocks(), self.job.workers):
            done += len(piece[ROW])
            self.job.progress.update(done, self.total, "nuclei")
            yield piece

    def measured(self) -> Iterator[tuple[NDArray[np.int64], Columns]]:
        """Yield numbers of nuclei and their measures, which are in the journal."""
        first = number = 0
        for batch in self._batches("nucleus_id"):
            ids, columns, left = numbers(batch), dict[str, NDArray[Any]](), len(batch)
            while left:
                piece = unpack(self.journal.read(number))
                rows = piece[ROW] - first
                for name, values in unpacked(piece).items():
                    columns.setdefault(name, np.empty(len(ids), values.dtype))[rows] = values
                number, left = number + 1, left - len(rows)
            first += len(ids)
            yield ids, columns

    def _blocks(self) -> Iterator[tuple[Rings, Members, int]]:
        """Outlines, those of them that lie in a block, and the row of the first outline."""
        first = 0
        for rings in ahead(self._outlines()):
            # By the block that their first point lies in, so that a group is read in one window.
            points = rings.coords[rings.offsets[:-1]] * self.view.ratio + _AHEAD
            for members in by_block(points, self.view.side):
                yield rings, members, first
            first += len(rings)

    def _outlines(self) -> Iterator[Rings]:
        path = self.job.input("segment/nuclei.parquet")
        for batch in self._batches("geometry"):
            yield Rings(*unpack_outlines(path, batch, self.view.grid))

    def _batches(self, name: str) -> Iterator[pa.Array]:
        """A column of the nuclei, some row groups at a time."""
        groups = read_batches(self.job.input("segment/nuclei.parquet"), [name], NUCLEI)
        while some := list(islice(groups, _GROUPS)):
            yield pa.concat_arrays([group[name] for group in some])


def run(job: Job[FeaturesSettings]) -> Outcome:
    """Measure all nuclei of a slide."""
    segment = job.manifest("segment")
    total = int(segment["counts"]["nuclei"])
    unlike = _not_normalized(job)
    target = TARGET if job.settings.stain == "normalized" and not unlike else None
    with open_slide_of(job, sweep=True) as slide, job.journal() as journal:
        nuclei = _Nuclei(job, _view(job, slide, target), journal, total)
        beside = _beside(job, nuclei)
        areas = [np.empty(0)]
        with TableWriter(job.output("features.parquet"), _SCHEMA) as table:
            for ids, columns in ahead(nuclei.measured()):
                rows = slice(table.count, table.count + len(ids))
                areas.append(columns["area_um2"])
                table.write({"nucleus_id": ids} | columns | {name: values[rows] for name, values in beside.items()})
            if table.count != total:
                raise damaged(job.input("segment/nuclei.parquet"))
    checked_by, warnings = check_mpp(np.concatenate(areas), job.manifest("detect"))
    fine = nuclei.view.fine
    details = {
        "grid": segment["grid"],
        "pixels_mpp": [fine.mpp_x, fine.mpp_y],
        "mpp_checked_by": checked_by,
        "stain": {"measured": "native"} if target is None else {"measured": "normalized", "target": target.to_dict()},
        "quality": [*warnings, *unlike],
    }
    return Outcome(counts={"nuclei": total}, details=details)


def write_empty(job: Job[FeaturesSettings]) -> None:
    """Write a table without rows."""
    with TableWriter(job.output("features.parquet"), _SCHEMA):
        pass


def _not_normalized(job: Job[FeaturesSettings]) -> list[dict[str, Any]]:
    """Warn where the stain was to be normalized, and the slide's is not known well enough for that."""
    if job.settings.stain == "native":
        return []
    tissue = job.manifest("tissue")
    stains, told = Stains.from_dict(tissue["stain"]), {entry["code"] for entry in tissue.get("quality") or []}
    text = "the stain was not normalized, and measures of stain and texture are native"
    factor = amplification_of(stains)
    if stains.source == "default":
        return [warning(_NATIVE, f"{text}: the stain colors could not be estimated from this slide", 0, 2)]
    if told & _OTHER_COLORS:
        return [warning(_NATIVE, f"{text}: the colors are not those of hematoxylin and eosin", 0, 2)]
    if factor > MOST_AMPLIFIED:
        why = f"a stain is so faint that it would have to be strengthened {factor:.1f}-fold"
        return [warning(_NATIVE, f"{text}: {why}", factor, MOST_AMPLIFIED)]
    return []


def _view(job: Job[FeaturesSettings], slide: Slide, target: Stains | None) -> View:
    tissue, segment = job.manifest("tissue"), job.manifest("segment")
    grid, bins = Grid(**segment["grid"]), Bins(**tissue["bins"])
    return View(
        slide,
        grid,
        slide.grid(max(_FINEST_MPP, slide.mpp.x, slide.mpp.y)),
        Stains.from_dict(tissue["stain"]),
        target,
        Border(grid, bins, polygons_to_mask(sound_polygons(job), bins)),
        frozenset(job.settings.groups),
        job.watch,
    )


def _beside(job: Job[FeaturesSettings], nuclei: _Nuclei) -> Columns:
    """Measure how all nuclei lie to each other, and differ from their neighbors if that is asked for; (N,) each."""
    mpp = mpp_of(job.manifest("tissue"))
    places = read_columns(job.input("segment/nuclei.parquet"), ["x_px", "y_px"], NUCLEI)
    points = np.column_stack([places.pop("x_px") * mpp.x, places.pop("y_px") * mpp.y])
    if len(points) != nuclei.total:
        raise damaged(job.input("segment/nuclei.parquet"))
    with ThreadPoolExecutor(1) as pool:
        # Where nuclei lie is known before what they are like.
        arranging = pool.submit(_arranged, job, points)
        compared = _compared(nuclei)
        found, graph = arranging.result()
    if graph is None:
        return found | {column.name: np.full(len(points), np.nan) for column in GROUPS["neighborhood"]}
    return found | _as_stored(differences(compared, graph))


def _arranged(job: Job[FeaturesSettings], points: Floats) -> tuple[Columns, Graph | None]:
    """Measure what follows from where nuclei lie, in um; and the graph of their neighbors, if it is asked for."""
    with job.watch.spending("distances"):
        found = _as_stored(measure_neighbors(points, job.workers))
    if "neighborhood" not in job.settings.groups:
        return found, None
    with job.watch.spending("neighborhood"):
        graph = neighbor_graph(points, workers=job.workers)
        return found | _as_stored(delaunay_measures(points, graph)), graph


def _compared(nuclei: _Nuclei) -> Columns:
    """Measure all nuclei; returns what is compared with the neighbors', (N,) each."""
    compared = {name: np.full(nuclei.total, np.nan) for name in (*COMPARED, "orientation_deg")}
    for piece in nuclei.measure():
        columns, rows = unpacked(piece), piece[ROW]
        for name, values in compared.items():
            values[rows] = columns[name]
            if name in _OF_WHOLE:
                values[rows[piece[AT_BORDER.name] != 0]] = np.nan  # nor is it what others are compared with
    return compared


def _as_stored(columns: Mapping[str, NDArray[Any]]) -> Columns:
    """Columns in the types of the table: half as large, most of them."""
    return {name: values.astype(_KINDS[name]) for name, values in columns.items()}
