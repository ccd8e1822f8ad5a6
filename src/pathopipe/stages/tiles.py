"""Stage tiles: the grid of tiles over tissue at the working resolution."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pathopipe.errors import SlideRejectedError
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.regions import sound_polygons
from pathopipe.ops.regions import Bins, cut_mask, polygons_to_mask
from pathopipe.pipeline import TilesSettings
from pathopipe.results.manifests import Manifest, mpp_of
from pathopipe.results.schemas.tiles import SCHEMA
from pathopipe.results.tables import TableWriter
from pathopipe.units import Grid


def run(job: Job[TilesSettings]) -> Outcome:
    """List the tiles that touch sound tissue, row by row."""
    tissue, polygons = job.manifest("tissue"), sound_polygons(job)
    if not polygons:
        reasons = [entry["message"] for entry in job.manifest("quality")["quality"]]
        raise SlideRejectedError("; ".join(reasons) or "no tissue is fit to be measured")
    grid = _grid(tissue, job.settings.mpp)
    bins = Bins(**tissue["bins"])
    mask = polygons_to_mask(polygons, bins)
    rows = np.array(list(_tiles(grid, bins, mask, job.settings.size))).reshape(-1, 5)
    x, y, width, height = rows[:, :4].T
    with TableWriter(job.output("tiles.parquet"), SCHEMA) as table:
        table.write(
            {
                "tile_id": np.arange(len(rows)),
                "x_px": x * grid.factor_x,
                "y_px": y * grid.factor_y,
                "width_px": width * grid.factor_x,
                "height_px": height * grid.factor_y,
                "grid_x_px": x.astype(np.int64),
                "grid_y_px": y.astype(np.int64),
                "grid_width_px": width.astype(np.int64),
                "grid_height_px": height.astype(np.int64),
                "tissue_share": rows[:, 4],
            }
        )
    return Outcome(counts={"tiles": len(rows)}, details={"grid": vars(grid), "halo": job.settings.halo})


def write_empty(job: Job[TilesSettings]) -> None:
    """Write a table without rows."""
    with TableWriter(job.output("tiles.parquet"), SCHEMA):
        pass


def _grid(tissue: Manifest, mpp: float) -> Grid:
    return Grid.at(mpp, mpp_of(tissue), tissue["slide_info"]["width"], tissue["slide_info"]["height"])


def _tiles(
    grid: Grid, bins: Bins, mask: np.ndarray[Any, np.dtype[np.bool_]], size: int
) -> Iterator[tuple[int, int, int, int, float]]:
    """Yield x, y, width, height in working pixels and the share of tissue of each tile that touches tissue."""
    for y in range(0, grid.height, size):
        height = min(size, grid.height - y)
        y_px = (np.arange(y, y + height) + 0.5) * grid.factor_y
        for x in range(0, grid.width, size):
            width = min(size, grid.width - x)
            share = float(cut_mask(mask, bins, (np.arange(x, x + width) + 0.5) * grid.factor_x, y_px).mean())
            if share > 0:
                yield x, y, width, height, share
