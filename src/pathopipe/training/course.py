"""One course of training: steps, validation in between, the best weights so far, and a checkpoint to go on from."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.errors import FaultError
from pathopipe.files import remove, write_whole
from pathopipe.models.architecture import Architecture
from pathopipe.models.network import NucleusNet, load_tensors, tensors_of
from pathopipe.models.openvino_parts import resolve
from pathopipe.models.seeds import SeedRule
from pathopipe.models.torch_engine import network_engine
from pathopipe.results.documents import read_json, write_json
from pathopipe.training.augment import DEFAULT, Augmentation, Field
from pathopipe.training.checkpoint import load_checkpoint, save_checkpoint
from pathopipe.training.examples import Example
from pathopipe.training.loop import Schedule, Trainer
from pathopipe.training.validation import look, pooled, quality

_LOSSES: Final = 50
Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Course:
    """What a course of training is made of.

    Attributes
    ----------
    validation
        Examples on which the weights are scored every ``interval`` steps; without any, the last weights are taken.
    start
        Weights to start from; at random where there are none.
    patience
        Validations without a better AJI after which it ends.
    """

    architecture: Architecture
    schedule: Schedule
    mpp: float
    rule: SeedRule
    fields: list[Field]
    validation: list[Example]
    start: Tensors | None = None
    augmentation: Augmentation = DEFAULT
    seed: int = 0
    device: str = "cpu"
    interval: int = 200
    patience: int = 8


@dataclass(frozen=True)
class Moment:
    """Where a course is: steps done, mean loss of late, AJI of the last validation and the best so far."""

    step: int
    loss: float
    aji: float | None
    best: float | None


def train(course: Course, work: Path, show: Callable[[Moment], None], root: Path | None = None) -> Tensors:
    """Train, going on from the checkpoint in the folder ``work`` if one is there; returns the best averaged weights.

    Below the ``root``, by default ``work`` itself, no symbolic link is followed.

    Raises
    ------
    FaultError
        When the loss is not a number any more.
    """
    half = course.device != "cpu" or resolve("auto") == "bfloat16"
    trainer = Trainer(course.architecture, course.schedule, course.device, course.seed, half)
    if course.start is not None:
        trainer.load(course.start)
    best = _Best(work, root or work)
    if load_checkpoint(work / "checkpoint.safetensors", trainer):
        best.read()
    elif course.start is not None:
        _validate(trainer, course, best)  # so that nothing is returned that does worse than what it began with
    while trainer.step < course.schedule.steps and not best.stale(trainer.step, course):
        _advance(trainer, course, show, best)
        _validate(trainer, course, best)
        save_checkpoint(work / "checkpoint.safetensors", trainer, root)
    return best.tensors if best.tensors is not None else tensors_of(trainer.average)


class _Best:
    """The best weights so far, beside the checkpoint."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        self.aji: float | None = None
        self.last: float | None = None
        self.step = 0
        self.tensors: Tensors | None = None

    def read(self) -> None:
        from safetensors.numpy import load_file

        if (self._folder / "best.json").exists():
            known = read_json(self._folder / "best.json")
            self.aji, self.step = float(known["aji"]), int(known["step"])
            self.tensors = load_file(self._folder / f"best-{self.step}.safetensors")

    def offer(self, step: int, aji: float, tensors: Tensors) -> None:
        from safetensors.numpy import save

        self.last = aji
        if self.aji is not None and aji < self.aji:
            return
        self.aji, self.step, self.tensors = aji, step, tensors
        write_whole(self._folder / f"best-{step}.safetensors", save(tensors), self._root)
        write_json(self._folder / "best.json", {"aji": aji, "step": step}, self._root)
        for old in self._folder.glob("best-*.safetensors"):
            if old.name != f"best-{step}.safetensors":
                remove(old, self._root)

    def stale(self, step: int, course: Course) -> bool:
        return self.aji is not None and step - self.step >= course.patience * course.interval


def _advance(trainer: Trainer, course: Course, show: Callable[[Moment], None], best: _Best) -> None:
    """Take steps up to the next validation."""
    until = min((trainer.step // course.interval + 1) * course.interval, course.schedule.steps)
    losses = list[float]()
    for loss in trainer.run(course.fields, course.mpp, course.augmentation, until):
        if not isfinite(loss):
            raise FaultError(f"the loss is not a number at step {trainer.step}: lower --rate and start again")
        losses = [*losses[1 - _LOSSES :], loss]
        show(Moment(trainer.step + 1, float(np.mean(losses)), best.last, best.aji))


def _validate(trainer: Trainer, course: Course, best: _Best) -> None:
    if not course.validation:
        return
    tensors = tensors_of(trainer.average)
    network = NucleusNet(course.architecture)
    load_tensors(network, tensors)
    engine = network_engine(network, course.device, "float32")
    seen = look(engine, course.architecture, course.validation)
    best.offer(trainer.step, quality(pooled(seen, course.rule)), tensors)
