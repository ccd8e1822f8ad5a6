import numpy as np
import pytest
import shapely

from pathopipe.reporting.bins import Window
from pathopipe.reporting.views import CROP_UM, Nuclei, crop_side_um, field_of_view, near, nucleus_crop
from pathopipe.slide import open_slide
from tests.stages.finished_slide import MPP, draw_slide


def test_nuclei_are_near_a_field_when_its_border_may_cut_them():
    x, y = np.array([99.0, 100, 149, 150, 154, 156]), np.full(6, 20.0)
    window = Window("densest", 100, 0, 50, 40)
    assert near(window, x, y, reach=0.0).tolist() == [False, True, True, False, False, False]
    assert near(window, x, y).tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize(
    ("areas", "side"),
    [
        ([], CROP_UM[0]),
        ([10.0], CROP_UM[0]),
        ([200.0] * 48, 28.0),
        ([30.0] * 47 + [5000.0], CROP_UM[0]),
        ([5e4], CROP_UM[1]),
    ],
)
def test_the_side_of_the_gallery_fits_most_nuclei(areas, side):
    assert crop_side_um(np.array(areas)) == side


def test_a_crop_has_its_nucleus_in_the_middle(tmp_path):
    x, y, radius = draw_slide(tmp_path / "s.png", (300, 200), 10)[3]
    ring = shapely.to_wkb(shapely.Point(x + 0.5, y + 0.5).buffer(radius))
    nuclei = Nuclei(*(np.array([value]) for value in (3, x + 0.5, y + 0.5, 30.0)), np.array([ring], dtype=object))
    with open_slide(tmp_path / "s.png", (MPP, MPP)) as slide:
        crop = nucleus_crop(slide, nuclei, 0, 24.0)
    assert (crop.picture.width, crop.picture.height) == (48, 48)
    assert crop.outline.points[:-1].mean(axis=0) == pytest.approx((24, 24), abs=1.0)
    assert crop.outline.nucleus_id == 3


def test_a_field_says_what_its_density_is_counted_over(tmp_path):
    draw_slide(tmp_path / "s.png", (300, 200), 10)
    ring = shapely.to_wkb(shapely.Point(20, 20).buffer(5))
    nuclei = Nuclei(np.arange(2), *(np.array([20.0, 20.0]) for _ in range(3)), np.array([ring, ring], dtype=object))
    with open_slide(tmp_path / "s.png", (0.5, 0.5)) as slide:
        field = field_of_view(slide, Window("whole", 0, 0, 200, 100), nuclei)
    # 2 nuclei on 100 x 50 um.
    assert {fact.label: fact.value for fact in field.facts}["Density"] == "400\u202fper mm² of field"
