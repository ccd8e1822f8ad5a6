"""DICOM slides: several files are one slide, whichever of them the sheet names."""

from pathlib import Path

import numpy as np
import pytest

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import identify, slide_files
from pathopipe.slide import open_slide
from tests.slide.files import scene

dicom = pytest.importorskip("tests.slide.dicom", exc_type=ImportError)
IMAGE = scene(600, 800)


@pytest.mark.parametrize("number", range(5))
def test_any_file_or_the_folder_names_the_slide(number: int, tmp_path: Path) -> None:
    files = dicom.write_series(tmp_path, IMAGE, "1.2.3.4")
    (tmp_path / "readme.txt").write_text("not a part of it")
    path = [*files, tmp_path][number]
    assert slide_files(path) == files
    with open_slide(path) as slide:
        assert slide.backend.format == "dicom"
        stored = [level for level in slide.backend.levels if level.scale == 1]
        assert [(level.width, level.height) for level in stored] == [(800, 600), (400, 300)]
        assert (slide.mpp.x, slide.mpp.y) == (0.5, 0.5)
        pixels = slide.read(slide.grid(0.5), 0, 0, 800, 600)
    assert np.abs(pixels.astype(int) - IMAGE).mean() < 3


def test_another_series_in_the_folder_is_another_slide(tmp_path: Path) -> None:
    first = dicom.write_series(tmp_path, IMAGE, "1.2.3.4", prefix="x_")
    before = identify(first[1])
    second = dicom.write_series(tmp_path, 255 - IMAGE, "1.2.3.5", prefix="y_")
    assert identify(first[1]) == before
    assert slide_files(second[0]) == second
    with pytest.raises(SlideRejectedError, match="2 DICOM series"):
        open_slide(tmp_path)
    with open_slide(second[0]) as slide:
        pixels = slide.read(slide.grid(0.5), 0, 0, 800, 600)
    assert np.abs(pixels.astype(int) - (255 - IMAGE)).mean() < 3
