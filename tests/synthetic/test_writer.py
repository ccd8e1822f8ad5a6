import subprocess
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest

from pathopipe.errors import RefusalError
from pathopipe.synthetic import Scene, render, write_slide

SCENE = Scene(1310, 901, mpp=0.4, seed=6)

PEAK = """
import resource, sys
from pathlib import Path
from pathopipe.synthetic import Scene, write_slide

def write(width, height):
    write_slide(Scene(width, height, seed=1), Path(sys.argv[1]) / "slide.tif", levels=3)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small = write(2100, 600)
print(write(20000, 4000) - small)
"""


def pixels(slide: openslide.OpenSlide, level: int) -> np.ndarray:
    return np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]).convert("RGB"))


@pytest.mark.parametrize(("levels", "downsample"), [(1, 4), (3, 4), (4, 2)])
def test_openslide_opens_it_with_size_levels_and_mpp(tmp_path: Path, levels: int, downsample: int) -> None:
    path = tmp_path / "slide.tif"
    write_slide(SCENE, path, levels=levels, downsample=downsample)
    assert openslide.OpenSlide.detect_format(path) == "generic-tiff"
    with openslide.OpenSlide(path) as slide:
        assert slide.level_dimensions == tuple((1310 // downsample**n, 901 // downsample**n) for n in range(levels))
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_X]) == pytest.approx(0.4)
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_Y]) == pytest.approx(0.4)


@pytest.mark.parametrize("tile", [64, 256])
def test_every_level_shows_the_scene(tmp_path: Path, tile: int) -> None:
    path = tmp_path / "slide.tif"
    write_slide(SCENE, path, levels=3, downsample=4, tile=tile, quality=95)
    expected = render(SCENE, 0, 0, 1310, 901).astype(float)
    with openslide.OpenSlide(path) as slide:
        for level in range(3):
            shown = pixels(slide, level)
            # Brightness only: JPEG halves the resolution of color.
            assert np.abs((shown - expected).mean(-1)).mean() < 2
            height, width = shown.shape[0] // 4, shown.shape[1] // 4
            expected = expected[: 4 * height, : 4 * width].reshape(height, 4, width, 4, 3).mean((1, 3))


def test_a_slide_wider_than_a_chunk_has_no_seams(tmp_path: Path) -> None:
    scene = Scene(4500, 300, seed=2, tissue="field")
    write_slide(scene, tmp_path / "slide.tif", levels=2, downsample=2, quality=95)
    with openslide.OpenSlide(tmp_path / "slide.tif") as slide:
        shown = pixels(slide, 1).astype(float)
    full = render(scene, 0, 0, 4500, 300).astype(float)
    error = np.abs(shown - full.reshape(150, 2, 2250, 2, 3).mean((1, 3))).mean((0, 2))
    assert error.max() < 6


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.tif", "two.tif"):
        write_slide(SCENE, tmp_path / name, levels=2)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_progress_counts_every_row_of_tiles(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_slide(SCENE, tmp_path / "slide.tif", levels=1, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    "settings", [{"tile": 100}, {"downsample": 3}, {"quality": 0}, {"levels": 0}, {"levels": 6}], ids=str
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(RefusalError):
        write_slide(SCENE, tmp_path / "slide.tif", **settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_memory_does_not_grow_with_the_slide(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    # The slide has 229 MB of pixels, a row of its tiles 15 MB.
    assert float(done.stdout) < 60
