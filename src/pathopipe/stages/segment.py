"""Stage segment: one polygon per nucleus from seeds and maps, block by block, without seams."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.journal import advance
from pathopipe.jobs.own_outlines import OwnOutlines
from pathopipe.ops.assign import AssignSettings, halo
from pathopipe.ops.channels import BARRIER, FOREGROUND
from pathopipe.ops.instances import NEEDED, Nuclei, segment_block, solid
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.ops.wkb import to_wkb, wkb_column
from pathopipe.ops.workspace import Workspace
from pathopipe.pipeline import MAPS, SegmentSettings
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import model_of
from pathopipe.results.maps import Maps, open_maps
from pathopipe.results.schemas import detections
from pathopipe.results.schemas.nuclei import GIVEN_NUMBER, GIVEN_SCHEMA, GIVEN_TYPE, SCHEMA
from pathopipe.results.tables import TableWriter, read_columns
from pathopipe.units import Grid

BLOCK = 2048
"""Side of the blocks in pixels of the maps: fixed, because the order of the nuclei follows it."""


@dataclass(frozen=True)
class _Seeds:
    """All seeds of the slide: x and y (N,) on the working grid and their scores."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    score: NDArray[np.float32]

    def within(self, x0: int, y0: int, x1: int, y1: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Seeds (n, 2) as y, x in a rectangle, and their scores."""
        rows = slice(*np.searchsorted(self.y, (y0, y1)))
        inside = (self.x[rows] >= x0) & (self.x[rows] < x1)
        return np.stack([self.y[rows][inside], self.x[rows][inside]], axis=1), self.score[rows][inside]

    def blocks(self) -> list[tuple[int, int]]:
        """Return (row, column) of the blocks that hold seeds, in order."""
        found = np.unique(np.stack([self.y // BLOCK, self.x // BLOCK], axis=1), axis=0)
        return [(int(row), int(column)) for row, column in found]


def run(job: Job[SegmentSettings]) -> Outcome:
    """Outline every nucleus, or take those that the sample sheet gives."""
    if job.require_sample().nuclei:
        return _given(job)
    detect = job.manifest("detect")
    grid = Grid(**detect["grid"])
    settings = assign_settings(job.settings, grid)
    seeds = _read_seeds(job.input("detect/detections.parquet"), grid)
    blocks, least, workspace = seeds.blocks(), job.settings.min_solidity, Workspace()
    with open_maps(job.input(f"detect/{MAPS}")) as maps, job.journal() as journal:
        maps.check_size(grid.width, grid.height)
        _check_channels(maps, model_of(detect)["name"])
        with job.watch.spending("loading"):
            _load_compiled(settings, grid)

        def work(block: tuple[int, int]) -> dict[str, Any]:
            with job.watch.spending("outlining"):
                return _columns(solid(_segment(maps, seeds, settings, block, workspace), least), grid)

        count = _write(job, advance(journal, work, blocks, job.workers), len(blocks), SCHEMA)
    if not count:
        raise SlideRejectedError(
            "none of the seeds grew into a nucleus: check the mpp, segment.foreground and segment.min_area_um2"
        )
    return Outcome(counts={"seeds": len(seeds.x), "nuclei": count}, details={"grid": detect["grid"]})


def _given(job: Job[SegmentSettings]) -> Outcome:
    """Write the nuclei of the sample sheet, with their types."""
    entry = job.manifest("detect")["grid"]
    grid = Grid(**entry)
    with job.journal() as journal:
        own = OwnOutlines(job, journal, grid)
        found = (_given_columns(piece, grid) for piece in own.columns())
        count = _write(job, found, len(own.blocks), GIVEN_SCHEMA)
    if not count:
        raise own.unfit()
    details = {"grid": entry, "nuclei_format": own.tally.format, "changes": own.changes, "quality": own.warnings()}
    return Outcome(counts=dict(own.counts), details=details)


def _given_columns(piece: dict[str, NDArray[Any]], grid: Grid) -> dict[str, Any]:
    count = len(piece["area_px"])
    seeds, sure = np.zeros((count, 2), np.int64), np.ones(count, np.float32)
    nuclei = Nuclei(piece["coords"], piece["offsets"], piece["centroid"], piece["area_px"], seeds, sure)
    types = [None if place < 0 else TYPES[place] for place in piece["types"].tolist()]
    return _columns(nuclei, grid) | {GIVEN_TYPE.name: types, GIVEN_NUMBER.name: piece["numbers"]}


def write_empty(job: Job[SegmentSettings]) -> None:
    """Write a table without rows."""
    with TableWriter(job.output("nuclei.parquet"), SCHEMA):
        pass


def assign_settings(settings: SegmentSettings, grid: Grid) -> AssignSettings:
    """Turn micrometers into pixels of the grid that the maps lie on."""
    mpp = math.sqrt(grid.pixel_um2)
    return AssignSettings(
        foreground_threshold=settings.foreground,
        radius_px=math.ceil(settings.max_radius_um / mpp),
        min_area_px=math.ceil(settings.min_area_um2 / grid.pixel_um2),
    )


def _check_channels(maps: Maps, model: str) -> None:
    if missing := [name for name in NEEDED if name not in maps.channels]:
        raise FaultError(
            f"the model '{model}' has no channel '{missing[0]}', which outlining needs, only "
            f"{', '.join(maps.channels)}: set detect.model to another one"
        )


def _read_seeds(path: Path, grid: Grid) -> _Seeds:
    x, y, score = read_columns(path, ["grid_x_px", "grid_y_px", "score"], detections.TABLE).values()
    if ((x < 0) | (x >= grid.width) | (y < 0) | (y >= grid.height)).any():
        raise damaged(path)
    order = np.lexsort((x, y))
    return _Seeds(x[order], y[order], score[order])


def _segment(
    maps: Maps, seeds: _Seeds, settings: AssignSettings, block: tuple[int, int], workspace: Workspace
) -> Nuclei:
    """Segment one block; its maps and seeds are read with the halo, as far as the grid goes."""
    margin = halo(settings)
    height, width = maps.height, maps.width
    top, left = block[0] * BLOCK, block[1] * BLOCK
    y0, x0 = max(0, top - margin), max(0, left - margin)
    y1, x1 = min(height, top + BLOCK + margin), min(width, left + BLOCK + margin)
    points, scores = seeds.within(x0, y0, x1, y1)
    core = (top - y0, left - x0, min(height, top + BLOCK) - y0, min(width, left + BLOCK) - x0)
    local = np.ascontiguousarray(points - np.array([y0, x0], np.int32))
    read = maps.read(NEEDED, y0, x0, y1, x1, workspace)
    return segment_block(read, local, scores, core, settings, (y0, x0), workspace)


def _load_compiled(settings: AssignSettings, grid: Grid) -> None:
    """Outline one nucleus, so that compiled code is loaded once, and threads don't wait for each other's loading."""
    side = math.isqrt(settings.min_area_px) + 5
    image = np.full((side, side), 255, np.uint8)
    maps, seeds = {FOREGROUND: image, BARRIER: np.zeros_like(image)}, np.full((1, 2), side // 2, np.int32)
    _columns(solid(segment_block(maps, seeds, np.ones(1, np.float32), (0, 0, side, side), settings), 0.0), grid)


def _columns(nuclei: Nuclei, grid: Grid) -> dict[str, NDArray[Any]]:
    """What the table says of nuclei, their outlines as packed bytes and their numbers of points."""
    return {
        "packed": to_wkb(nuclei.coords, nuclei.offsets, (grid.factor_x, grid.factor_y)),
        "points": np.diff(nuclei.offsets),
        "x_px": nuclei.centroid[:, 0] * grid.factor_x,
        "y_px": nuclei.centroid[:, 1] * grid.factor_y,
        "area_um2": nuclei.area_px * grid.pixel_um2,
        "score": nuclei.score,
    }


def _write(job: Job[SegmentSettings], found: Iterator[dict[str, Any]], blocks: int, schema: pa.Schema) -> int:
    with TableWriter(job.output("nuclei.parquet"), schema) as table:
        for done, columns in enumerate(found, 1):
            geometry = wkb_column(columns.pop("packed"), columns.pop("points"))
            ids = np.arange(table.count, table.count + len(geometry))
            table.write({"nucleus_id": ids, "geometry": geometry} | columns)
            job.progress.update(done, blocks, "blocks")
        return table.count
