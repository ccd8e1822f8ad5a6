import re
from dataclasses import replace

import numpy as np
import pytest

from pathopipe.reporting import pictures
from pathopipe.reporting.bins import Window
from pathopipe.reporting.overview import Overview

PIXELS = pictures.jpeg(np.full((30, 40, 3), 200, np.uint8))
RING = np.array([(50, 50), (200, 50), (205, 180), (50, 50)], float)
OVERVIEW = Overview(PIXELS, 400, 300, 0.5, (RING,))


def test_the_density_is_clipped_to_the_tissue_and_spans_its_extent():
    heat = pictures.png(pictures.heat(np.ones((3, 4)), 1.0))
    overview = replace(OVERVIEW, density=heat, density_extent_px=(480, 330), density_maximum=2000.0)
    drawing = str(overview.density_map)
    assert '<image href="data:image/png' in drawing
    assert 'width="48" height="33"' in drawing
    assert 'clip-path="url(#tissue-only)"' in drawing
    assert "0 to 2,000" in drawing
    assert OVERVIEW.density_map is None


def test_tissue_is_outlined_where_it_lies():
    assert '<path d="M50 50l150 0 5 130z" class="tissue" transform="scale(0.1)">' in str(OVERVIEW.tissue_map)


def test_a_frame_that_would_be_too_small_grows_around_its_center():
    overview = replace(OVERVIEW, width_px=100_000, height_px=75_000)
    window = Window("densest", 50_000, 37_000, 100, 100)
    drawing = str(replace(overview, windows=(window,)).tissue_map)
    x, width = map(
        float, re.search(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*class="frame"', drawing).groups()
    )
    assert width == pytest.approx(1.0)
    assert x + width / 2 == pytest.approx(20.02, abs=0.01)


def test_the_whole_image_is_not_framed():
    overview = replace(OVERVIEW, windows=(Window("whole", 0, 0, 400, 300),))
    assert "frame" not in overview.tissue_map
