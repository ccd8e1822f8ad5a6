"""Stage detect: the nucleus model over all tiles; seeds and dense maps out."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.inspection.scales import look
from pathopipe.jobs.job import Job, Outcome, damage_warning
from pathopipe.jobs.journal import Span, advance
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.jobs.regions import sound_polygons
from pathopipe.models.base import NucleusModel, Prediction
from pathopipe.models.registry import create, find
from pathopipe.ops.regions import Bins, cut_mask, polygons_to_mask
from pathopipe.ops.stain import Stains
from pathopipe.pipeline import MAPS, DetectSettings
from pathopipe.provenance import Stopwatch
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import Manifest, mpp_of
from pathopipe.results.maps import chunks, write_maps
from pathopipe.results.names import weights_folder
from pathopipe.results.schemas.detections import SCHEMA
from pathopipe.results.schemas.tiles import TABLE as TILES
from pathopipe.results.tables import ROWS_PER_GROUP, TableWriter, read_columns
from pathopipe.slide import Slide
from pathopipe.slide.backend import MAX_DAMAGED_SHARE
from pathopipe.slide.damage import Damage
from pathopipe.units import CHUNK, Grid

_ORDER_BLOCK = 1024

Tile = tuple[int, int, int, int]
Pieces = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Scan:
    """What every tile needs; shared by threads. Tiles lie on ``grid``, seeds and maps on ``fine``.

    There is a thread more than ``turns`` at the model, so that it does not wait while pixels are read.
    """

    slide: Slide
    grid: Grid
    fine: Grid
    halo: int
    model: NucleusModel
    mask: NDArray[np.bool_]
    bins: Bins
    watch: Stopwatch
    turns: Semaphore

    def look(self, tile: Tile) -> Pieces:
        """Run the model on the part of a tile that holds tissue, with its halo, and keep what lies in tissue.

        Returns
        -------
        ``seeds`` int32 (N, 2) as y, x on the fine grid, their ``scores`` float32 (N,), and the chunks of the maps that
        are not empty, by their names in the store, as compressed bytes; ``damaged`` int64 (M, 3) pieces of the slide
        that could not be read where this tile is.
        """
        with self.watch.spending("maps"):
            tissue = self._tissue(tile)
            x, y, width, height = part = self._part(tile, tissue)
        # Cut off at the slide's border: mirrored beyond it, a nucleus that it cuts would be one with its own image,
        # and its seed on either side.
        left, top = max(0, x - self.halo), max(0, y - self.halo)
        right, bottom = min(self.grid.width, x + width + self.halo), min(self.grid.height, y + height + self.halo)
        around = left, top, right - left, bottom - top
        with self.watch.spending("reading"):
            rgb = self.slide.read(self.grid, *around)
        with self.turns, self.watch.spending("model"):
            prediction = self.model.predict(rgb, (y - top, x - left, y - top + height, x - left + width))
        self.watch.spend("network", prediction.network_s)
        with self.watch.spending("maps"):
            damaged = np.array(sorted(self.slide.damaged_in(self.grid, *around)), np.int64).reshape(-1, 3)
            return {"damaged": damaged} | self._own(prediction, tile, part, tissue)

    def _tissue(self, tile: Tile) -> NDArray[np.bool_]:
        """Where a tile holds tissue, on the fine grid."""
        x, y, width, height = (self.model.traits.upsampling * value for value in tile)
        x_px = (np.arange(x, x + width) + 0.5) * self.fine.factor_x
        y_px = (np.arange(y, y + height) + 0.5) * self.fine.factor_y
        return cut_mask(self.mask, self.bins, x_px, y_px)

    def _part(self, tile: Tile, tissue: NDArray[np.bool_]) -> Tile:
        """The rectangle of a tile, in whole strides, that holds its tissue; the first stride where there is none."""
        stride, times = self.model.traits.stride, self.model.traits.upsampling
        rows, columns = np.flatnonzero(tissue.any(axis=1)), np.flatnonzero(tissue.any(axis=0))
        x, width = _span(columns // times, stride)
        y, height = _span(rows // times, stride)
        return tile[0] + x, tile[1] + y, min(width, tile[2] - x), min(height, tile[3] - y)

    def _own(self, prediction: Prediction, tile: Tile, part: Tile, tissue: NDArray[np.bool_]) -> Pieces:
        """Keep what lies in tissue, on the fine grid; the prediction is of a part of the tile."""
        times = self.model.traits.upsampling
        x, y, width, height = (times * value for value in tile)
        left, top = times * part[0] - x, times * part[1] - y
        own = np.s_[top : top + times * part[3], left : left + times * part[2]]
        inside = tissue[own][tuple(prediction.seeds.T)]
        maps = np.zeros((len(self.model.traits.channels), height, width), np.uint8)
        for name, image in zip(self.model.traits.channels, maps, strict=True):
            np.multiply(prediction.maps[name], tissue[own], out=image[own])
        seeds = prediction.seeds[inside] + np.array([y + top, x + left], np.int32)
        found = {"seeds": seeds, "scores": prediction.scores[inside]}
        return found | chunks(maps, (y, x), CHUNK * times)


def run(job: Job[DetectSettings]) -> Outcome:
    """Run the model over all tiles, unless the sample sheet gives the nuclei."""
    if job.require_sample().nuclei:
        return _passed_over(job)
    tissue, tiles = job.manifest("tissue"), job.manifest("tiles")
    sound_mm2 = job.manifest("quality")["sound_mm2"]
    model = _create(job, Stains.from_dict(tissue["stain"]))
    traits, grid = model.traits, Grid(**tiles["grid"])
    if traits.radius > tiles["halo"]:
        raise FaultError(
            f"the model '{model.name}' needs a halo of {traits.radius} pixels: set tiles.halo to at least that"
        )
    # Tiles begin at whole strides, and so must what is read for them.
    halo, fine = -(-tiles["halo"] // traits.stride) * traits.stride, grid.refined(traits.upsampling)
    bins = Bins(**tissue["bins"])
    mask = polygons_to_mask(sound_polygons(job), bins)
    with open_slide_of(job, sweep=True) as slide:
        scan = _Scan(slide, grid, fine, halo, model, mask, bins, job.watch, Semaphore(job.workers))
        found = _scan(job, scan)
        with job.watch.spending("scales"):
            looks = look(slide, mask, bins, model, sound_mm2, job.workers)
    mpp = mpp_of(tissue)
    damaged = found.damage.area_px * mpp.x * mpp.y / 1e6 / max(sound_mm2, 1e-6)
    if damaged > MAX_DAMAGED_SHARE:
        raise SlideRejectedError(f"{found.damage.sentence}; {min(damaged, 1):.0%} of the tissue is lost")
    if not len(found.seeds):
        raise SlideRejectedError("no nuclei were found in the tissue: check the focus, the stain and the mpp")
    _write_seeds(job, fine, found.seeds, found.scores)
    return Outcome(
        counts={"tiles": tiles["counts"]["tiles"], "seeds": len(found.seeds), "damaged": len(found.damage.pieces)},
        model={"name": model.name, "sha256": model.sha256, "licence": traits.licence},
        details={
            "grid": asdict(fine),
            "score": round(math.fsum(found.scores.tolist()) / len(found.scores), 4),
            "scales": looks,
            "quality": damage_warning(damaged, "tissue"),
        },
    )


def _passed_over(job: Job[DetectSettings]) -> Outcome:
    """Write no seeds; the grid is the one that they would lie on, so that given nuclei can be compared with them."""
    write_empty(job)
    grid = Grid(**job.manifest("tiles")["grid"]).refined(
        find(job.settings.model, weights_folder(job.results)).upsampling
    )
    return Outcome(counts={"seeds": 0}, details={"grid": asdict(grid), "quality": []})


def _create(job: Job[DetectSettings], stains: Stains) -> NucleusModel:
    settings = job.settings
    return create(settings.model, stains, weights_folder(job.results), settings.device, settings.precision, job.workers)


def write_empty(job: Job[DetectSettings]) -> None:
    """Write a table without rows and maps without chunks."""
    channels = find(job.settings.model, weights_folder(job.results)).channels
    with TableWriter(job.output("detections.parquet"), SCHEMA):
        pass
    write_maps(job.output(MAPS), channels, (1, 1), CHUNK, ())


def _span(places: NDArray[np.intp], stride: int) -> tuple[int, int]:
    """Begin and length of the whole strides that hold places, which rise; of the first one where there are none."""
    first, last = (int(places[0]) // stride, int(places[-1]) // stride) if len(places) else (0, 0)
    return first * stride, (last + 1 - first) * stride


@dataclass(frozen=True)
class _Found:
    """All seeds (N, 2) as y, x on the fine grid, their scores (N,), and what of the slide could not be read."""

    seeds: NDArray[np.int32]
    scores: NDArray[np.float32]
    damage: Damage


def _scan(job: Job[DetectSettings], scan: _Scan) -> _Found:
    """Look at all tiles that an earlier job did not, and write the maps."""
    tiles = _read_tiles(job.input("tiles/tiles.parquet"), job.manifest("tiles"))
    seeds, scores = [np.empty((0, 2), np.int32)], [np.empty(0, np.float32)]
    damage, places = Damage(scan.slide.backend.levels), dict[str, Span]()
    with job.journal() as journal:
        for number, found in enumerate(advance(journal, scan.look, tiles, job.workers + 1)):
            seeds.append(found.pop("seeds"))
            scores.append(found.pop("scores"))
            for piece in found.pop("damaged").tolist():
                damage.add(*piece)
            places |= {name: span for name, span in journal.spans(number).items() if name in found}
            job.progress.update(number + 1, len(tiles), "tiles")
        stored = ((name, journal.read_span(places[name])) for name in sorted(places))
        traits, size = scan.model.traits, (scan.fine.height, scan.fine.width)
        write_maps(job.output(MAPS), traits.channels, size, CHUNK * traits.upsampling, stored)
    return _Found(np.concatenate(seeds), np.concatenate(scores), damage)


def _read_tiles(path: Path, manifest: Manifest) -> list[Tile]:
    names = ["grid_x_px", "grid_y_px", "grid_width_px", "grid_height_px"]
    x, y, width, height = columns = tuple(read_columns(path, names, TILES).values())
    grid, most = manifest["grid"], manifest["params"]["size"]
    sound = (x >= 0) & (y >= 0) & (x < grid["width"]) & (y < grid["height"])
    sound &= (width > 0) & (height > 0) & (width <= most) & (height <= most)
    if len(x) != manifest["counts"]["tiles"] or not sound.all():
        raise damaged(path)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _write_seeds(job: Job[DetectSettings], grid: Grid, seeds: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
    """Write seeds block by block, an order that does not depend on the tiles."""
    y, x = seeds.T
    order = np.lexsort((x, y, x // _ORDER_BLOCK, y // _ORDER_BLOCK))
    with TableWriter(job.output("detections.parquet"), SCHEMA) as table:
        for start in range(0, len(order), ROWS_PER_GROUP):
            rows = order[start : start + ROWS_PER_GROUP]
            table.write(
                {
                    "x_px": (x[rows] + 0.5) * grid.factor_x,
                    "y_px": (y[rows] + 0.5) * grid.factor_y,
                    "grid_x_px": x[rows],
                    "grid_y_px": y[rows],
                    "score": scores[rows],
                }
            )
