"""Which image of a TIFF is the slide, and which are its levels: told by what they show, in any order and layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import open_slide
from pathopipe.slide.tiff_images import factor_between
from tests.slide.files import APERIO, RGB, shrink, tissue, write_ome

IMAGE = tissue(384, 512)
TILES: dict[str, Any] = {"tile": (64, 64), "compression": "zlib"}
STRIPS: dict[str, Any] = {"rowsperstrip": 16, "compression": "lzw"}
LAYOUTS = pytest.mark.parametrize("layout", [TILES, STRIPS, {"tile": (64, 64), "compression": "jpeg"}])
Page = tuple[NDArray[Any], dict[str, Any]]
REDUCED = {"subfiletype": 1}


def write(path: Path, pages: list[Page], **layout: Any) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for pixels, options in pages:
            tiff.write(pixels, **({"photometric": "rgb", "metadata": None} | layout | options))
    return path


def stored(path: Path) -> list[float]:
    """Downsamples of the stored levels; the largest one shows `IMAGE`, and all of them the same."""
    with open_slide(path, (0.5, 0.5)) as slide:
        assert (slide.width_px, slide.height_px) == (IMAGE.shape[1], IMAGE.shape[0])
        for number, level in enumerate(slide.backend.levels):
            pixels = np.concatenate(
                [
                    slide.backend.read(number, 0, y, level.width, min(512, level.height - y))
                    for y in range(0, level.height, 512)
                ]
            )
            small = cv2.resize(IMAGE, (level.width, level.height), interpolation=cv2.INTER_AREA)
            assert np.abs(pixels.astype(int) - small).mean() < 6
        return [level.downsample for level in slide.backend.levels if level.scale == 1]


def label(height: int = 300, width: int = 256) -> RGB:
    """Black print on white."""
    image = np.full((height, width, 3), 250, np.uint8)
    cv2.putText(image, "HE 12", (10, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 5)
    return image


@LAYOUTS
@pytest.mark.parametrize("options", [{}, REDUCED, {"description": "thumbnail"}])
def test_a_thumbnail_may_come_first(layout: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", [(shrink(IMAGE, 4), options), (IMAGE, {})], **layout)
    assert stored(path) == ([1] if "description" in options else [1, 4])


@LAYOUTS
@pytest.mark.parametrize("factors", [(1, 2, 4), (4, 2, 1), (2, 4, 1), (4, 1, 2)])
@pytest.mark.parametrize("flagged", [True, False])
def test_levels_may_come_in_any_order(
    layout: dict[str, Any], factors: tuple[int, ...], flagged: bool, tmp_path: Path
) -> None:
    pages: list[Page] = [(shrink(IMAGE, factor), REDUCED if flagged and factor > 1 else {}) for factor in factors]
    assert stored(write(tmp_path / "a.tif", pages, **layout)) == [1, 2, 4]


@LAYOUTS
@pytest.mark.parametrize("options", [REDUCED, {"description": "Label"}, {"description": "label 387x463"}])
@pytest.mark.parametrize("size", [(300, 256), (96, 128)])
def test_a_label_is_no_level(
    layout: dict[str, Any], options: dict[str, Any], size: tuple[int, int], tmp_path: Path
) -> None:
    pages: list[Page] = [(IMAGE, {}), (shrink(IMAGE, 2), REDUCED), (label(*size), options)]
    assert stored(write(tmp_path / "a.tif", pages, **layout)) == [1, 2]


@pytest.mark.parametrize("name", ["label", "Macro", "overview image", "\nthumbnail"])
@pytest.mark.parametrize("larger", [True, False])
@LAYOUTS
def test_a_named_picture_is_never_the_slide(name: str, larger: bool, layout: dict[str, Any], tmp_path: Path) -> None:
    picture = label(900, 1100) if larger else label()
    for number, pages in enumerate(
        [[(picture, {"description": name}), (IMAGE, {})], [(IMAGE, {}), (picture, {"description": name})]]
    ):
        assert stored(write(tmp_path / f"{number}.tif", pages, **layout)) == [1]


@LAYOUTS
@pytest.mark.parametrize("size", [(300, 400), (350, 500), (40, 50)])
@pytest.mark.parametrize("first", [True, False])
def test_a_second_scene_is_rejected(layout: dict[str, Any], size: tuple[int, int], first: bool, tmp_path: Path) -> None:
    pages: list[Page] = [(IMAGE, {}), (tissue(*size, seed=9), {})]
    with pytest.raises(SlideRejectedError, match=f"2 scenes .*512 x 384, {size[1]} x {size[0]} pixels"):
        open_slide(write(tmp_path / "a.tif", pages[::-1] if first else pages, **layout))


@LAYOUTS
def test_pages_of_one_size_are_planes_or_scenes(layout: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SlideRejectedError, match="3 images of one size, planes or scenes"):
        open_slide(write(tmp_path / "a.tif", [(IMAGE, {}), (IMAGE, {}), (IMAGE[::-1], {})], **layout))


def ome(path: Path, *scenes: tuple[RGB, str], **options: Any) -> Path:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for pixels, name in scenes:
            tiff.write(pixels, photometric="rgb", metadata={"axes": "YXS", "Name": name}, **options)
    return path


@LAYOUTS
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", ["label image", "macro", "Overview", "thumbnail 1"])
def test_named_pictures_of_an_ome_tiff_are_passed_over(
    layout: dict[str, Any], order: int, name: str, tmp_path: Path
) -> None:
    assert stored(ome(tmp_path / "a.tif", *[(IMAGE, "slide"), (label(), name)][::order], **layout)) == [1]


@LAYOUTS
@pytest.mark.parametrize("order", [1, -1])
def test_a_small_second_scene_of_an_ome_tiff_is_rejected(layout: dict[str, Any], order: int, tmp_path: Path) -> None:
    scenes = [(IMAGE, "region 1"), (tissue(100, 150, 3), "region 2")][::order]
    with pytest.raises(SlideRejectedError, match="2 scenes"):
        open_slide(ome(tmp_path / "a.tif", *scenes, **layout))


Change = Callable[[RGB], RGB]
OTHERS: dict[str, Change] = {
    "turned": lambda image: image[::-1, ::-1],
    "mirrored": lambda image: image[:, ::-1],
    "red and blue exchanged": lambda image: image[..., ::-1],
    "inverted": lambda image: 255 - image,
    "other tissue": lambda image: tissue(*image.shape[:2], seed=7),
    "black": np.zeros_like,
    "white": lambda image: np.full_like(image, 255),
    "shifted by a tenth": lambda image: np.roll(image, image.shape[1] // 10, axis=1),
}


@LAYOUTS
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("flagged", [True, False])
def test_what_shows_something_else_is_no_level(
    layout: dict[str, Any], name: str, flagged: bool, tmp_path: Path
) -> None:
    other = np.ascontiguousarray(OTHERS[name](shrink(IMAGE, 4)))
    path = write(tmp_path / "a.tif", [(IMAGE, {}), (other, REDUCED if flagged else {})], **layout)
    if flagged:  # the file says itself that it is nothing of its own
        assert stored(path) == [1]
    else:
        with pytest.raises(SlideRejectedError, match="2 scenes"):
            open_slide(path)


@pytest.mark.parametrize("layout", [TILES, STRIPS])
@pytest.mark.parametrize("photometric", ["minisblack", "separated"])
def test_a_page_of_other_samples_is_no_level(layout: dict[str, Any], photometric: str, tmp_path: Path) -> None:
    small = shrink(IMAGE, 4)
    other = small[..., 0] if photometric == "minisblack" else np.dstack([255 - small, small[..., 0]])
    pages: list[Page] = [(IMAGE, {}), (other, REDUCED | {"photometric": photometric})]
    assert stored(write(tmp_path / "a.tif", pages, **layout)) == [1]


@pytest.mark.parametrize("layout", [TILES, STRIPS])
def test_masks_are_passed_over(layout: dict[str, Any], tmp_path: Path) -> None:
    gray = {"photometric": "minisblack"} | REDUCED
    mask = np.full(IMAGE.shape[:2], 255, np.uint8)
    pages: list[Page] = [(IMAGE, {}), (mask, gray), (shrink(IMAGE, 2), REDUCED), (mask[::2, ::2], gray)]
    write(tmp_path / "a.tif", pages, **layout)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        for number, kind in ((1, 4), (3, 5)):
            tiff.pages[number].tags["NewSubfileType"].overwrite(kind)
    assert stored(tmp_path / "a.tif") == [1, 2]


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_a_level_may_be_compressed_in_another_way(photometric: str, tmp_path: Path) -> None:
    small = {"compression": "jpeg", "photometric": photometric, "tile": (64, 64)} | REDUCED
    assert stored(write(tmp_path / "a.tif", [(IMAGE, TILES), (shrink(IMAGE, 4), small)])) == [1, 4]


@pytest.mark.parametrize("factor", [2, 4])
def test_a_level_that_ends_with_whole_tiles_is_left_out(factor: int, tmp_path: Path) -> None:
    """Its size is not that of the image made smaller, so that its pixels would lie in the wrong places."""
    small = shrink(IMAGE, factor)
    padding = [(0, -side % 160) for side in small.shape[:2]]
    padded = np.pad(small, [*padding, (0, 0)], constant_values=255)
    assert padded.shape != small.shape
    assert stored(write(tmp_path / "a.tif", [(IMAGE, {}), (padded, {})], tile=(160, 160), compression="zlib")) == [1]


@LAYOUTS
def test_levels_of_a_plain_tiff_may_be_attached_to_it(layout: dict[str, Any], tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        options = {"photometric": "rgb", "metadata": None} | layout
        tiff.write(IMAGE, subifds=2, **options)
        for factor in (2, 4):
            tiff.write(shrink(IMAGE, factor), subfiletype=1, **options)
    assert stored(tmp_path / "a.tif") == [1, 2, 4]


@LAYOUTS
def test_levels_of_an_ome_tiff(layout: dict[str, Any], tmp_path: Path) -> None:
    write_ome(tmp_path / "a.tif", IMAGE, (2, 4), **{"tile": None, **layout})
    assert stored(tmp_path / "a.tif") == [1, 2, 4]


def test_strips_of_an_svs_are_pictures(tmp_path: Path) -> None:
    text = APERIO.format(w=512, h=384, mpp="|MPP = 0.5")
    pages: list[Page] = [
        (IMAGE, TILES | {"description": text}),
        (shrink(IMAGE, 2), STRIPS | {"description": text}),
        (shrink(IMAGE, 4), TILES | {"description": text}),
        (label(), STRIPS | {"description": "Aperio\nlabel 256x300"}),
        (tissue(200, 500), STRIPS | {"description": "Aperio\nmacro 500x200"}),
    ]
    assert stored(write(tmp_path / "a.svs", pages)) == [1, 4]


def test_a_tiled_label_of_an_svs_is_no_level(tmp_path: Path) -> None:
    text = APERIO.format(w=512, h=384, mpp="|MPP = 0.5")
    pages: list[Page] = [
        (IMAGE, TILES | {"description": text}),
        (shrink(IMAGE, 8), STRIPS | {"description": text}),
        (shrink(IMAGE, 4), TILES | {"description": text}),
        (label(96, 128), TILES | {"description": "Aperio\nlabel 256x192"} | REDUCED),
    ]
    assert stored(write(tmp_path / "a.svs", pages)) == [1, 4]


@pytest.mark.parametrize(
    ("large", "small", "factor"),
    [
        ((1024, 768), (256, 192), 4),
        ((1023, 767), (255, 191), 4),
        ((1023, 767), (256, 192), 4),
        ((1000, 700), (700, 490), 1000 / 700),
        ((1024, 768), (256, 200), None),
        ((1024, 768), (192, 256), None),
        ((1024, 768), (1024, 768), None),
        ((1024, 768), (900, 675), None),
        ((1024, 768), (8, 6), None),
    ],
)
def test_sizes_of_a_level(large: tuple[int, int], small: tuple[int, int], factor: float | None) -> None:
    assert factor_between(large, small) == (None if factor is None else pytest.approx(factor, rel=0.01))
