"""Colors that are not those of H&E are told or rejected; real and synthetic H&E is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
import tifffile
from PIL import Image

from pathopipe.caveats import STOPS_GRADE
from pathopipe.jobs.execution import execute
from pathopipe.ops.stain import Stains, densities
from pathopipe.pipeline import TissueSettings
from pathopipe.samples import Sample
from pathopipe.slide import open_slide
from pathopipe.synthetic import Scene, write_slide
from tests.slide.files import write_svs

DAB = (0.268, 0.570, 0.776)
METHYL_BLUE = (0.800, 0.591, 0.105)
IHC = Path(skimage.__file__).parent / "data" / "ihc.png"

RGB = np.ndarray


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> RGB:
    """Synthetic tissue with glass around it."""
    path = tmp_path_factory.mktemp("guards") / "slide.tiff"
    write_slide(Scene(1600, 1200, mpp=0.5, seed=4, pleomorphism=2), path, levels=1)
    return tifffile.imread(path)


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> RGB:
    """Synthetic tissue without glass."""
    path = tmp_path_factory.mktemp("guards") / "field.tiff"
    write_slide(Scene(600, 500, mpp=0.5, seed=2, tissue="field"), path, levels=1)
    return tifffile.imread(path)


def tissue(folder: Path, image: RGB | Path, **settings: Any) -> dict[str, Any]:
    path = image if isinstance(image, Path) else folder / "image.png"
    if not isinstance(image, Path):
        Image.fromarray(image).save(path)
    return execute("tissue", "s", folder / "results", TissueSettings(**settings), Sample("s", path, mpp=(0.5, 0.5)))


def stopping(manifest: dict[str, Any]) -> list[str]:
    return [entry["code"] for entry in manifest["quality"] if entry["code"] in STOPS_GRADE]


def stained(image: RGB, other: tuple[float, float, float]) -> RGB:
    """Another stain in place of eosin."""
    nuclei, rest = densities(image, Stains())
    vectors = np.array([Stains().hematoxylin, np.array(other) / np.linalg.norm(other)])
    amounts = np.stack([0.7 * nuclei, 2 * rest], axis=-1)
    return np.clip(np.rint(255 * 10 ** -(amounts @ vectors)), 0, 255).astype(np.uint8)


def ycbcr(image: RGB) -> RGB:
    return np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]])


def rgb_for_ycbcr(image: RGB) -> RGB:
    return cv2.cvtColor(np.ascontiguousarray(image[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)


def gray(image: RGB) -> RGB:
    return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def glowing(image: RGB) -> RGB:
    """Bright nuclei in blue, and dim tissue in red and green, as in fluorescence."""
    nuclei, rest = np.clip(densities(image, Stains()), 0, 1)
    channels = (40 + 90 * rest, 30 + 170 * rest, 60 + 190 * nuclei)
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["slide", "field"])
def test_synthetic_tissue_has_the_colors_of_h_and_e(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    manifest = tissue(tmp_path, request.getfixturevalue(kind))
    assert manifest["state"] == "done"
    assert stopping(manifest) == []


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"])
def test_real_slides_have_the_colors_of_h_and_e(shared_data: Path, tmp_path: Path, name: str) -> None:
    assert stopping(tissue(tmp_path, shared_data / "slides" / name)) == []


def test_mixed_up_colors_of_a_real_slide_are_noticed(shared_data: Path, tmp_path: Path) -> None:
    real = tifffile.imread(shared_data / "slides" / "CMU-1-Small-Region.svs", key=0)[:1500, :1200]
    assert stopping(tissue(tmp_path, np.ascontiguousarray(real[..., ::-1]))) == ["implausible_color"]
    assert "the values are YCbCr" in tissue(tmp_path, ycbcr(real))["reason"]


def test_real_immunohistochemistry_is_not_taken_for_h_and_e(tmp_path: Path) -> None:
    manifest = tissue(tmp_path, IHC)
    (entry,) = [entry for entry in manifest["quality"] if entry["code"] in STOPS_GRADE]
    assert entry["code"] == "not_he"
    assert "immunohistochemistry" in entry["message"]
    assert entry["value"] > 0.5 > entry["threshold"]


@pytest.mark.parametrize("kind", ["slide", "field"])
@pytest.mark.parametrize(
    "change",
    [lambda image: stained(image, DAB), lambda image: stained(image, METHYL_BLUE), glowing],
    ids=["DAB", "methyl blue", "fluorescence"],
)  # fmt: skip
def test_other_stains_leave_a_slide_without_a_grade(
    kind: str, change: Callable[[RGB], RGB], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert stopping(tissue(tmp_path, change(request.getfixturevalue(kind)))) == ["not_he"]


@pytest.mark.parametrize("kind", ["slide", "field"])
@pytest.mark.parametrize("order", ["BGR", "RBG", "GRB", "GBR", "BRG"])
def test_swapped_channels_leave_a_slide_without_a_grade(
    kind: str, order: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    image = request.getfixturevalue(kind)[..., ["RGB".index(channel) for channel in order]]
    (code,) = stopping(tissue(tmp_path, np.ascontiguousarray(image)))
    assert code == "implausible_color" if order == "BGR" else code in {"implausible_color", "not_he"}


def test_a_negative_is_not_graded(field: RGB, tmp_path: Path) -> None:
    manifest = tissue(tmp_path, 255 - field)
    assert manifest["state"] == "rejected" or stopping(manifest) == ["implausible_color"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (ycbcr, "YCbCr, but the file says that they are RGB"),
        (rgb_for_ycbcr, "RGB, but the file says that they are YCbCr"),
    ],
)
def test_a_background_that_no_glass_has_is_rejected(slide: RGB, tmp_path: Path, change: Any, words: str) -> None:
    manifest = tissue(tmp_path, change(slide))
    assert manifest["state"] == "rejected"
    assert words in manifest["reason"]


def test_without_glass_ycbcr_is_a_doubt(field: RGB, tmp_path: Path) -> None:
    manifest = tissue(tmp_path, ycbcr(field))
    assert manifest["state"] == "done"
    assert stopping(manifest)[0] in {"implausible_color", "not_he"}


@pytest.mark.parametrize("color", [(235, 150, 190), (240, 140, 150), (250, 180, 215), (200, 190, 240)])
def test_smooth_stained_tissue_is_no_background(field: RGB, tmp_path: Path, color: tuple[int, int, int]) -> None:
    """Colloid, keratin, blood, mucus."""
    image = field.copy()
    image[100:420, 100:500] = color
    assert tissue(tmp_path, image)["state"] == "done"


@pytest.mark.parametrize("color", [(255, 255, 120), (120, 255, 255), (130, 235, 130)])
def test_glass_of_other_colors_is_rejected(slide: RGB, tmp_path: Path, color: tuple[int, int, int]) -> None:
    image = slide.copy()
    image[slide.min(axis=2) > 225] = color
    assert "is not a color that glass can have: its channels are mixed up" in tissue(tmp_path, image)["reason"]


def test_an_image_in_gray_says_what_to_do(slide: RGB, tmp_path: Path) -> None:
    manifest = tissue(tmp_path, gray(slide))
    assert manifest["state"] == "rejected"
    assert "export the slide in color" in manifest["reason"]
    write_svs(tmp_path / "gray.svs", gray(slide), mpp=0.5, compression="jpeg")
    assert "in color" in tissue(tmp_path, tmp_path / "gray.svs")["reason"]


def cores(path: Path, diameter_um: float) -> Path:
    """Round cores of a tissue microarray on glass."""
    image = np.full((1500, 2000, 3), 243, np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    for x in range(200, 2000, 400):
        for y in range(200, 1500, 400):
            cv2.circle(mask, (x, y), round(diameter_um), 1, -1)  # 0.5 mpp
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    tissue_pixels = np.clip(noise + np.array((215, 150, 190)), 0, 255).astype(np.uint8)
    image[mask > 0] = tissue_pixels[mask > 0]
    Image.fromarray(image).save(path)
    return path


def test_cores_that_are_too_small_name_the_setting(tmp_path: Path) -> None:
    path = cores(tmp_path / "tma.png", 120)
    manifest = tissue(tmp_path, path)
    assert manifest["state"] == "rejected"
    assert "tissue.min_area_mm2, 0.02 mm2" in manifest["reason"]
    assert tissue(tmp_path, path, min_area_mm2=0.005)["state"] == "done"


def test_a_blank_slide_names_the_setting_too(tmp_path: Path) -> None:
    reason = tissue(tmp_path, np.full((600, 800, 3), 243, np.uint8))["reason"]
    assert "blank" in reason
    assert "tissue.min_area_mm2" in reason


def test_all_warnings_have_number_and_threshold(tmp_path: Path) -> None:
    manifest = tissue(tmp_path, IHC)
    assert manifest["quality"]
    for entry in manifest["quality"]:
        assert set(entry) == {"code", "message", "value", "threshold"}
        assert isinstance(entry["value"], int | float)


def blurred(image: RGB, mpp: float, sigma_um: float) -> RGB:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_um / mpp), np.uint8)


def real(shared_data: Path, name: str) -> tuple[RGB, float]:
    """The middle of a real slide, at most 700 um wide, at its own resolution."""
    with open_slide(shared_data / name) as slide:
        grid = slide.grid(slide.mpp.x)
        width, height = (min(side, round(700 / slide.mpp.x)) for side in (grid.width, grid.height))
        return slide.read(grid, (grid.width - width) // 2, (grid.height - height) // 2, width, height), slide.mpp.x


@pytest.mark.parametrize("name", ["slides/CMU-1-Small-Region.svs", "slides/OS-1-detail.ome.tif"])
def test_a_slide_whose_measures_blur_has_changed_gets_no_grade(shared_data: Path, tmp_path: Path, name: str) -> None:
    image, mpp = real(shared_data, name)
    for sigma_um, expected in ((0.0, []), (1.0, ["out_of_focus"])):
        Image.fromarray(blurred(image, mpp, sigma_um) if sigma_um else image).save(tmp_path / "image.png")
        sample = Sample("s", tmp_path / "image.png", mpp=(mpp, mpp))
        assert stopping(execute("tissue", "s", tmp_path / str(sigma_um), TissueSettings(), sample)) == expected


def test_wide_pixels_are_no_blur_and_blur_is_told_among_them(shared_data: Path, tmp_path: Path) -> None:
    image, mpp = real(shared_data, "slides/CMU-1-Small-Region.svs")
    for sigma_um, expected in ((0.0, []), (1.0, ["out_of_focus"])):
        coarse = cv2.resize(blurred(image, mpp, sigma_um) if sigma_um else image, (700, 700), interpolation=3)
        Image.fromarray(coarse).save(tmp_path / "image.png")
        sample = Sample("s", tmp_path / "image.png", mpp=(1.0, 1.0))
        assert stopping(execute("tissue", "s", tmp_path / str(sigma_um), TissueSettings(), sample)) == expected
    # A sound field of GlaS, whose pixels are 0.62 um wide: half of its windows would be too soft for narrow ones.
    sample = Sample("s", shared_data / "grade/glas_train/images/train_61.jpg", mpp=(0.62, 0.62))
    assert stopping(execute("tissue", "s", tmp_path / "field", TissueSettings(), sample)) == []
