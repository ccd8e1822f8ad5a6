"""Whether a slide's mpp can be right, by what the model sees at its own resolution, at a finer and at a coarser one.

Where the stated mpp is half the true one, the model sees at half its resolution what it was trained on: more nuclei,
with more confidence. Where it is twice the true one, so at twice. Two logistic discriminants decide, one for each
direction. Weights and thresholds are made by recipes/mpp_guard.py; how well they do is in docs/mpp.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

SCALES: Final = (0.5, 1.0, 2.0)
"""Resolutions to look at, in multiples of the model's."""
LEAST_NUCLEI: Final = 60
"""With fewer nuclei there is no judgment."""
Side = Literal["small", "large"]


@dataclass(frozen=True)
class Sight:
    """What the model sees at one scale.

    Attributes
    ----------
    scale
        Resolution in multiples of the model's: at 2 a pixel spans twice as many micrometers.
    windows, pixels
        How many windows were looked at, and their pixels.
    seeds
        Nuclei found in them.
    score
        Their mean score, 0 where there are none.
    area_px
        Median over windows of the median area of the foreground's connected parts, in pixels of this scale.
    """

    scale: float
    windows: int
    pixels: int
    seeds: int
    score: float
    area_px: float

    @property
    def density(self) -> float:
        """Nuclei per 10,000 pixels, log2."""
        return math.log2((self.seeds + 1) / self.pixels * 10_000)

    @property
    def certainty(self) -> float:
        """Mean score, drawn to 0.5 where nuclei are few."""
        return (self.seeds * self.score + 3 * 0.5) / (self.seeds + 3)

    @property
    def size(self) -> float:
        """Area in pixels, log2."""
        return math.log2(self.area_px + 4)


def measures(sights: Sequence[Sight]) -> tuple[float, ...]:
    """Features of the discriminants: certainty, density and size of nuclei, scale by scale."""
    return tuple(value for sight in sights for value in (sight.certainty, sight.density, sight.size))


def seen(side: Side, nuclei: int, sights: Sequence[Sight]) -> int:
    """Nuclei to judge by; where the mpp is too small most are missed, unless looked for at the finer scale."""
    return max(nuclei, sights[0].seeds) if side == "small" else nuclei


@dataclass(frozen=True)
class Discriminant:
    """Logarithm of the odds that the mpp is wrong; it is doubted above ``threshold``."""

    weights: tuple[float, ...]
    intercept: float
    threshold: float

    def value(self, sights: Sequence[Sight]) -> float:
        """Weigh up what was seen at `SCALES`."""
        return self.intercept + math.fsum(a * b for a, b in zip(self.weights, measures(sights), strict=True))


@dataclass(frozen=True)
class Guard:
    """What the mpp is judged by where a model found the nuclei.

    Attributes
    ----------
    sides
        The discriminants.
    surest
        Mean score of a slide's nuclei above which they are drawn, not scanned: the discriminants are not for such.
        Nuclei of synthetic slides of the third level are as large as if their mpp were twice the true one.
    """

    sides: Mapping[Side, Discriminant]
    surest: float


GUARDS: Final[Mapping[str, Guard]] = MappingProxyType(
    {
        # Mean scores: at most 0.786 on real images, at whatever mpp; at least 0.794 on synthetic ones at the right mpp.
        "open": Guard(
            {
                "small": Discriminant(
                    (4.33, 1.0126, 0.4366, -44.5802, 0.8229, -0.3369, 2.5443, -0.077, 0.0453),
                    16.6884,
                    1.6769,
                ),
                "large": Discriminant(
                    (-23.6795, 0.5283, 0.0408, 14.0472, -1.2896, -0.3147, 30.0624, -0.6486, 0.2711),
                    -6.5574,
                    0.0285,
                ),
            },
            surest=0.79,
        ),
        # Fitted to the `open` that it was trained from. Mean scores of that: at most 0.792 on real images, at whatever
        # mpp, and at least 0.807 on synthetic ones at the right mpp.
        "research": Guard(
            {
                "small": Discriminant(
                    (11.3644, 0.2381, 0.1287, -63.4909, 1.806, 0.1815, 14.5055, 0.0341, -0.2035),
                    15.7764,
                    2.5173,
                ),
                "large": Discriminant(
                    (-47.744, 1.3844, 0.6439, -5.8722, -2.9129, -0.3091, 50.5725, -0.2677, 0.4043),
                    6.8315,
                    0.6493,
                ),
            },
            surest=0.797,
        ),
    }
)


@dataclass(frozen=True)
class Doubt:
    """The mpp looks too small or too large: ``value`` exceeds ``threshold``, both logarithms of odds."""

    side: Side
    value: float
    threshold: float


def judge(model: str, nuclei: int, score: float, looks: Sequence[Mapping[str, Any]]) -> tuple[bool, Doubt | None]:
    """Say whether the mpp could be judged, and the doubt where there is one.

    Parameters
    ----------
    model
        Name of the nucleus model.
    nuclei
        How many nuclei the slide has.
    score
        Their mean score.
    looks
        The fields of a `Sight` for each of `SCALES`, in their order.
    """
    guard = GUARDS.get(model)
    if guard is None or score > guard.surest:
        return False, None
    sights = [Sight(**look) for look in looks]
    sides = {side: one for side, one in guard.sides.items() if seen(side, nuclei, sights) >= LEAST_NUCLEI}
    doubts = [Doubt(side, one.value(sights), one.threshold) for side, one in sides.items()]
    worst = max(doubts, key=lambda doubt: doubt.value - doubt.threshold, default=None)
    return bool(doubts), worst if worst is not None and worst.value > worst.threshold else None
