"""TIFF in its varieties: pixels, resolution and levels, or one sentence of rejection."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import Slide, open_slide
from pathopipe.units import Grid
from tests.slide.files import RGB, scene, shrink, write_ome, write_svs

Write = Callable[[Path], None]
IMAGE = scene()
PLANES = np.moveaxis(IMAGE, 2, 0)


def read_all(slide: Slide, level: int = 0) -> RGB:
    size = slide.backend.levels[level]
    grid = Grid(size.width, size.height, size.downsample, size.downsample, 1.0, 1.0)
    return slide.read(grid, 0, 0, size.width, size.height)


def plain(image: Any = IMAGE, **options: Any) -> Write:
    def write(path: Path) -> None:
        tifffile.imwrite(path, image, **({"photometric": "rgb", "metadata": None} | options))

    return write


def svs(**options: Any) -> Write:
    return lambda path: write_svs(path, IMAGE, **options)


def ome(image: Any = IMAGE, levels: tuple[int, ...] = (2, 4), **options: Any) -> Write:
    return lambda path: write_ome(path, image, levels, **options)


TILED = {"tile": (256, 256)}
LOSSLESS: dict[str, tuple[Write, str]] = {
    "svs": (svs(compression="lzw"), "aperio"),
    "svs-jpeg2000-rgb": (svs(compression=33005), "aperio"),
    "ome": (ome(), "ome-tiff"),
    **{f"ome-{name}": (ome(compression=name), "ome-tiff") for name in ("lzw", "zlib", "zstd", "jpeg2000", "packbits")},
    "ome-predictor": (ome(compression="zlib", predictor=True), "ome-tiff"),
    "ome-big-endian": (ome(big={"byteorder": ">"}, compression="lzw"), "ome-tiff"),
    "ome-bigtiff": (ome(big={"byteorder": ">", "bigtiff": True}), "ome-tiff"),
    "ome-untiled": (ome(levels=(), tile=None), "ome-tiff"),
    "ome-planar": (ome(PLANES, (), metadata={"axes": "SYX"}, planarconfig="separate"), "ome-tiff"),
    "strips": (plain(rowsperstrip=7, compression="lzw"), "tiff"),
    "one-strip": (plain(), "tiff"),
    "planar": (plain(PLANES, planarconfig="separate"), "tiff"),
    "tiled": (plain(**TILED), "tiff"),
    "tiled-planar": (plain(PLANES, planarconfig="separate", **TILED), "tiff"),
    "tiled-jpegxl": (plain(compression="jpegxl", **TILED), "tiff"),
    "opaque-alpha": (plain(np.dstack([IMAGE, np.full_like(IMAGE[..., 0], 255)]), extrasamples=["unassalpha"]), "tiff"),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_pixels_are_those_written(name: str, tmp_path: Path) -> None:
    write, kind = LOSSLESS[name]
    write(tmp_path / "slide.tif")
    with open_slide(tmp_path / "slide.tif") as slide:
        assert slide.backend.format == kind
        np.testing.assert_array_equal(read_all(slide), IMAGE)
        for number, level in enumerate(slide.backend.levels):
            small = shrink(IMAGE, int(level.downsample))
            assert (level.width, level.height) == small.shape[1::-1]
            np.testing.assert_array_equal(read_all(slide, number), small)


@pytest.mark.parametrize("write", [svs(compression="jpeg"), ome(compression="jpeg"), plain(compression="jpeg")])
def test_jpeg_comes_out_in_the_right_colors(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "slide.tif")
    with open_slide(tmp_path / "slide.tif") as slide:
        assert np.abs(read_all(slide).astype(int) - IMAGE).mean() < 2


def test_jpeg2000_of_aperio_in_ycbcr(tmp_path: Path) -> None:
    import cv2

    ycbcr = cv2.cvtColor(IMAGE, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    write_svs(tmp_path / "slide.svs", ycbcr, compression=33003, photometric="ycbcr")
    with open_slide(tmp_path / "slide.svs") as slide:
        assert np.abs(read_all(slide).astype(int) - IMAGE).mean() < 2


@pytest.mark.parametrize("options", [{}, TILED])
def test_transparent_pixels_are_white(options: dict[str, Any], tmp_path: Path) -> None:
    alpha = np.full_like(IMAGE[..., 0], 255)
    alpha[:, 100:] = 0
    plain(np.dstack([IMAGE // 2, alpha]), extrasamples=["unassalpha"], **options)(tmp_path / "slide.tif")
    with open_slide(tmp_path / "slide.tif") as slide:
        pixels = read_all(slide)
    np.testing.assert_array_equal(pixels[:, :100], IMAGE[:, :100] // 2)
    assert (pixels[:, 100:] == 255).all()


def test_premultiplied_alpha_is_laid_over_white(tmp_path: Path) -> None:
    half = np.dstack([IMAGE // 2, np.full_like(IMAGE[..., 0], 128)])
    plain(half, extrasamples=["assocalpha"])(tmp_path / "slide.tif")
    with open_slide(tmp_path / "slide.tif") as slide:
        np.testing.assert_array_equal(read_all(slide), IMAGE // 2 + 127)


def test_a_tile_that_the_writer_left_out_is_white(tmp_path: Path) -> None:
    def tiles() -> Any:
        for number in range(12):
            yield None if number == 5 else np.ascontiguousarray(IMAGE[:256, :256])

    with tifffile.TiffWriter(tmp_path / "slide.ome.tif", ome=True) as tiff:
        tiff.write(tiles(), shape=(700, 900, 3), dtype=np.uint8, photometric="rgb", compression="zlib", **TILED)
    with open_slide(tmp_path / "slide.ome.tif") as slide:
        pixels = read_all(slide)
    assert (pixels[256:512, 256:512] == 255).all()
    np.testing.assert_array_equal(pixels[256:512, :256], IMAGE[:256, :256])


RESOLUTIONS: dict[str, tuple[Write, tuple[float, float] | None]] = {
    "svs": (svs(mpp=0.499), (0.499, 0.499)),
    "svs-without": (svs(mpp=None), None),
    "ome": (ome(), (0.25, 0.26)),
    "ome-nm": (ome(metadata={"PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}), (0.25, 0.26)),
    "cm": (plain(resolution=(1e4 / 0.4, 1e4 / 0.5), resolutionunit="CENTIMETER"), (0.4, 0.5)),
    "inch": (plain(resolution=(25400 / 0.4, 25400 / 0.5), resolutionunit="INCH"), (0.4, 0.5)),
    "cm-tiled": (plain(resolution=(1e4 / 0.4, 1e4 / 0.5), resolutionunit="CENTIMETER", **TILED), (0.4, 0.5)),
    "no-unit": (plain(resolution=(2, 2), resolutionunit="NONE"), None),
    "none": (plain(), None),
    "none-tiled": (plain(**TILED), None),
    "imagej": (plain(photometric=None, imagej=True, resolution=(2.5, 2.0), metadata={"unit": "um"}), (0.4, 0.5)),
}


@pytest.mark.parametrize("name", RESOLUTIONS)
def test_resolution_is_what_the_file_states(name: str, tmp_path: Path) -> None:
    write, mpp = RESOLUTIONS[name]
    write(tmp_path / "slide.tif")
    with open_slide(tmp_path / "slide.tif") as slide:
        assert slide.backend.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-5))


def test_the_resolution_of_an_overview_is_not_taken(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "slide.ome.tif", ome=True) as tiff:
        for image, name, mpp in ((IMAGE[::4, ::4], "macro image", 9.0), (IMAGE, "slide", 0.3)):
            entries = {"axes": "YXS", "Name": name, "PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
            tiff.write(image, photometric="rgb", metadata=entries)
    with open_slide(tmp_path / "slide.ome.tif") as slide:
        assert (slide.mpp.x, slide.mpp.y) == (0.3, 0.3)
        np.testing.assert_array_equal(read_all(slide), IMAGE)


def two_scenes(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for image in (IMAGE, IMAGE[:, :-100]):
            tiff.write(image, photometric="rgb", metadata={"axes": "YXS"})


def two_images(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for image in (IMAGE, IMAGE[:, :-100]):
            tiff.write(image, photometric="rgb", metadata=None)


def svs_of_two_planes(path: Path) -> None:
    text = "Aperio Image Library v1\n|MPP = 0.5"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(IMAGE, photometric="rgb", tile=(256, 256), description=text, metadata=None)
        tiff.write(IMAGE[::8, ::8], photometric="rgb", description=text, metadata=None)
        tiff.write(IMAGE, photometric="rgb", tile=(256, 256), description=text, metadata=None)


MONO = {"photometric": "minisblack"}
REJECTED: dict[str, tuple[Write, str]] = {
    "16-bit": (ome(IMAGE.astype(np.uint16), ()), "16 bits"),
    "16-bit-tiled": (plain(IMAGE.astype(np.uint16), **TILED), "16 bits"),
    "float": (plain(IMAGE.astype(np.float32)), "32 bits"),
    "one-bit": (plain(IMAGE[..., 0] > 128, **MONO), "1 bits"),
    "gray": (plain(IMAGE[..., 0], **MONO), "gray values"),
    "gray-tiled": (plain(IMAGE[..., 0], **MONO, **TILED), "gray values"),
    "cmyk": (plain(np.dstack([IMAGE, IMAGE[..., :1]]), photometric="separated"), "CMYK"),
    "cmyk-tiled": (plain(np.dstack([IMAGE, IMAGE[..., :1]]), photometric="separated", **TILED), "CMYK"),
    "palette": (plain(IMAGE[..., 0], photometric="palette", colormap=np.zeros((3, 256), np.uint16)), "palette"),
    "pages": (plain(np.stack([IMAGE, IMAGE])), "2 images of one size"),
    "images": (two_images, "2 scenes"),
    "scenes": (two_scenes, "2 scenes"),
    "z-stack": (ome(np.stack([IMAGE] * 3), (), metadata={"axes": "ZYXS"}), "3 focal planes"),
    "svs-z-stack": (svs_of_two_planes, "2 images of one size, planes"),
    "time": (ome(np.stack([IMAGE] * 3), (), metadata={"axes": "TYXS"}), "3 time points"),
    "channels": (ome(PLANES, (), metadata={"axes": "CYX"}, **MONO), "stored as RGB samples"),
    "fluorescence": (ome(PLANES.astype(np.uint16), (), metadata={"axes": "CYX"}, **MONO), "3 channels"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_not_brightfield_rgb_is_rejected_in_words(name: str, tmp_path: Path) -> None:
    write, words = REJECTED[name]
    write(tmp_path / "slide.tif")
    with pytest.raises(SlideRejectedError, match=words) as caught:
        open_slide(tmp_path / "slide.tif")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_one_huge_piece_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathopipe.slide.tiff_backend.MAX_PIECE_PX", 100_000)
    plain()(tmp_path / "slide.tif")
    with pytest.raises(SlideRejectedError, match="one piece of 900 x 700 pixels"):
        open_slide(tmp_path / "slide.tif")


def test_a_spread_out_ome_tiff_is_rejected(tmp_path: Path) -> None:
    write_ome(tmp_path / "a.ome.tif", IMAGE)
    write_ome(tmp_path / "b.ome.tif", IMAGE)
    both = [tifffile.tiffcomment(tmp_path / name) for name in ("a.ome.tif", "b.ome.tif")]
    uuid = both[1].split('UUID="')[1].split('"')[0]
    elsewhere = f'PlaneCount="1"><UUID FileName="b.ome.tif">{uuid}</UUID></TiffData>'
    xml = both[0].replace('PlaneCount="1"/>', elsewhere)
    assert xml != both[0]
    tifffile.tiffcomment(tmp_path / "a.ome.tif", xml.encode())
    with pytest.raises(SlideRejectedError, match="several files"):
        open_slide(tmp_path / "a.ome.tif")


def test_an_end_that_is_cut_off_is_noticed_without_noise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_ome(tmp_path / "slide.ome.tif", IMAGE, (2,))
    data = (tmp_path / "slide.ome.tif").read_bytes()
    (tmp_path / "slide.ome.tif").write_bytes(data[: len(data) * 9 // 10])
    with caplog.at_level(logging.WARNING), pytest.raises(SlideRejectedError, match="damaged"):
        open_slide(tmp_path / "slide.ome.tif")
    assert not caplog.records


def test_a_real_ome_tiff(shared_data: Path) -> None:
    with open_slide(shared_data / "slides" / "OS-1-detail.ome.tif") as slide:
        assert slide.mpp.x == pytest.approx(0.2271, abs=1e-4)
        pixels = read_all(slide)
    assert pixels.shape == (1101, 1101, 3)
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    assert green < red
    assert green < blue
