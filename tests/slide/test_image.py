"""Fields of view as PNG and JPEG."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import image_backend, open_slide
from pathopipe.slide.image_backend import ImageBackend, held_mb
from pathopipe.units import Grid
from tests.slide.files import RGB, scene

IMAGE = scene(120, 160)


def read(path: Path) -> RGB:
    with open_slide(path, (0.5, 0.5)) as slide:
        assert slide.backend.mpp is None
        grid = Grid(slide.width_px, slide.height_px, 1.0, 1.0, 0.5, 0.5)
        return slide.read(grid, 0, 0, slide.width_px, slide.height_px)


def test_png_and_jpeg(tmp_path: Path) -> None:
    image = Image.fromarray(IMAGE)
    image.save(tmp_path / "a.png", dpi=(300, 300))
    image.save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), IMAGE)
    assert np.abs(read(tmp_path / "a.jpg").astype(int) - IMAGE).mean() < 3


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.svs", format="PNG")
    np.testing.assert_array_equal(read(tmp_path / "a.svs"), IMAGE)


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    alpha = np.full(IMAGE.shape[:2], 255, np.uint8)
    alpha[:, 50:] = 0
    Image.fromarray(np.dstack([IMAGE, alpha])).save(tmp_path / "a.png")
    pixels = read(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels[:, :50], IMAGE[:, :50])
    assert (pixels[:, 50:] == 255).all()


def test_palette_with_a_transparent_color(tmp_path: Path) -> None:
    index = np.zeros(IMAGE.shape[:2], np.uint8)
    index[:, 50:] = 1
    image = Image.fromarray(index, mode=None).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0, [0, 60]].tolist() == [[10, 20, 30], [40, 50, 60]]
    image.save(tmp_path / "b.png", transparency=1)
    assert read(tmp_path / "b.png")[0, [0, 60]].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_exif_orientation_is_ignored(tmp_path: Path) -> None:
    image = Image.fromarray(IMAGE)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), IMAGE)


def png_of_16_bits(path: Path) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(IMAGE.astype(np.uint16) * 257))


@pytest.mark.parametrize(
    ("mode", "words"), [("L", "gray"), ("LA", "gray"), ("1", "black and white"), ("I;16", "16"), ("CMYK", "CMYK")]
)
def test_other_kinds_of_pixels_are_rejected(mode: str, words: str, tmp_path: Path) -> None:
    image = Image.fromarray(IMAGE)
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    with pytest.raises(SlideRejectedError, match=words):
        open_slide(path)


def test_16_bit_color_is_rejected_and_not_cut_down(tmp_path: Path) -> None:
    png_of_16_bits(tmp_path / "a.png")
    with pytest.raises(SlideRejectedError, match="16 bits"):
        open_slide(tmp_path / "a.png")


def test_several_frames_are_rejected(tmp_path: Path) -> None:
    frames = [Image.fromarray(IMAGE), Image.fromarray(255 - IMAGE)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(SlideRejectedError, match="several frames"):
        open_slide(tmp_path / "a.png")


@pytest.mark.parametrize("limit", [1000, 10_000])
def test_too_large_images_are_rejected_without_decoding(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # an error beyond twice of it, a warning between
    monkeypatch.setattr("pathopipe.slide.image_backend.MAX_PIXELS", 2 * limit - 1001)
    with pytest.raises(SlideRejectedError, match="convert it to a tiled TIFF"):
        open_slide(tmp_path / "a.png")


def test_a_large_image_is_read_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", IMAGE.shape[0] * IMAGE.shape[1] - 1)
    np.testing.assert_array_equal(read(tmp_path / "a.png"), IMAGE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_opening_decodes_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a", kind)
    decoded = []
    really_decode = image_backend._decode
    monkeypatch.setattr(image_backend, "_decode", lambda path: decoded.append(path) or really_decode(path))
    backend = ImageBackend(tmp_path / "a")
    assert (backend.levels[0].width, backend.levels[0].height) == (IMAGE.shape[1], IMAGE.shape[0])
    assert not decoded
    for y in (0, 10):
        backend.read(0, 0, y, 10, 10)
    assert len(decoded) == 1


def test_what_an_image_takes_is_told_by_its_header(tmp_path: Path) -> None:
    Image.new("P", (2000, 1000)).save(tmp_path / "a.png")
    assert held_mb(tmp_path / "a.png") == 16
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    assert held_mb(tmp_path / "a.png") == 0
    (tmp_path / "b.svs").write_bytes(b"II*\0")
    assert held_mb(tmp_path / "b.svs") == 0
    assert held_mb(tmp_path / "gone.png") == 0
