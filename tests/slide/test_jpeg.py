"""What is noticed of a JPEG: kinds that aren't read, tables and components that can't be, and what its colors mean."""

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import jpeg
from pathopipe.slide.backend import RGB, DecodeError
from tests.slide.files import scene, tissue

IMAGE = tissue(160, 192)
DQT, DHT, SOF = b"\xff\xdb", b"\xff\xc4", b"\xff\xc0"


def stream(**options: Any) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(IMAGE, **({"level": 90, "optimize": False} | options)))


INTACT = stream()


def read(data: bytes) -> RGB:
    return jpeg.decode(*jpeg.complete(data))


def with_marker(marker: int) -> bytes:
    """The stream with another frame header: of a kind that no encoder here writes."""
    return INTACT.replace(SOF, bytes([0xFF, marker]))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (stream(lossless=True), "process 3"),
        (bytes(imagecodecs.jpeg8_encode(IMAGE.astype(np.uint16), bitspersample=12)), "12 bits"),
        (bytes(imagecodecs.jpeg8_encode(IMAGE.astype(np.uint16), lossless=True, bitspersample=16)), "process 3"),
        (with_marker(0xC5), "process 5"),
        (with_marker(0xC9), "process 9"),
        (with_marker(0xCA), "process 10"),
    ],
)
def test_kinds_that_are_not_read_are_named(data: bytes, kind: str) -> None:
    with pytest.raises(SlideRejectedError, match=f"JPEG of a kind that is not supported .*{kind}"):
        read(data)


@pytest.mark.parametrize("options", [{}, {"level": 30}, {"level": 100}, {"level": 1}])
@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
def test_what_encoders_write_is_read(options: dict[str, Any], subsampling: str) -> None:
    data = stream(**options, subsampling=subsampling)
    np.testing.assert_array_equal(read(data), imagecodecs.jpeg8_decode(data, outcolorspace="RGB"))


def test_tables_that_are_written_for_the_image_are_read() -> None:
    assert np.abs(read(stream(optimize=True)).astype(int) - IMAGE).mean() < 2


def changed(data: bytes, marker: bytes, place: int, value: int, number: int = 0) -> bytes:
    """Set a byte of a segment, counted from the end of its length."""
    at = -1
    for _ in range(number + 1):
        at = data.index(marker, at + 1)
    at += 4 + place
    assert data[at] != value
    return data[:at] + bytes([value]) + data[at + 1 :]


def of_zeros(data: bytes) -> bytes:
    at = data.index(DQT) + 5
    return data[:at] + bytes(64) + data[at + 64 :]


@pytest.mark.parametrize(
    "damage",
    [
        of_zeros,
        lambda data: changed(data, DQT, 1 + 40, 0),
        lambda data: changed(data, DQT, 1, 200),
        lambda data: changed(data, DQT, 1 + 63, 21),
        lambda data: changed(data, DQT, 1 + 5, 130, number=1),
        lambda data: changed(data, DQT, 0, 0x20),
        lambda data: changed(data, DQT, 0, 0x04),
    ],
)
def test_quantization_that_cannot_be_is_damage(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError, match="table"):
        read(damage(INTACT))


def pillow(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(IMAGE).save(file, "JPEG", **options)
    return file.getvalue()


def test_quantization_of_no_usual_kind_is_read() -> None:
    steps = list(range(1, 65))  # as encoders write that look at the image
    assert np.abs(read(pillow(qtables=[steps, steps])).astype(int) - IMAGE).mean() < 3


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_progressive_streams_are_read(subsampling: int) -> None:
    data = pillow(progressive=True, quality=90, subsampling=subsampling)
    np.testing.assert_array_equal(read(data), np.asarray(Image.open(io.BytesIO(data))))


@settings(max_examples=64, derandomize=True, deadline=None)
@given(level=st.integers(1, 100), place=st.integers(0, 63), bit=st.integers(0, 7), number=st.integers(0, 1))
def test_one_flipped_bit_in_a_usual_table_is_noticed(level: int, place: int, bit: int, number: int) -> None:
    data = stream(level=level)
    at = [at for at in range(len(data)) if data[at : at + 2] == DQT][number] + 5 + place
    with pytest.raises(DecodeError, match="table"):
        read(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: changed(data, DHT, 1 + 16 + 3, data[data.index(DHT) + 4 + 1 + 16]),  # a symbol twice
        lambda data: changed(data, DHT, 1, 3),  # three codes of one bit
        lambda data: changed(data, DHT, 8, 200),  # more codes than there are symbols
        lambda data: changed(data, DHT, 0, 0x25),  # neither DC nor AC
    ],
)
def test_codes_that_cannot_be_are_damage(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError, match="table"):
        read(damage(INTACT))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (5, 2, "frame header"),  # two components in a header of three
        (5, 4, "frame header"),
        (9, 1, "components"),  # the second is called as the first
        (10, 0x21, "components"),  # chroma of different sizes
        (11, 0, "components"),  # chroma with different tables
        (1, 0, None),  # height
        (3, 0, None),
        (0, 0, "bits"),
    ],
)
def test_a_frame_header_that_cannot_be_is_damage(place: int, value: int, words: str | None) -> None:
    content = INTACT
    if place in {1, 3}:  # both bytes of a side
        content = changed(content, SOF, place + 1, 0)
        with pytest.raises(DecodeError):
            read(content)
        return
    with pytest.raises(SlideRejectedError if words == "bits" else DecodeError, match=words):
        read(changed(content, SOF, place, value))


def test_a_stream_of_two_frames_or_of_none_is_damage() -> None:
    at = INTACT.index(SOF)
    header = INTACT[at : at + 19]
    with pytest.raises(DecodeError, match="frame header"):
        read(INTACT[:at] + header + INTACT[at:])
    with pytest.raises(DecodeError, match="frame header"):
        read(INTACT[:at] + INTACT[at + 19 :])


@pytest.mark.parametrize("filling", [b"\xff", b"\0", b"\0\0\0", b"\xff\xff\xff", b"\0\xff\0"])
def test_filling_between_segments_and_before_the_end_is_harmless(filling: bytes) -> None:
    expected = read(INTACT)
    for marker in (DQT, DHT, SOF):
        at = INTACT.index(marker)
        np.testing.assert_array_equal(read(INTACT[:at] + filling + INTACT[at:]), expected)
    np.testing.assert_array_equal(read(INTACT[:-2] + filling + INTACT[-2:]), expected)
    np.testing.assert_array_equal(read(INTACT + filling), expected)


def test_other_bytes_before_the_end_are_damage() -> None:
    with pytest.raises(DecodeError, match="cannot be decoded"):
        read(INTACT[:-2] + b"\x12\x34\x56" * 20 + INTACT[-2:])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_scan_that_ends_early_is_damage(share: float) -> None:
    data = INTACT[: int(len(INTACT) * share)]
    with pytest.raises(DecodeError):
        jpeg.complete(data, jpeg.head_of(None, ycc=True))
    with pytest.raises(DecodeError):
        read(data + b"\xff\xd9")


def test_bytes_between_segments_are_damage() -> None:
    at = INTACT.index(DHT)
    with pytest.raises(DecodeError, match="header of a JPEG is damaged"):
        read(INTACT[:at] + b"\x33" + INTACT[at:])


def ycc_of(image: RGB) -> RGB:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]], np.uint8)


def one_color(*color: int) -> RGB:
    noise = np.random.default_rng(1).integers(-2, 3, (96, 128, 3))
    return np.clip(noise + color, 0, 255).astype(np.uint8)


def on_glass(*color: int) -> RGB:
    """Tissue of one color, lighter and darker, that covers most of the glass."""
    depth = tissue(96, 128, 3)[..., 1:2].astype(float) / 255
    image = np.rint(245 * (np.array(color) / 245) ** (2 * (1 - depth))).astype(np.uint8)
    image[:20] = 244
    return image


TOLD = {
    "tissue": tissue(300, 400),
    "pale": 255 - (255 - tissue(300, 400)) // 3,
    "dense": tissue(300, 400) // 2,
    "glass": one_color(244, 243, 246),
    "red-dominated": on_glass(200, 30, 60),
    "brown": on_glass(120, 80, 40),
}


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("stated", [True, False])
def test_what_components_mean_is_told_whatever_is_stated(name: str, stated: bool) -> None:
    image = TOLD[name]
    assert jpeg.stored_as_ycc([ycc_of(image)], stated)
    assert not jpeg.stored_as_ycc([image], stated)


@pytest.mark.parametrize("image", [one_color(2, 2, 2), np.zeros((64, 64, 3), np.uint8)])
def test_of_black_nothing_is_told_and_what_is_stated_holds(image: RGB) -> None:
    for stored in (image, ycc_of(image)):
        assert jpeg.stored_as_ycc([stored], True)
        assert not jpeg.stored_as_ycc([stored], False)
    assert jpeg.stored_as_ycc([], True)
    assert not jpeg.stored_as_ycc([], False)


def mixed(*colors: tuple[int, int, int]) -> RGB:
    """Two stains of about one lightness that cover all, without glass."""
    share = tissue(96, 128, 5)[..., 1:2].astype(float)
    share = (share - share.min()) / (share.max() - share.min())
    grain = np.random.default_rng(2).normal(0, 5, (96, 128, 1))
    mean = share * np.array(colors[0]) + (1 - share) * np.array(colors[1])
    return np.clip(mean + grain, 0, 255).astype(np.uint8)


UNTOLD = {
    "brown and blue": mixed((130, 85, 45), (90, 110, 190)),
    "red and green-blue": mixed((190, 60, 80), (60, 130, 140)),
    "red": mixed((235, 150, 150), (215, 105, 115)),
    "of all colors": scene(96, 128, 2),
}


@pytest.mark.parametrize("name", [*TOLD, *UNTOLD])
def test_a_right_statement_is_never_overruled(name: str) -> None:
    image = (TOLD | UNTOLD)[name]
    assert jpeg.stored_as_ycc([ycc_of(image)], True)
    assert not jpeg.stored_as_ycc([image], False)


@pytest.mark.parametrize("name", TOLD)
def test_black_fill_beside_it_does_not_hide_what_it_means(name: str) -> None:
    image = np.concatenate([TOLD[name], np.zeros_like(TOLD[name])])
    assert jpeg.stored_as_ycc([ycc_of(image)], True)
    assert not jpeg.stored_as_ycc([image], False)


def test_real_slides_are_told(shared_data: Any) -> None:
    import tifffile

    for name in ("CMU-1-Small-Region.svs", "OS-1-detail.ome.tif"):
        image = tifffile.imread(shared_data / "slides" / name, key=0)
        patches = [image[y : y + 240, x : x + 240] for y in range(0, 960, 240) for x in range(0, 960, 240)]
        for patch in patches:
            # A single patch may leave it open; a right statement is never overruled.
            assert jpeg.stored_as_ycc([ycc_of(patch)], True)
            assert not jpeg.stored_as_ycc([patch], False)
        for stated in (True, False):
            assert jpeg.stored_as_ycc([ycc_of(part) for part in patches], stated)
            assert not jpeg.stored_as_ycc(patches, stated)


def test_luma_and_chroma_become_the_colors_of_libjpeg() -> None:
    rng = np.random.default_rng(0)
    ycc = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(jpeg.to_rgb(ycc).astype(int) - expected).max() <= 1


def test_the_marker_of_a_scan_within_another_segment_is_none() -> None:
    comment = b"\xff\xfe\x00\x08\xff\xda\x00\x0cab"
    segments, scan = jpeg.segments_of(INTACT[:2] + comment + INTACT[2:])
    plain, before = jpeg.segments_of(INTACT)
    assert scan == before + len(comment)
    assert segments == [(0xFE, comment), *plain]
