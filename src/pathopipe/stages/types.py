"""Stage types: says what each nucleus is, from the pixels around it, or that it cannot say.

Blocks of a fixed grid are looked at with all that the model sees around them, so nothing depends on how the work is cut
up.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Semaphore
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.caveats import warning
from pathopipe.jobs.job import Job, Outcome
from pathopipe.jobs.journal import advance
from pathopipe.jobs.pixels import open_slide_of
from pathopipe.models.types.architecture import RADIUS, STRIDE
from pathopipe.models.types.card import MPP
from pathopipe.models.types.model import TypeModel
from pathopipe.models.types.registry import create
from pathopipe.ops.blocks import by_block
from pathopipe.ops.nucleus_types import TYPES
from pathopipe.pipeline import TypesSettings
from pathopipe.provenance import Stopwatch
from pathopipe.results.documents import damaged
from pathopipe.results.manifests import nuclei_given
from pathopipe.results.names import weights_folder
from pathopipe.results.schemas.nuclei import GIVEN_TABLE as GIVEN
from pathopipe.results.schemas.nuclei import GIVEN_TYPE
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.types import SCHEMA
from pathopipe.results.tables import TableWriter, numbers, read_batches
from pathopipe.slide import Slide
from pathopipe.units import Grid

_BLOCK: Final = 1024
_HALO: Final = -(-RADIUS // STRIDE) * STRIDE
_UNLIKE: Final = ("not_he", "implausible_color", "implausible_mpp")
"""Warnings under which an image is unlike all that types were learned from."""

Floats = NDArray[np.float32]
Members = NDArray[np.int64]


@dataclass(frozen=True)
class _View:
    """What every block needs; shared by threads. There is a thread more than ``turns`` at the model."""

    slide: Slide
    grid: Grid
    model: TypeModel
    watch: Stopwatch
    turns: Semaphore

    def look(self, block: tuple[NDArray[np.float64], Members]) -> dict[str, NDArray[Any]]:
        """Say what the nuclei of a block are, given all points (N, 2) on the grid, and which of them lie in it.

        Returns
        -------
        ``shares`` float32 (M, K), the probabilities, and ``known`` bool (M,), whether the model has seen the like.
        """
        points = block[0][block[1]]
        x, y = (int(value) * _BLOCK for value in points[0] // _BLOCK)
        left, top = max(0, x - _HALO), max(0, y - _HALO)
        right, bottom = min(self.grid.width, x + _BLOCK + _HALO), min(self.grid.height, y + _BLOCK + _HALO)
        with self.watch.spending("reading"):
            rgb = self.slide.read(self.grid, left, top, right - left, bottom - top)
        with self.turns, self.watch.spending("model"):
            described = self.model.describe_at(rgb, points - (left, top))
            return {"shares": self.model.probabilities(described), "known": self.model.is_known(described)}


def run(job: Job[TypesSettings]) -> Outcome:
    """Say what all nuclei of a slide are."""
    segment = job.manifest("segment")
    total = int(segment["counts"]["nuclei"])
    if nuclei_given(segment) and segment["counts"]["typed"]:
        return _taken_over(job, total)
    settings, unlike = job.settings, _unlike(job)
    model = create(settings.model, weights_folder(job.results), settings.precision, job.workers)
    found = Counter[str]()
    with TableWriter(job.output("types.parquet"), SCHEMA) as table:
        parts = _nothing(job) if model is None or unlike else _looked(job, model, total)
        for ids, shares, known in parts:
            columns = _columns(ids, shares, known, settings.min_probability)
            found.update(name or "unknown" for name in columns["type"])
            table.write(columns)
        if table.count != total:
            raise damaged(job.input("segment/nuclei.parquet"))
    counts = {name: found[name] for name in (*TYPES, "unknown")}
    return Outcome(counts={"nuclei": total, **counts}, model=_named(model), details=_details(model, unlike))


def _taken_over(job: Job[TypesSettings], total: int) -> Outcome:
    """Take the types of given nuclei; they are no estimates, so that there are no probabilities."""
    path, found = job.input("segment/nuclei.parquet"), Counter[str]()
    with TableWriter(job.output("types.parquet"), SCHEMA) as table:
        for batch in read_batches(path, ["nucleus_id", GIVEN_TYPE.name], GIVEN):
            names = batch[GIVEN_TYPE.name].to_pylist()
            if not set(names) <= {*TYPES, None}:
                raise damaged(path)
            found.update(name or "unknown" for name in names)
            none = np.full(len(names), np.nan, np.float32)
            shares = {f"p_{name}": none for name in TYPES}
            table.write({"nucleus_id": numbers(batch["nucleus_id"]), "type": names} | shares)
        if table.count != total:
            raise damaged(path)
    counts = {name: found[name] for name in (*TYPES, "unknown")}
    return Outcome(counts={"nuclei": total, **counts}, details={"quality": []})


def write_empty(job: Job[TypesSettings]) -> None:
    """Write a table without rows."""
    with TableWriter(job.output("types.parquet"), SCHEMA):
        pass


def _named(model: TypeModel | None) -> dict[str, str | None] | None:
    if model is None:
        return None
    return {"name": model.card.name, "sha256": model.sha256, "licence": model.card.licence}


def _details(model: TypeModel | None, unlike: list[dict[str, Any]]) -> dict[str, Any]:
    return {"quality": []} if model is None else {"quality": unlike, "scope": model.card.scope}


def _unlike(job: Job[TypesSettings]) -> list[dict[str, Any]]:
    """Warn where the image is so unlike those learned from that no nucleus gets a type."""
    manifests = (job.manifest(stage) for stage in ("tissue", "detect", "features"))
    found = [entry for manifest in manifests for entry in manifest.get("quality") or [] if entry["code"] in _UNLIKE]
    if not found:
        return []
    message = f"no nucleus was given a type, because {found[0]['message']}"
    return [warning("no_types", message, found[0]["value"], found[0]["threshold"])]


Part = tuple[Members, Floats, NDArray[np.bool_]]


def _nothing(job: Job[TypesSettings]) -> Iterator[Part]:
    for batch in read_batches(job.input("segment/nuclei.parquet"), ["nucleus_id"], NUCLEI):
        count = len(batch)
        yield numbers(batch["nucleus_id"]), np.full((count, len(TYPES)), np.nan, np.float32), np.zeros(count, np.bool_)


def _looked(job: Job[TypesSettings], model: TypeModel, total: int) -> Iterator[Part]:
    """Ids, probabilities of all types, and whether the model has seen the like, a row group at a time."""
    done, places = 0, np.array([TYPES.index(name) for name in model.classes])
    with open_slide_of(job) as slide, job.journal() as journal:
        view = _View(slide, slide.grid(MPP), model, job.watch, Semaphore(job.workers))
        scale = (view.grid.factor_x, view.grid.factor_y)
        for batch in read_batches(job.input("segment/nuclei.parquet"), ["nucleus_id", "x_px", "y_px"], NUCLEI):
            points = np.stack([numbers(batch["x_px"]), numbers(batch["y_px"])], axis=1) / scale
            shares, known = np.zeros((len(points), len(TYPES)), np.float32), np.zeros(len(points), np.bool_)
            groups = list(by_block(points, _BLOCK))
            # A batch has no more blocks than nuclei, so that numbers from ``done`` on are free for its pieces.
            found = advance(journal, view.look, [(points, members) for members in groups], job.workers + 1, done)
            for members, seen in zip(groups, found, strict=True):
                shares[np.ix_(members, places)], known[members] = seen["shares"], seen["known"]
            done += len(points)
            job.progress.update(done, total, "nuclei")
            yield numbers(batch["nucleus_id"]), shares, known


def _columns(ids: Members, shares: Floats, known: NDArray[np.bool_], least: float) -> dict[str, Any]:
    """Make the columns of the table: a type where its probability is at least this, and the model knows the like."""
    best = shares.argmax(axis=1)
    sure = known & (shares[np.arange(len(shares)), best] >= least)
    types = [TYPES[place] if is_sure else None for place, is_sure in zip(best.tolist(), sure.tolist(), strict=True)]
    return {"nucleus_id": ids, "type": types} | {f"p_{name}": shares[:, place] for place, name in enumerate(TYPES)}
