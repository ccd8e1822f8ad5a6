"""Size and the plainest shape: always measured."""

from typing import Final

from pathopipe.results.schemas.column import Column

SIZE: Final = (
    Column(
        "area_um2",
        "float64",
        "µm²",
        "area inside the outline",
        "Nuclear area",
        formula="pixels times the area of a pixel",
        range="above 0",
    ),
    Column(
        "perimeter_um",
        "float64",
        "µm",
        "length of the outline (Crofton estimate)",
        "Perimeter",
        formula="half the crossings with lines in four directions, weighted by their angles and spacings",
        source="Legland, Kiêu and Devaux 2007",
        range="above 0",
    ),
    Column(
        "major_axis_um",
        "float64",
        "µm",
        "length of the ellipse with the same second moments",
        "Major axis",
        formula="4 √(largest eigenvalue of the covariance of the pixels)",
        range="0 or more",
    ),
    Column(
        "minor_axis_um",
        "float64",
        "µm",
        "width of the ellipse with the same second moments",
        "Minor axis",
        formula="4 √(smallest eigenvalue of the covariance of the pixels)",
        range="0 or more",
    ),
    Column(
        "eccentricity",
        "float64",
        "",
        "0 for a circle, close to 1 for a spindle",
        "Eccentricity",
        formula="√(1 − (minor axis / major axis)²)",
        range="0 to 1",
    ),
    Column(
        "solidity",
        "float64",
        "",
        "share of the convex hull that the nucleus fills; 1 is convex",
        "Solidity",
        formula="area / area of the convex hull, both of the outline through the midpoints of pixel edges",
        range="0 to 1",
    ),
    Column(
        "circularity",
        "float64",
        "",
        "4π area / perimeter²; 1 for a circle, lower for irregular outlines",
        "Circularity",
        formula="4π area / perimeter², at most 1",
        source="Cox 1927",
        range="0 to 1",
    ),
)
