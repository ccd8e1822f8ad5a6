"""Stage detect: the nucleus model over all tiles; seeds and dense maps out."""

import os
import shutil
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import zarr
import zarr.codecs
from numpy.typing import NDArray

from pathopipe.artifacts import TableWriter, read_json, read_table, weights_folder
from pathopipe.config import CHUNK, DetectSettings
from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.models.base import NucleusModel, Prediction
from pathopipe.models.registry import create
from pathopipe.ops.regions import Cells, cut_mask, from_geojson, polygons_to_mask
from pathopipe.ops.stain import Stains
from pathopipe.slide import Slide
from pathopipe.stages.base import Job, Outcome
from pathopipe.stages.parallel import ordered_map
from pathopipe.units import Grid

_SCHEMA = pa.schema(
    [
        ("x_px", pa.float64()),
        ("y_px", pa.float64()),
        ("grid_x_px", pa.int32()),
        ("grid_y_px", pa.int32()),
        ("score", pa.float32()),
    ]
)
_CHANNELS = ["foreground", "barrier"]
_ORDER_BLOCK = 1024
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

Tile = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Found:
    """Seeds (N, 2) as y, x on the working grid, their scores (N,), and the maps (2, H, W) of one tile."""

    tile: Tile
    seeds: NDArray[np.int64]
    scores: NDArray[np.float32]
    maps: NDArray[np.uint8]


@dataclass(frozen=True)
class _Scan:
    """What every tile needs; shared by threads. Tiles lie on ``grid``, seeds and maps on ``fine``."""

    slide: Slide
    grid: Grid
    fine: Grid
    halo: int
    model: NucleusModel
    mask: NDArray[np.bool_]
    cells: Cells

    def look(self, tile: Tile) -> _Found:
        """Run the model on one tile with its halo, and keep what lies in the tile and in tissue."""
        x, y, width, height = tile
        # Cut off at the slide's border: mirrored beyond it, a nucleus that it cuts would be one with its own image,
        # and its seed on either side.
        left, top = max(0, x - self.halo), max(0, y - self.halo)
        right, bottom = min(self.grid.width, x + width + self.halo), min(self.grid.height, y + height + self.halo)
        prediction = self.model.predict(self.slide.read(self.grid, left, top, right - left, bottom - top))
        return self._own(prediction, tile, (left, top))

    def _own(self, prediction: Prediction, tile: Tile, origin: tuple[int, int]) -> _Found:
        """Keep what lies in the tile and in tissue, on the fine grid; ``origin`` is where the prediction begins."""
        times = self.model.traits.upsampling
        x, y, width, height = (times * value for value in tile)
        left, top = (times * value for value in origin)
        x_px = (np.arange(x, x + width) + 0.5) * self.fine.factor_x
        y_px = (np.arange(y, y + height) + 0.5) * self.fine.factor_y
        tissue = cut_mask(self.mask, self.cells, x_px, y_px)
        seeds = prediction.seeds.astype(np.int64) - (y - top, x - left)
        inside = np.all((seeds >= 0) & (seeds < (height, width)), axis=1)
        inside[inside] = tissue[tuple(seeds[inside].T)]
        maps = prediction.maps[:, y - top : y - top + height, x - left : x - left + width] * tissue
        return _Found((x, y, width, height), seeds[inside] + (y, x), prediction.scores[inside], maps)


def run(job: Job[DetectSettings]) -> Outcome:
    """Run the model over all tiles."""
    tissue, tiles = job.manifest("tissue"), job.manifest("tiles")
    model = _create(job, Stains.from_dict(tissue["stain"]))
    traits, grid = model.traits, Grid(**tiles["grid"])
    if traits.radius > tiles["halo"]:
        raise FaultError(f"the model '{model.name}' looks {traits.radius} pixels far: set tiles.halo to at least that")
    # Tiles begin at whole strides, and so must what is read for them.
    halo, fine = -(-tiles["halo"] // traits.stride) * traits.stride, grid.refined(traits.upsampling)
    cells = Cells(**tissue["cells"])
    mask = polygons_to_mask(from_geojson(read_json(job.input("tissue/tissue.geojson"))), cells)
    with job.open_slide() as slide:
        seeds, scores = _scan(job, _Scan(slide, grid, fine, halo, model, mask, cells))
    if not len(seeds):
        raise SlideRejectedError("no nuclei were found in the tissue: check the focus, the stain and the mpp")
    _write_seeds(job, fine, seeds, scores)
    return Outcome(
        counts={"tiles": tiles["counts"]["tiles"], "seeds": len(seeds)},
        model={"name": model.name, "sha256": model.sha256, "licence": traits.licence},
        details={"grid": asdict(fine)},
    )


def _create(job: Job[DetectSettings], stains: Stains) -> NucleusModel:
    settings = job.settings
    return create(settings.model, stains, weights_folder(job.results), settings.device, settings.precision, job.workers)


def write_empty(job: Job[DetectSettings]) -> None:
    """Write a table without rows and maps without chunks."""
    with TableWriter(job.output("detections.parquet"), _SCHEMA):
        pass
    _create_maps(_maps_folder(job), (len(_CHANNELS), 1, 1))
    _pack(_maps_folder(job), job.output("maps.zarr.zip"))


def _scan(job: Job[DetectSettings], scan: _Scan) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    folder = _maps_folder(job)
    maps = _create_maps(folder, (len(_CHANNELS), scan.fine.height, scan.fine.width))
    tiles = _read_tiles(job.input("tiles/tiles.parquet"))
    seeds, scores = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for done, found in enumerate(ordered_map(scan.look, tiles, job.workers), 1):
        x, y, width, height = found.tile
        maps[:, y : y + height, x : x + width] = found.maps
        seeds.append(found.seeds)
        scores.append(found.scores)
        job.progress.update(done, len(tiles), "tiles")
    _pack(folder, job.output("maps.zarr.zip"))
    return np.concatenate(seeds), np.concatenate(scores)


def _read_tiles(path: Path) -> list[Tile]:
    table = read_table(path, ["grid_x_px", "grid_y_px", "grid_width_px", "grid_height_px"])
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _write_seeds(job: Job[DetectSettings], grid: Grid, seeds: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
    """Write seeds block by block, an order that does not depend on the tiles."""
    y, x = seeds.T
    order = np.lexsort((x, y, x // _ORDER_BLOCK, y // _ORDER_BLOCK))
    x, y = x[order], y[order]
    with TableWriter(job.output("detections.parquet"), _SCHEMA) as table:
        table.write(
            {
                "x_px": (x + 0.5) * grid.factor_x,
                "y_px": (y + 0.5) * grid.factor_y,
                "grid_x_px": x.astype(np.int32),
                "grid_y_px": y.astype(np.int32),
                "score": scores[order],
            }
        )


def _maps_folder(job: Job[DetectSettings]) -> Path:
    return job.draft.parent / "maps.zarr"


def _create_maps(folder: Path, shape: tuple[int, int, int]) -> Any:
    """Create the maps; chunks of background are never written."""
    shutil.rmtree(folder, ignore_errors=True)
    return zarr.create_array(
        store=str(folder),
        shape=shape,
        chunks=(len(_CHANNELS), CHUNK, CHUNK),
        dtype="uint8",
        fill_value=0,
        attributes={"channels": _CHANNELS},
        compressors=zarr.codecs.BloscCodec(cname="zstd", clevel=1, shuffle="noshuffle"),
        config={"write_empty_chunks": False},
    )


def _pack(folder: Path, target: Path) -> None:
    """Store the folder as one zip whose bytes depend on its content only: sorted names, one date, no compression."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix().replace(os.sep, "/"), _ZIP_DATE)
            archive.writestr(entry, file.read_bytes())
    shutil.rmtree(folder)
