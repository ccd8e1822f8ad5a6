"""What is where on a synthetic slide: a scene, its stain, and the layout of its tissue.

The tissue is a plane without bounds, in micrometers; a scene is a window on it. What lies at a place is a pure function
of the scene's settings and that place, never of the window's position.
"""

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from pathopipe.errors import RefusalError
from pathopipe.synthetic.noise import gradient_noise, hash_cell, layered_noise, unit
from pathopipe.units import MAX_MPP, MIN_MPP

LARGEST_ISLAND_UM = 4000.0
USUAL_DENSITY = {1: 3200.0, 2: 2400.0, 3: 1900.0}
NEST_UM = 110.0
# Noise above this is epithelium (about 6 tenths of the tissue); far above it the nests open to a gland's lumen.
NEST_LEVEL = -0.12
LUMEN_LEVEL = {1: 0.62, 2: 0.82, 3: 1.1}
EVERYWHERE_UM = 1e6

Vector = tuple[float, float, float]
Pleomorphism = Literal[1, 2, 3]


@dataclass(frozen=True)
class Stain:
    """Color of a slide: unit vectors of optical density (R, G, B), strengths of the stains, color of clear glass."""

    hematoxylin: Vector
    eosin: Vector
    hematoxylin_strength: float
    eosin_strength: float
    glass: Vector


class Layout(NamedTuple):
    """The layout of the tissue, as compiled functions need it."""

    seed: np.uint64
    island_um: float  # 0: tissue everywhere
    lumen_level: float
    fiber_cos: float
    fiber_sin: float


@dataclass(frozen=True)
class Scene:
    """A synthetic H&E slide.

    Attributes
    ----------
    width_px, height_px
        Size at level 0.
    mpp
        Micrometers per pixel.
    seed
        Everything random follows from it: the tissue, the nuclei, the stain, the noise of the sensor.
    pleomorphism
        1 (small, even, pale nuclei), 2 or 3 (large, uneven, dark nuclei with nucleoli).
    density
        Nuclei per square millimeter of tissue, on average over large areas; None is what is usual at the pleomorphism.
    tissue
        ``islands`` on white glass, or a ``field`` of view that is tissue everywhere.
    stain_variation
        How far the stain strays from the reference with the seed; 0 is the reference itself.
    origin_x, origin_y
        Place of the slide's first pixel on the plane, in pixels.
    """

    width_px: int
    height_px: int
    mpp: float = 0.5
    seed: int = 0
    pleomorphism: Pleomorphism = 2
    density: float | None = None
    tissue: Literal["islands", "field"] = "islands"
    stain_variation: float = 1.0
    origin_x: int = 0
    origin_y: int = 0

    def __post_init__(self) -> None:
        checks = {
            f"width_px and height_px must be at least 1, not {self.width_px} x {self.height_px}.": min(
                self.width_px, self.height_px
            )
            >= 1,
            f"mpp must lie between {MIN_MPP} and {MAX_MPP}, not {self.mpp}.": MIN_MPP <= self.mpp <= MAX_MPP,
            f"pleomorphism must be 1, 2 or 3, not {self.pleomorphism}.": self.pleomorphism in {1, 2, 3},
            f"tissue must be 'islands' or 'field', not {self.tissue!r}.": self.tissue in {"islands", "field"},
            f"density must not be negative, as {self.density} is.": self.nuclei_per_mm2 >= 0,
            f"stain_variation must lie between 0 and 2, not {self.stain_variation}.": 0 <= self.stain_variation <= 2,
        }
        problems = [f"Synthetic slide: {sentence}" for sentence, holds in checks.items() if not holds]
        if problems:
            raise RefusalError(*problems)

    def shifted(self, dx: int, dy: int) -> "Scene":
        """Return the scene whose pixel (x, y) shows what this one shows at (x + dx, y + dy)."""
        return dataclasses.replace(self, origin_x=self.origin_x + dx, origin_y=self.origin_y + dy)

    @property
    def nuclei_per_mm2(self) -> float:
        """Nuclei per square millimeter of tissue: the density asked for or the usual one."""
        return USUAL_DENSITY.get(self.pleomorphism, 0.0) if self.density is None else self.density

    @property
    def layout(self) -> Layout:
        """The layout of the tissue; islands are as large as the shorter side of the slide, at most 4 mm."""
        side = min(LARGEST_ISLAND_UM, min(self.width_px, self.height_px) * self.mpp)
        angle = math.pi * draw(self.seed, "fiber angle")
        return Layout(
            seed=np.uint64(int(draw(self.seed, "tissue") * 2**53)),
            island_um=side if self.tissue == "islands" else 0.0,
            lumen_level=LUMEN_LEVEL[self.pleomorphism],
            fiber_cos=math.cos(angle),
            fiber_sin=math.sin(angle),
        )

    @property
    def stain(self) -> Stain:
        """The slide's stain: between a blue and a purple hematoxylin, a rose and a salmon eosin, weak and strong."""
        blue, rose, strong_h, strong_e, tint = (
            0.5 + self.stain_variation * (draw(self.seed, what) - 0.5)
            for what in ("blue", "rose", "hematoxylin", "eosin", "glass")
        )
        return Stain(
            hematoxylin=_blend((0.60, 0.72, 0.35), (0.70, 0.66, 0.27), blue),
            eosin=_blend((0.08, 0.89, 0.44), (0.12, 0.84, 0.53), rose),
            hematoxylin_strength=0.82 + 0.36 * strong_h,
            eosin_strength=0.80 + 0.40 * strong_e,
            glass=(242.0 + 5 * tint, 242.0 + 3 * tint, 243.0 + 2 * tint),
        )


def draw(seed: int, what: str) -> float:
    """Return the uniform number in [0, 1) that a seed gives for a named purpose."""
    digest = hashlib.blake2b(f"{seed}/{what}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) / 2**53


def _blend(first: Vector, second: Vector, share: float) -> Vector:
    mixed = [a + share * (b - a) for a, b in zip(first, second, strict=True)]
    length = math.hypot(*mixed)
    return (mixed[0] / length, mixed[1] / length, mixed[2] / length)


@njit(cache=True)
def _island(layout: Layout, column: int, row: int, x: float, y: float) -> float:
    """Return how deep a place lies in the island of one cell, as a share of the island's radius."""
    word = hash_cell(layout.seed + np.uint64(11), column, row)
    center_x = (column + 0.42 + 0.16 * unit(word, 0)) * layout.island_um
    center_y = (row + 0.42 + 0.16 * unit(word, 1)) * layout.island_um
    stretch = 0.85 + 0.3 * unit(word, 2)
    radius = (0.36 + 0.07 * unit(word, 3)) * layout.island_um
    return 1.0 - math.sqrt(((x - center_x) * stretch) ** 2 + ((y - center_y) / stretch) ** 2) / radius


@njit(cache=True)
def _island_depth(layout: Layout, x: float, y: float) -> float:
    """Return about how far a place lies within tissue, in micrometers; negative on glass."""
    size = layout.island_um
    if size == 0.0:
        return EVERYWHERE_UM
    column, row = math.floor(x / size), math.floor(y / size)
    depth = -9.0
    for j in range(row - 1, row + 2):
        for i in range(column - 1, column + 2):
            depth = max(depth, _island(layout, i, j, x, y))
    bays = 0.22 * layered_noise(layout.seed + np.uint64(20), x / (0.3 * size), y / (0.3 * size), 3)
    return (depth + bays) * 0.4 * size + 14.0 * layered_noise(layout.seed + np.uint64(30), x / 60.0, y / 60.0, 2)


@njit(cache=True)
def terrain(layout: Layout, x: float, y: float) -> tuple[float, float]:
    """Return the depth of a place (x, y in micrometers) within tissue and within epithelium, in about micrometers."""
    nest = layered_noise(layout.seed + np.uint64(40), x / NEST_UM, y / NEST_UM, 3)
    tissue = min(_island_depth(layout, x, y), (layout.lumen_level - nest) * 0.5 * NEST_UM)
    return tissue, (nest - NEST_LEVEL) * 0.5 * NEST_UM


@njit(cache=True)
def fiber_wave(layout: Layout, x: float, y: float) -> float:
    """Return by how many micrometers the stroma's fibers are bent aside at a place."""
    wide = 190.0 * gradient_noise(layout.seed + np.uint64(50), x / 620.0, y / 620.0)
    middle = 24.0 * gradient_noise(layout.seed + np.uint64(51), x / 130.0, y / 130.0)
    return wide + middle + 5.0 * gradient_noise(layout.seed + np.uint64(52), x / 30.0, y / 30.0)


@njit(cache=True)
def tone(layout: Layout, x: float, y: float) -> float:
    """Return the local strength of the stain, around 1: a section is never stained or cut quite evenly."""
    return 1.0 + 0.13 * layered_noise(layout.seed + np.uint64(60), x / 350.0, y / 350.0, 2)
