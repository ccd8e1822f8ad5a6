"""The colors of the pages: contrast after WCAG 2.2, in light, dark and print, and grades told apart without color."""

import itertools
import re

import pytest

from pathopipe.reporting.pages import source

TEXT = 4.5
"""Least contrast of text (WCAG 1.4.3)."""
MARK = 3.0
"""Least contrast of what is needed to see a figure (WCAG 1.4.11)."""
ON_GROUNDS = [(words, ground) for words in ("ink", "muted", "accent") for ground in ("card", "ground", "sunk")]
PAIRS = [
    *((*pair, TEXT) for pair in ON_GROUNDS),
    *((kind, f"{kind}-ground", TEXT) for kind in ("good", "warn", "bad")),
    ("on-accent", "accent", TEXT),
    ("median", "card", TEXT),
    ("muted", "warn-ground", TEXT),
    ("bar", "card", MARK),
    ("accent", "card", MARK),
]


def palettes() -> dict[str, dict[str, str]]:
    """Colors by name, of each scheme; dark and print name only what differs."""
    light, dark, printed = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", source("style.css"), re.DOTALL)
    )
    return {"light": light, "dark": light | dark, "print": light | printed}


def luminance(color: str) -> float:
    """Relative luminance of ``#rgb`` or ``#rrggbb``."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000", "#fff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_and_marks_can_be_read(scheme):
    colors = palettes()[scheme]
    low = [
        (one, other, contrast(colors[one], colors[other]))
        for one, other, least in PAIRS
        if contrast(colors[one], colors[other]) < least
    ]
    assert low == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_grades_are_told_apart_by_lightness_alone(scheme):
    colors = palettes()[scheme]
    shades = [colors[f"g{place}"] for place in range(4)]
    steps = [contrast(one, other) for one, other in itertools.pairwise(shades)]
    assert [luminance(shade) for shade in shades] == sorted(map(luminance, shades), reverse=True)
    assert min(steps) > 1.4
