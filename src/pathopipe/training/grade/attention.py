"""Learning where to look: gated attention over fields, with the loss of proportional odds.

Slides are few and networks of this kind are quick to learn them by heart. So the network is small, fields are left out
at random, weights decay, and the number of steps is that after which patients not seen are predicted best.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathopipe.grading.attention import attention_score, shapes
from pathopipe.training.grade.boosting import start

HIDDEN: Final = 16
STEPS: Final = 300
"""At most."""
EVERY: Final = 10
"""Steps between looks at patients that are not seen."""
_PATIENCE: Final = 10
"""Looks without a better one after which the training ends."""
_RATE: Final = 0.002
_DECAY: Final = 0.1
_KEPT: Final = 0.75
"""Share of the fields that a step looks at."""
_MOST: Final = 16_384
"""Fields that a step looks at, at most."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Bags:
    """n slides with their fields.

    Attributes
    ----------
    places
        Of all fields (N, D), slide by slide.
    counts
        How many each slide has (n,), at least 1.
    truth
        Places (n,) of the grades.
    """

    places: Floats
    counts: Whole
    truth: Whole

    def part(self, chosen: NDArray[np.bool_]) -> "Bags":
        """Some (n,) of the slides."""
        return Bags(self.places[np.repeat(chosen, self.counts)], self.counts[chosen], self.truth[chosen])

    def each(self) -> list[Floats]:
        """The fields of each slide."""
        return np.split(self.places, np.cumsum(self.counts)[:-1])


@dataclass(frozen=True)
class Moment:
    """A network on the way: tensors as they are stored, and how unlikely it finds the grades of slides not seen."""

    tensors: dict[str, Floats]
    loss: float

    def scores(self, bags: Bags) -> Floats:
        """Scores (n,) of slides."""
        return np.array([attention_score(self.tensors, fields)[0] for fields in bags.each()])


def learn_unseen(bags: Bags, folds: Sequence[NDArray[np.bool_]], grades: int, seed: int) -> tuple[int, Floats]:
    """Number of steps after which slides of other folds are predicted best, and their scores (n,) then."""
    courses = [_course(bags.part(~tested), bags.part(tested), grades, STEPS, seed) for tested in folds]
    with _one_thread():
        steps, moments = _until_worse(zip(*courses, strict=True))
    scores = np.empty(len(bags.truth))
    for tested, moment in zip(folds, moments, strict=True):
        scores[tested] = moment.scores(bags.part(tested))
    return steps, scores


def _until_worse(looks: Iterable[tuple[Moment, ...]]) -> tuple[int, tuple[Moment, ...]]:
    """Best number of steps, and the moments then; ends when they have been worse for some time."""
    lowest, best, kept = np.inf, 0, tuple[Moment, ...]()
    for number, moments in enumerate(looks, 1):
        loss = sum(moment.loss for moment in moments)
        if loss < lowest or not kept:
            lowest, best, kept = loss, number, moments
        elif number - best >= _PATIENCE:
            break
    return best * EVERY, kept


def learn_all(bags: Bags, grades: int, steps: int, seed: int) -> dict[str, Floats]:
    """Tensors of a network that has learned from all slides, see `grading.attention.shapes`."""
    with _one_thread():
        return [*_course(bags, bags, grades, steps, seed)][-1].tensors


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let sums not depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Bags:
    """Slides as tensors: fields (N, D), the slide of each (N,), grades (n,)."""

    def __init__(self, bags: Bags) -> None:
        self.places = torch.from_numpy(np.ascontiguousarray(bags.places))
        self.slides = torch.from_numpy(np.repeat(np.arange(len(bags.counts)), bags.counts))
        self.truth = torch.from_numpy(bags.truth)


def _course(bags: Bags, unseen: Bags, grades: int, steps: int, seed: int) -> Iterator[Moment]:
    """Take steps with AdamW (Loshchilov and Hutter 2019), and note every few what was learned."""
    seen, others, random = _Bags(bags), _Bags(unseen), torch.Generator().manual_seed(seed)
    net = _begin(bags, grades, random)
    free = {name for name in net if name.endswith("_bias") or name in {"first", "gaps"}}
    groups = [
        {"params": [net[name] for name in net if name not in free], "weight_decay": _DECAY},
        {"params": [net[name] for name in net if name in free], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, _RATE)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        _loss(net, seen, _some(seen.slides, random)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % EVERY == 0:
            with torch.no_grad():
                loss = float(_loss(net, others, slice(None))) * len(unseen.truth)
            yield Moment(_stored(net), loss)


def _begin(bags: Bags, grades: int, random: torch.Generator) -> dict[str, Tensor]:
    """A network that knows nothing but how common each grade is (weights as of Glorot and Bengio 2010)."""
    net = {}
    for name, shape in shapes(bags.places.shape[1], HIDDEN).items():
        if name == "head_bias":
            continue
        scale = 0.0 if name.endswith("_bias") else (2 / (sum(shape) if len(shape) > 1 else 1 + shape[0])) ** 0.5
        if name == "head":
            scale *= 0.1  # at first, no slide has another score
        net[name] = scale * torch.randn(shape, generator=random, dtype=torch.float64)
    thresholds = torch.from_numpy(start(bags.truth, grades))
    net["first"] = thresholds[:1]
    net["gaps"] = torch.log(torch.clamp(thresholds.diff(), min=0.05))
    return {name: tensor.clone().requires_grad_() for name, tensor in net.items()}


def _thresholds(net: dict[str, Tensor]) -> Tensor:
    """Of the score, between the grades (K - 1,), ascending."""
    return torch.cat([net["first"], net["first"] + torch.cumsum(torch.exp(net["gaps"]), 0)])


def _some(slides: Tensor, random: torch.Generator) -> Tensor:
    """Places of fields that are looked at in a step: a share of them, and one of each slide at least."""
    drawn = torch.rand(len(slides), generator=random, dtype=torch.float64)
    lowest = torch.ones(int(slides[-1]) + 1, dtype=torch.float64).scatter_reduce(0, slides, drawn, "amin")
    return torch.nonzero((drawn < min(_KEPT, _MOST / len(slides))) | (drawn == lowest[slides]))[:, 0]


def scores_of(net: dict[str, Tensor], places: Tensor, slides: Tensor, count: int) -> Tensor:
    """Scores (count,) of slides by their fields (N, D): `grading.attention.attention_score` without ``head_bias``."""
    embedded = torch.relu(places @ net["embed"].T + net["embed_bias"])
    gate = torch.sigmoid(embedded @ net["gate"].T + net["gate_bias"])
    logits = (torch.tanh(embedded @ net["look"].T + net["look_bias"]) * gate) @ net["attend"]
    empty = torch.zeros(count, dtype=torch.float64)
    # A constant is taken off, which changes no share: its slope is none of the network's.
    highest = empty.scatter_reduce(0, slides, logits.detach(), "amax", include_self=False)
    powers = torch.exp(logits - highest[slides])
    total, weighted = empty.index_add(0, slides, powers), empty.index_add(0, slides, powers * (embedded @ net["head"]))
    return weighted / total


def _loss(net: dict[str, Tensor], bags: _Bags, kept: Tensor | slice) -> Tensor:
    """Mean of minus the log probability of the grade, by proportional odds (McCullagh 1980)."""
    scores = scores_of(net, bags.places[kept], bags.slides[kept], len(bags.truth))
    upto = torch.sigmoid(_thresholds(net) - scores[:, None])
    ends = torch.cat([torch.zeros_like(upto[:, :1]), upto, torch.ones_like(upto[:, :1])], 1)
    shares = ends.diff(dim=1).gather(1, bags.truth[:, None])
    return -torch.log(torch.clamp(shares, min=1e-12)).mean()


def _stored(net: dict[str, Tensor]) -> dict[str, Floats]:
    """Tensors as they are stored, float32; the constant makes scores of different networks comparable."""
    known = {name: tensor.detach().numpy() for name, tensor in net.items() if name not in {"first", "gaps"}}
    known["head_bias"] = -_thresholds(net).mean(0, keepdim=True).detach().numpy()
    return {name: values.astype(np.float32).astype(np.float64) for name, values in known.items()}
