"""Shape of the outline and of what it encloses: the group `shape`."""

from types import MappingProxyType
from typing import Final

from pathopipe.ops.contour import CONCAVE_PER_UM
from pathopipe.ops.moments import ZERNIKE
from pathopipe.results.schemas.column import Column

_SMOOTH: Final = "64 points along the outline, smoothed by a Gaussian of 1 µm"
_HARMONICS: Final = MappingProxyType(
    {
        2: "coarsest departure from a form that is the same after half a turn: an egg, a bean; 0 for a circle",
        3: "third harmonic of the outline: long and angular forms; 0 for a circle",
        4: "fourth harmonic of the outline: uneven lobes; 0 for a circle",
        5: "fifth harmonic of the outline: finer waves and corners; 0 for a circle",
        6: "sixth harmonic of the outline: fine uneven waves; 0 for a circle",
        7: "seventh harmonic of the outline: the finest waves described; 0 for a circle",
    }
)
_FORMS: Final = MappingProxyType(
    {
        0: "how the area is spread between center and rim",
        1: "how lopsided the form is",
        2: "how elongated the form is",
        3: "how three-cornered the form is",
        4: "how four-cornered the form is",
        5: "how five-cornered the form is",
        6: "how six-cornered the form is",
    }
)


def _column(
    name: str, unit: str, label: str, meaning: str, formula: str, limits: str = "0 or more", source: str = ""
) -> Column:
    return Column(name, "float32", unit, meaning, label, formula=formula, source=source, range=limits)


SHAPE: Final = (
    _column(
        "equivalent_diameter_um", "µm", "Equivalent diameter", "diameter of the disc of the same area", "2 √(area / π)"
    ),
    _column(
        "feret_max_um",
        "µm",
        "Largest Feret diameter",
        "largest width in any direction",
        "largest distance of two parallel tangents",
        source="Feret 1931",
    ),
    _column(
        "feret_min_um",
        "µm",
        "Smallest Feret diameter",
        "smallest width in any direction",
        "smallest distance of two parallel tangents",
        source="Feret 1931",
    ),
    _column("convex_area_um2", "µm²", "Convex area", "area of the convex hull", "of the polygon that is stored"),
    _column(
        "extent",
        "",
        "Extent",
        "share of the upright bounding box that the nucleus fills",
        "pixels / pixels of the upright bounding box",
        "0 to 1",
    ),
    _column(
        "rectangularity",
        "",
        "Rectangularity",
        "share of the smallest rectangle around it, in any direction, that the nucleus fills",
        "area / area of that rectangle",
        "0 to 1",
        "Freeman and Shapira 1975",
    ),
    _column("elongation", "", "Elongation", "0 for a circle, 1 for a line", "1 − minor axis / major axis", "0 to 1"),
    _column(
        "compactness",
        "",
        "Compactness",
        "1 for a disc, less the more the area is spread out",
        "area² / (2π times the second moment about the centroid)",
        "0 to 1",
        "Žunić, Hirota and Rosin 2010",
    ),
    _column(
        "convexity",
        "",
        "Convexity",
        "1 where the outline has no dents",
        f"perimeter of the convex hull / perimeter; {_SMOOTH}",
        "0 to 1",
    ),
    _column(
        "inscribed_radius_um",
        "µm",
        "Inscribed radius",
        "radius of the largest circle inside, to half a pixel",
        "largest distance of a pixel's center from outside",
    ),
    _column(
        "radius_mean_um",
        "µm",
        "Radius, mean",
        "mean distance from the centroid to the outline",
        "over 64 points at equal distances along the outline",
    ),
    _column(
        "radius_cv",
        "",
        "Radius, CV",
        "how unequal the distances from the centroid to the outline are",
        "SD / mean over 64 points at equal distances along the outline",
    ),
    _column(
        "curvature_mean_per_um",
        "per µm",
        "Curvature, mean",
        "how sharply the outline bends on average",
        f"mean of the curvature without its sign; {_SMOOTH}",
        source="Menger 1930",
    ),
    _column(
        "curvature_sd_per_um",
        "per µm",
        "Curvature, SD",
        "how unequally the outline bends",
        f"SD of the curvature, with its sign; {_SMOOTH}",
        source="Menger 1930",
    ),
    _column(
        "curvature_max_per_um",
        "per µm",
        "Curvature, largest",
        "how sharp the sharpest corner is",
        f"largest curvature; {_SMOOTH}",
        "",
        "Menger 1930",
    ),
    _column(
        "concave_share",
        "",
        "Concave share",
        "share of the outline that bends inwards: notches and grooves",
        f"share of the length with a curvature below −{CONCAVE_PER_UM:g} per µm; {_SMOOTH}",
        "0 to 1",
    ),
    _column(
        "bending_energy",
        "",
        "Bending energy",
        "1 for a circle, more the more an outline is bent",
        f"mean squared curvature times (perimeter / 2π)²; {_SMOOTH}",
        "1 or more",
        "Young, Walker and Bowie 1974",
    ),
    _column(
        "orientation_deg",
        "°",
        "Orientation",
        "direction of the major axis, from x (right) towards y (down); none for a circle",
        "of the ellipse with the same second moments",
        "0 to 180",
    ),
    *(
        _column(
            f"fourier_{harmonic}",
            "",
            f"Fourier harmonic {harmonic}",
            meaning,
            f"energy of harmonic {harmonic} of the elliptic Fourier series / energy of the first",
            source="Kuhl and Giardina 1982",
        )
        for harmonic, meaning in _HARMONICS.items()
    ),
    *(
        _column(
            f"zernike_{order}{repetition}",
            "",
            f"Zernike moment {order}, {repetition}",
            _FORMS[repetition] + ("" if order == max(repetition, 2) else f" (order {order}: finer)"),
            "magnitude of the Zernike moment in the disc that reaches the farthest pixel, over the area",
            source="Teague 1980",
        )
        for order, repetition in ZERNIKE
    ),
)
