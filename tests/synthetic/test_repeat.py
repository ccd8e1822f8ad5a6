"""Large slides by repetition."""

from pathlib import Path

import numpy as np
import openslide
import pytest

from pathopipe.errors import RefusalError
from pathopipe.synthetic import Scene, repeat_slide, write_slide


def test_every_level_shows_the_source_again_and_again(tmp_path: Path) -> None:
    source, target = tmp_path / "one.tiff", tmp_path / "many.tiff"
    write_slide(Scene(512, 512, mpp=0.25, seed=2, tissue="field"), source, levels=2, downsample=2)
    repeat_slide(source, target, across=3, down=2)
    one, many = openslide.OpenSlide(source), openslide.OpenSlide(target)
    assert many.level_dimensions == ((1536, 1024), (768, 512))
    assert float(many.properties["openslide.mpp-x"]) == pytest.approx(0.25)
    for level, side in enumerate((512, 256)):
        tile = np.asarray(one.read_region((0, 0), level, (side, side)))
        whole = np.asarray(many.read_region((0, 0), level, (3 * side, 2 * side)))
        np.testing.assert_array_equal(whole, np.tile(tile, (2, 3, 1)))


def test_a_source_that_ends_within_a_tile_is_refused(tmp_path: Path) -> None:
    write_slide(Scene(500, 512, tissue="field"), tmp_path / "one.tiff", levels=1)
    with pytest.raises(RefusalError, match="whole tiles"):
        repeat_slide(tmp_path / "one.tiff", tmp_path / "many.tiff", 2, 2)
