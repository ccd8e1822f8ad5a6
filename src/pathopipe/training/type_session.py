"""From annotated images to a model of types with a card and an honest test: what ``pathopipe train types`` does.

The network that describes nuclei stays as it is, and the rule on top is fitted anew. So a few labels are enough, it
takes seconds, and needs no torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations import Outlines, Points
from pathopipe.errors import RefusalError
from pathopipe.evaluation.metrics import match
from pathopipe.evaluation.point_metrics import TYPE_MATCH_UM
from pathopipe.models.base import NucleusModel
from pathopipe.models.types.architecture import TypeArchitecture
from pathopipe.models.types.model import TypeModel
from pathopipe.models.weights import save_weights
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.results.links import files, refuse_links
from pathopipe.training.examples import Example
from pathopipe.training.type_rule import (
    Rule,
    Sample,
    choose_penalty,
    choose_temperature,
    f1_by_type,
    fit,
    nested,
)

_LEAST: Final = 10
"""Nuclei of a type, at least, and of two patients."""
_MOST_LOST: Final = 0.5
"""Share of the points that may lie far from any nucleus."""
_LIMIT: Final = 0.995
"""Share of the nuclei in the images that count as like those learned from."""
_BEFORE: Final = 1000


@dataclass(frozen=True)
class Request:
    """What is asked for: weights of this name, from annotated examples and a model to start from."""

    examples: Sequence[Example]
    out: Path
    name: str
    licence: str
    data: tuple[str, ...]
    start: TypeModel
    nuclei: NucleusModel


@dataclass(frozen=True)
class Row:
    """What was measured of a rule, on nuclei of patients that it was not fitted on: F1 by type."""

    rule: str
    f1: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean over the types."""
        return sum(self.f1.values()) / len(self.f1)


@dataclass(frozen=True)
class Report:
    """What came out: the weights' file, points used and lost, and F1 before and after."""

    path: Path
    used: dict[str, int]
    lost: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class _Seen:
    """Descriptions of an example's nuclei (M, V, D), and of those at typed points, which (K,) and their types."""

    described: NDArray[np.float64]
    places: NDArray[np.intp]
    types: tuple[str, ...]
    lost: int


def run(request: Request) -> Report:
    """Fit, test, and write weights and card.

    Raises
    ------
    RefusalError
        When types are missing, of another vocabulary or of one kind, when points lie far from any nucleus, or when all
        are of one patient; and when there are symbolic links where the weights would be written.
    """
    refuse_links(request.out, files(f"{request.name}.safetensors"))
    _check_names(request.examples)
    seen = [_see(request, example) for example in request.examples]
    _check_places(seen)
    classes, sample = _sample(request.examples, seen)
    start = _start(request.start, classes)
    values = nested(sample, start)
    rule = fit(sample, start, choose_penalty(sample, start))
    rows = (*_before(request.start, classes, sample), Row("trained", _named(classes, f1_by_type(values, sample.types))))
    used = dict(zip(classes, np.bincount(sample.types).tolist(), strict=True))
    everything = np.concatenate([one.described[:, 0] for one in seen])
    path = _write(request, classes, rule, choose_temperature(values, sample.types), everything, rows[-1], used)
    return Report(path, used, sum(one.lost for one in seen), rows)


def _check_names(examples: Sequence[Example]) -> None:
    named = {name for example in examples for name in example.types or () if name}
    if not named:
        raise RefusalError("none of the annotations has a type: give points or polygons with classes")
    if unknown := sorted(name for name in named if type_named(name) is None):
        raise RefusalError(
            f"the annotations have types that are none of {', '.join(TYPES)}, nor known names for them: "
            f"{', '.join(unknown[:10])}: rename them"
        )


def _see(request: Request, example: Example) -> _Seen:
    """Find the nuclei of an image, describe them, and give them the types of the points beside them."""
    seeds = request.nuclei.predict(example.working).seeds[:, ::-1] + 0.5
    places = seeds / request.nuclei.traits.upsampling
    described = np.stack([_described(request.start, example.working, places, turn) for turn in range(4)], axis=1)
    points, types = _typed(example)
    pairs = match(places * _um(example), points * example.mpp, TYPE_MATCH_UM)
    return _Seen(
        described, pairs[:, 0], tuple(types[point] for point in pairs[:, 1].tolist()), len(points) - len(pairs)
    )


def _um(example: Example) -> NDArray[np.float64]:
    return np.array([example.grid.mpp_x, example.grid.mpp_y])


def _described(model: TypeModel, rgb: NDArray[np.uint8], places: NDArray[np.float64], turn: int) -> NDArray[np.float64]:
    """Describe places in an image that is mirrored along none, one or both of its axes."""
    height, width = rgb.shape[:2]
    step_y, step_x = (-1 if turn & 2 else 1), (-1 if turn & 1 else 1)
    turned = places.copy()
    if step_x < 0:
        turned[:, 0] = width - turned[:, 0]
    if step_y < 0:
        turned[:, 1] = height - turned[:, 1]
    return model.describe_at(np.ascontiguousarray(rgb[::step_y, ::step_x]), turned).astype(np.float64)


def _typed(example: Example) -> tuple[NDArray[np.float64], list[str]]:
    """Points x, y in pixels of the image, and their types; of outlines, the centroids."""
    if example.types is None:
        return np.empty((0, 2)), []
    if example.labels is not None:
        marked = Outlines(example.labels, example.types).points()
    else:
        assert example.points is not None  # noqa: S101 - an example has outlines or points
        marked = Points(example.points, example.types)
    points, names = marked.xy, marked.types or ()
    kinds = [type_named(name) for name in names]
    chosen = [place for place, kind in enumerate(kinds) if kind]
    return points[chosen], [str(kinds[place]) for place in chosen]


def _check_places(seen: Sequence[_Seen]) -> None:
    lost, found = sum(one.lost for one in seen), sum(len(one.types) for one in seen)
    if lost > _MOST_LOST * (lost + found):
        raise RefusalError(
            f"{lost} of {lost + found} annotated nuclei lie more than {TYPE_MATCH_UM:g} um from any that is found in "
            "the images: check the mpp, and that coordinates are in pixels of the image"
        )


def _sample(examples: Sequence[Example], seen: Sequence[_Seen]) -> tuple[tuple[str, ...], Sample]:
    """Put the nuclei of all images together; types of which there are too few are refused."""
    names = [name for one in seen for name in one.types]
    groups = sorted({example.group for example in examples})
    own = np.repeat([groups.index(example.group) for example in examples], [len(one.types) for one in seen])
    classes = tuple(name for name in TYPES if name in names)
    if len(classes) < 2:
        raise RefusalError(f"all annotated nuclei are of one type, '{classes[0]}': annotate at least two types")
    if len(np.unique(own)) < 2:
        raise RefusalError("all annotated nuclei are of one patient: add images of another patient to test on")
    types = np.array([classes.index(name) for name in names])
    for place, name in enumerate(classes):
        if (count := int((types == place).sum())) < _LEAST or len(np.unique(own[types == place])) < 2:
            raise RefusalError(
                f"{count} nuclei are annotated as {name}, expected at least {_LEAST}, of two patients: annotate more, "
                "or leave that type out"
            )
    described = np.concatenate([one.described[one.places] for one in seen])
    return classes, Sample(described, types, own)


def _start(model: TypeModel, classes: Sequence[str]) -> Rule:
    """The rule to start from: of types that the model does not know, nothing but a constant."""
    known = {name: place for place, name in enumerate(model.classes)}
    weight = np.stack([_row(model.tensors["rule.weight"], known.get(name)) for name in classes])
    bias = np.array([float(model.tensors["rule.bias"][known[name]]) if name in known else 0.0 for name in classes])
    return Rule(weight, bias)


def _row(weight: NDArray[np.float32], place: int | None) -> NDArray[np.float64]:
    return np.zeros(weight.shape[1]) if place is None else weight[place].astype(np.float64)


def _before(model: TypeModel, classes: Sequence[str], sample: Sample) -> Iterator[Row]:
    """What the model to start from reaches on the same nuclei; of classes that it does not know it finds none."""
    shares = model.probabilities(sample.described[:, 0].astype(np.float32))
    values = np.full((len(sample), len(classes)), -np.inf)
    for place, name in enumerate(model.classes):
        if name in classes:
            values[:, classes.index(name)] = shares[:, place]
    if np.isfinite(values).any():
        yield Row(f"'{model.card.name}'", _named(classes, f1_by_type(values, sample.types)))


def _named(classes: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return dict(zip(classes, values, strict=True))


@dataclass(frozen=True)
class Known:
    """What descriptions have in common: mean (D,), what makes their covariance one (D, D), how far they reach."""

    mean: NDArray[np.float32]
    whiten: NDArray[np.float32]
    limit: float


def known_of(described: NDArray[np.float64], before: Known | None = None) -> Known:
    """Find what descriptions (N, D) have in common, with each other and with those that were known before.

    The latter count as `_BEFORE` nuclei, so that a few new ones are not all that is known.
    """
    mean, apart = described.mean(axis=0), described - described.mean(axis=0)
    covariance = apart.T @ apart / len(apart)
    least = 0.0
    if before is not None:
        share, back = _BEFORE / (_BEFORE + len(described)), np.linalg.inv(before.whiten.astype(np.float64))
        between = before.mean - mean
        covariance = (1 - share) * covariance + share * (back.T @ back)
        covariance += share * (1 - share) * np.outer(between, between)
        mean, least = mean + share * between, before.limit
    # A little of a round one, so that few nuclei are enough.
    covariance += np.eye(len(covariance)) * (0.05 * np.trace(covariance) / len(covariance) + 1e-9)
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    reach = (((described - mean) @ whiten) ** 2).mean(axis=1)
    limit = max(least, float(np.quantile(reach, _LIMIT)))
    return Known(mean.astype(np.float32), whiten.astype(np.float32), limit)


def _write(
    request: Request,
    classes: tuple[str, ...],
    rule: Rule,
    temperature: float,
    everything: NDArray[np.float64],
    row: Row,
    used: dict[str, int],
) -> Path:
    kept = request.start.tensors
    known = known_of(everything, Known(kept["known.mean"], kept["known.whiten"], request.start.card.limit))
    tensors = dict(kept) | {
        "rule.weight": rule.weight.astype(np.float32),
        "rule.bias": rule.bias.astype(np.float32),
        "known.mean": known.mean,
        "known.whiten": known.whiten,
    }
    figures = {name: round(value, 4) for name, value in (*row.f1.items(), ("mean", row.mean))}
    patients = len({example.group for example in request.examples})
    card = replace(
        request.start.card,
        name=request.name,
        licence=request.licence,
        architecture=TypeArchitecture(classes),
        scope=f"fitted to own annotations of {patients} patients",
        temperature=round(temperature, 4),
        limit=round(known.limit, 4),
        data=(*request.data, *request.start.card.data),
        training={"started from": request.start.card.name, **used},
        figures={f"{patients} patients, each told by a rule fitted without it; F1 by type": figures},
    )
    path = request.out / f"{request.name}.safetensors"
    save_weights(path, card, tensors)
    return path
