"""From annotated images to weights with a card and an honest test: what ``pathopipe train nuclei`` does."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from pathopipe.errors import FaultError, RefusalError
from pathopipe.files import remove, write_whole
from pathopipe.models.architecture import Architecture
from pathopipe.models.card import Card
from pathopipe.models.card_page import to_markdown
from pathopipe.models.engine import any_size
from pathopipe.models.engines import make_engine
from pathopipe.models.seeds import SeedRule, named
from pathopipe.models.weights import Weights, read_weights, save_weights
from pathopipe.results.links import files, refuse_links
from pathopipe.training.augment import Field
from pathopipe.training.course import Course, Moment, Tensors, train
from pathopipe.training.examples import Example, Teacher, make_fields
from pathopipe.training.loop import Schedule
from pathopipe.training.points import turned
from pathopipe.training.split import Split, portions, split
from pathopipe.training.targets import LEARNED
from pathopipe.training.validation import Seen, look, picture, pooled, quality

_ENDINGS: Final = (".safetensors", ".md", *(f"_worst_{place}.png" for place in range(1, 5)))
# Of weights that begin at random.
_MPP: Final = 0.5
# Checkpoints of another format are not continued.
_FORMAT: Final = 2
_FIGURES: Final = ("f1", "aji", "pq", "detection_f1")
Show = Callable[[str, Moment], None]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    start
        Weights to start from; None to start at random.
    teacher
        Weights that outline the nuclei that are annotated only as points.
    curve
        Whether parts of the images are learned from, too, to show what more of them bring.
    test
        Whether images are held out for a test; without, all are learned from and nothing is measured.
    """

    examples: Sequence[Example]
    out: Path
    name: str
    licence: str
    data: tuple[str, ...]
    start: Weights | None
    teacher: Weights | None
    schedule: Schedule
    seed: int = 0
    device: str = "cpu"
    curve: bool = True
    test: bool = True

    @property
    def mpp(self) -> float:
        """Micrometers per pixel to work at: those of the weights to start from."""
        return working_mpp(self.start)

    @property
    def architecture(self) -> Architecture:
        """Shape of the network: that of the weights to start from."""
        return self.start.card.architecture if self.start else Architecture()

    @property
    def rule(self) -> SeedRule:
        """How seeds are picked."""
        return self.start.card.rule if self.start else SeedRule()


def working_mpp(start: Weights | None) -> float:
    """Micrometers per pixel that weights are made for, and with them what is trained from there."""
    return start.card.mpp if start else _MPP


@dataclass(frozen=True)
class Row:
    """A line of the learning curve: how many images and nuclei were learned from, and what the test gave."""

    images: int
    nuclei: int
    figures: dict[str, float]


def run(request: Request, show: Show) -> tuple[Path, list[Row]]:
    """Train, test, and write weights, card and pictures; returns the weights' file and the learning curve.

    Raises
    ------
    RefusalError
        When there are symbolic links where these would be written, or the weights to start from have other channels.
    """
    _refuse_channels(request.architecture)
    written = files(*(_file(request, ending).name for ending in _ENDINGS))
    refuse_links(request.out, {**written, ".work": None})
    parts = split(request.examples, request.seed) if request.test else Split(list(request.examples), [], [])
    chosen = portions(parts.train, request.seed) if request.curve and request.test else [parts.train]
    teacher = _teacher(request.teacher) if request.teacher else None
    fields = dict(zip((example.name for example in parts.train), make_fields(parts.train, teacher), strict=True))
    works = [request.out / ".work" / _key(request, part, parts.validation) for part in chosen]
    rows, tensors = list(_before(request, parts)), Tensors()
    for part, work in zip(chosen, works, strict=True):
        learned = [fields[example.name] for example in part]
        tensors = train(
            _course(request, learned, parts.validation), work, partial(show, f"{len(part)} images"), request.out
        )
        if parts.test:
            rows.append(_row(part, _seen(request, tensors, parts.test), request.rule))
    path = _write(request, tensors, parts, rows)
    for work in works:
        with suppress(OSError, FaultError):
            remove(work, request.out)
    with suppress(OSError):  # another run was stopped here, and may go on
        (request.out / ".work").rmdir()
    return path, rows


def _course(request: Request, fields: list[Field], validation: list[Example]) -> Course:
    return Course(
        architecture=request.architecture,
        schedule=request.schedule,
        mpp=request.mpp,
        rule=request.rule,
        fields=fields,
        validation=validation,
        start=dict(request.start.tensors) if request.start else None,
        seed=request.seed,
        device=request.device,
        interval=min(200, max(20, request.schedule.steps // 20)),
    )


def _teacher(weights: Weights) -> Teacher:
    architecture = weights.card.architecture
    see = turned(any_size(make_engine(weights, "cpu"), architecture))
    return lambda rgb: named(see(rgb), architecture)


def _refuse_channels(architecture: Architecture) -> None:
    """Refuse to start from a network with channels that there are no targets for."""
    if architecture.channels != LEARNED:
        raise RefusalError(
            f"the weights to start from have the channels {', '.join(architecture.channels)}, but training supports "
            f"only {' and '.join(LEARNED)}, in this order: start from others"
        )


def _key(request: Request, part: Sequence[Example], validation: Sequence[Example]) -> str:
    """What a checkpoint belongs to: another request or other images start over."""
    shown = (*part, *validation)
    asked: dict[str, Any] = {
        "format": _FORMAT,
        "schedule": asdict(request.schedule),
        "start": request.start and request.start.sha256,
        "teacher": request.teacher and request.teacher.sha256,
        "seed": request.seed,
        "device": request.device,
        "fields": [(example.mpp, example.share, example.rgb.shape) for example in shown],
        "images": [hashlib.sha256(example.rgb.tobytes()).hexdigest() for example in shown],
        "annotations": [hashlib.sha256(_annotation(example)).hexdigest() for example in shown],
        "validation": len(validation),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _annotation(example: Example) -> bytes:
    known = example.labels if example.labels is not None else example.points
    return b"" if known is None else known.tobytes()


def _before(request: Request, parts: Split) -> Iterator[Row]:
    """What the weights to start from reach without any training."""
    if request.start and parts.test:
        yield _row([], _seen(request, dict(request.start.tensors), parts.test), request.rule)


def _seen(request: Request, tensors: Tensors, examples: list[Example]) -> list[Seen]:
    card = Card(request.name, request.licence, request.architecture, request.rule)
    return look(make_engine(Weights(card, "", tensors), "cpu"), request.architecture, examples)


def _row(part: Sequence[Example], seen: list[Seen], rule: SeedRule) -> Row:
    """Score what was seen; where only points are known, detection alone."""
    outlined = any(one.example.nuclei and one.example.labels is not None for one in seen)
    found = pooled(seen, rule)
    figures = {name: float(getattr(found, name)) for name in (_FIGURES if outlined else _FIGURES[-1:])}
    return Row(len(part), sum(example.nuclei for example in part), figures)


def _write(request: Request, tensors: Tensors, parts: Split, rows: list[Row]) -> Path:
    path, text, *pictures = (_file(request, ending) for ending in _ENDINGS)
    save_weights(path, _card(request, parts, rows), tensors)
    write_whole(text, to_markdown(read_weights(path)).encode())
    for old in request.out.glob(f"{request.name}_worst_*.png"):
        old.unlink()
    shown = _seen(request, tensors, parts.validation or parts.test)
    worst = sorted(shown, key=lambda one: quality(pooled([one], request.rule)))
    for seen, file in zip(worst, pictures, strict=False):
        image = cv2.cvtColor(picture(seen, request.rule), cv2.COLOR_RGB2BGR)
        write_whole(file, cv2.imencode(".png", image)[1].tobytes())
    return path


def _file(request: Request, ending: str) -> Path:
    return request.out / f"{request.name}{ending}"


def _card(request: Request, parts: Split, rows: list[Row]) -> Card:
    figures = {}
    if parts.test:
        where = f"{len(parts.test)} held-out images, {sum(one.nuclei for one in parts.test)} nuclei"
        figures = {where: {name: round(value, 4) for name, value in rows[-1].figures.items()}}
    training = {
        "images": len(parts.train),
        "nuclei": sum(example.nuclei for example in parts.train),
        "validation images": len(parts.validation),
        "started from": request.start.card.name if request.start else "random weights",
        "seed": request.seed,
        **asdict(request.schedule),
    }
    return Card(
        request.name, request.licence, request.architecture, request.rule, request.mpp, request.data, training, figures
    )
