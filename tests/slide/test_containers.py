"""The same pixels in every container, compression and tag: they are read as from a PNG, or rejected in true words.

Lossless files must give the same pixels. Those of JPEG may differ by `LOSSY` gray levels on average, by more where
chroma is stored at half the size.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from pathopipe.errors import SlideRejectedError
from pathopipe.slide import open_slide
from tests.slide import dicom
from tests.slide.files import RGB, tissue, write_jpeg_tiles, write_ome, write_svs

IMAGE = tissue(200, 260)
HEIGHT, WIDTH = IMAGE.shape[:2]
LOSSY = 2.0
Write = Callable[[Path], None]
Case = tuple[str, Write, float]


def read(path: Path) -> RGB:
    """All pixels of the largest level; of a file that is damaged none."""
    with open_slide(path, (0.5, 0.5)) as slide:
        pixels = slide.read(slide.grid(0.5), 0, 0, slide.width_px, slide.height_px)
        assert not slide.damaged, slide.damage
    return pixels


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> RGB:
    path = tmp_path_factory.mktemp("png") / "a.png"
    Image.fromarray(IMAGE).save(path)
    return read(path)


def plain(image: Any = IMAGE, writer: dict[str, Any] | None = None, **options: Any) -> Write:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path, **(writer or {})) as tiff:
            tiff.write(image, **({"photometric": "rgb", "metadata": None} | options))

    return write


def svs(**options: Any) -> Write:
    return lambda path: write_svs(path, IMAGE, **options)


def ome(**options: Any) -> Write:
    return lambda path: write_ome(path, IMAGE, (2,), **options)


PLAIN: dict[str, Callable[..., Write]] = {
    "tiff": plain,
    "big-endian": lambda **options: plain(writer={"byteorder": ">"}, **options),
    "bigtiff": lambda **options: plain(writer={"bigtiff": True, "byteorder": ">"}, **options),
    "ome": ome,
    "svs": svs,
}
LOSSLESS: dict[str, dict[str, Any]] = {
    "none": {},
    "lzw": {"compression": "lzw"},
    "zlib": {"compression": "zlib"},
    "old-deflate": {"compression": "deflate"},
    "lzma": {"compression": "lzma"},
    "zstd": {"compression": "zstd"},
    "packbits": {"compression": "packbits"},
    "jpeg2000": {"compression": "jpeg2000"},
    "webp": {"compression": "webp", "compressionargs": {"level": 100, "lossless": True}},
    "jpegxl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "lzw-predictor": {"compression": "lzw", "predictor": True},
    "zstd-predictor": {"compression": "zstd", "predictor": True},
}


def lossless() -> Iterator[Case]:
    for container, write in PLAIN.items():
        for name, options in LOSSLESS.items():
            yield f"{container} {name}", write(tile=(64, 64), **options), 0
    for side in (16, 48, 64, 128, 240, 256, 512):
        for name in ("none", "lzw-predictor", "jpeg2000"):
            yield f"tiles of {side}, {name}", plain(tile=(side, side), **LOSSLESS[name]), 0
    for rows in (1, 7, 16, 64, 199, HEIGHT):
        for name in ("none", "lzw", "zlib", "packbits"):
            yield f"strips of {rows}, {name}", plain(rowsperstrip=rows, **LOSSLESS[name]), 0
    yield "tiles that are no squares", plain(tile=(48, 160), compression="zlib"), 0


def planar() -> Iterator[Case]:
    planes = np.moveaxis(IMAGE, 2, 0)
    for layout in ({"tile": (64, 64)}, {"rowsperstrip": 33}, {"rowsperstrip": HEIGHT}):
        for name in ("none", "lzw", "zlib", "lzw-predictor"):
            yield f"planes, {layout}, {name}", plain(planes, planarconfig="separate", **layout, **LOSSLESS[name]), 0


def tag(write: Write, name: str | int, value: int) -> Write:
    """Change a tag of the first page after the file was written."""

    def changed(path: Path) -> None:
        write(path)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            tiff.pages.first.tags[name].overwrite(value)

    return changed


def orientations() -> Iterator[Case]:
    for number in range(1, 9):
        for layout in ({"tile": (64, 64)}, {"rowsperstrip": 16}):
            write = plain(extratags=[(274, "H", 1, number, True)], compression="zlib", **layout)
            yield f"orientation {number}, {layout}", write, 0


def fourth_samples() -> Iterator[Case]:
    for layout in ({"tile": (64, 64)}, {"rowsperstrip": 16}):
        for kind in ("unspecified", "assocalpha", "unassalpha"):
            for name in ("none", "zlib"):
                image = np.dstack([IMAGE, np.full((HEIGHT, WIDTH), 255, np.uint8)])
                write = plain(image, extrasamples=[kind], **layout, **LOSSLESS[name])
                yield f"opaque {kind}, {layout}, {name}", write, 0
        unknown = np.dstack([IMAGE, np.zeros((HEIGHT, WIDTH), np.uint8)])
        yield f"zeros of no meaning, {layout}", plain(unknown, extrasamples=["unspecified"], **layout), 0


def jpegs() -> Iterator[Case]:
    for tile in (64, 240):
        for colors in ("rgb", "ycbcr"):
            for tables in (True, False):
                for jfif in (True, False):
                    for stated in (2, 6):
                        options = {"tile": tile, "photometric": colors, "tables": tables, "jfif": jfif}
                        write = tag(jpeg_tiles(**options), "PhotometricInterpretation", stated)
                        yield f"jpeg {options}, said to be {stated}", write, LOSSY
    for subsampling in ("444", "422", "420"):
        for tables in (True, False):
            options = {"tile": 112, "photometric": "ycbcr", "subsampling": subsampling, "tables": tables}
            yield f"jpeg {options}", jpeg_tiles(**options), LOSSY
    for name, container in PLAIN.items():
        yield f"{name} jpeg", container(tile=(64, 64), compression="jpeg"), LOSSY
    for rows in (8, 16, 64, HEIGHT):
        yield f"jpeg in strips of {rows}", plain(rowsperstrip=rows, compression="jpeg"), LOSSY


def jpeg_tiles(**options: Any) -> Write:
    return lambda path: write_jpeg_tiles(path, IMAGE, **options)


def lossy() -> Iterator[Case]:
    for name, options in (("webp", {"level": 95}), ("jpegxl", {"level": 95}), ("jpeg2000", {"level": 50})):
        yield f"lossy {name}", plain(tile=(64, 64), compression=name, compressionargs=options), LOSSY
    yield "lossy svs webp", svs(tile=(64, 64), compression="webp", compressionargs={"level": 95}), LOSSY


def dicom_file(**options: Any) -> Write:
    return lambda path: dicom.write(path, dicom.instance(IMAGE, **options))


def jpeg2000(tile: RGB) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(tile, reversible=True, codecformat="J2K", mct=True))


def dicoms() -> Iterator[Case]:
    rgb = {"PhotometricInterpretation": "RGB"}
    for tile in (64, 112, 256):
        for colors, subsampling in (("YCBCR", "444"), ("YCBCR", "422"), ("YCBCR", "420"), ("RGB", "444")):
            for stated in ("YBR_FULL_422", "RGB"):
                options = {"tile": tile, "PhotometricInterpretation": stated, "syntax": JPEGBaseline8Bit}
                name = f"dicom jpeg {colors} {subsampling} of {tile}, said to be {stated}"
                yield name, dicom_file(encode=jpeg_of(colors, subsampling), **options), LOSSY
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            yield f"dicom {syntax} of {tile}", dicom_file(tile=tile, encode=RGB.tobytes, syntax=syntax, **rgb), 0
        yield f"dicom jpeg-ls {tile}", dicom_file(tile=tile, encode=jpeg_ls, syntax=JPEGLSLossless, **rgb), 0
        for syntax, stated in ((JPEG2000Lossless, "YBR_RCT"), (JPEG2000, "RGB")):
            options = {"tile": tile, "syntax": syntax, "PhotometricInterpretation": stated}
            yield f"dicom jpeg2000 {syntax} of {tile}", dicom_file(encode=jpeg2000, **options), 0
    options = {"encode": planes_of, "syntax": ExplicitVRLittleEndian, "PlanarConfiguration": 1}
    yield "dicom in planes", dicom_file(**options, **rgb), 0
    options = {"encode": ycc_of, "syntax": ExplicitVRLittleEndian, "PhotometricInterpretation": "YBR_FULL"}
    yield "dicom in YCbCr", dicom_file(**options), LOSSY


def jpeg_of(colors: str, subsampling: str) -> dicom.Encode:
    return lambda tile: dicom.jpeg_frame(tile, colors, subsampling)


def jpeg_ls(tile: RGB) -> bytes:
    return bytes(imagecodecs.jpegls_encode(tile))


def planes_of(tile: RGB) -> bytes:
    return np.moveaxis(tile, 2, 0).tobytes()


def ycc_of(tile: RGB) -> bytes:
    return np.asarray(Image.fromarray(tile).convert("YCbCr")).tobytes()


CASES = [case for make in (lossless, planar, orientations, fourth_samples, jpegs, lossy, dicoms) for case in make()]


def test_the_matrix_is_as_large_as_it_is_said_to_be() -> None:
    assert len({name for name, *_ in CASES}) == len(CASES)
    assert len(CASES) >= 200


@pytest.mark.parametrize(("write", "tolerance"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_pixels_are_those_of_the_png(write: Write, tolerance: float, expected: RGB, tmp_path: Path) -> None:
    write(tmp_path / "slide")
    pixels = read(tmp_path / "slide")
    assert pixels.shape == expected.shape
    if tolerance:
        assert np.abs(pixels.astype(int) - expected).mean() < tolerance
    else:
        np.testing.assert_array_equal(pixels, expected)


def half_transparent(kind: str, **layout: Any) -> Write:
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    colors = IMAGE * (alpha > 0)[..., None] if kind == "assocalpha" else IMAGE
    return plain(np.dstack([colors, alpha]), extrasamples=[kind], **layout)


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
@pytest.mark.parametrize("layout", [{"tile": (64, 64)}, {"rowsperstrip": 16}, {"tile": (64, 64), "compression": "lzw"}])
def test_what_is_transparent_is_white_in_tiles_and_strips(kind: str, layout: dict[str, Any], tmp_path: Path) -> None:
    half_transparent(kind, **layout)(tmp_path / "slide.tif")
    pixels = read(tmp_path / "slide.tif")
    np.testing.assert_array_equal(pixels[:, : WIDTH // 2], IMAGE[:, : WIDTH // 2])
    assert (pixels[:, WIDTH // 2 :] == 255).all()


def compressed_as(number: int, image: RGB = IMAGE, **options: Any) -> Write:
    return tag(plain(image, tile=(64, 64), compression="zlib", **options), "Compression", number)


def reversed_bits(path: Path) -> None:
    """Tifffile writes no such tag: another one is renamed."""
    plain(extratags=[(65000, "H", 1, 2, True)])(path)
    path.write_bytes(path.read_bytes().replace(struct.pack("<HHI", 65000, 3, 1), struct.pack("<HHI", 266, 3, 1)))


def encapsulated(syntax: str, **options: Any) -> Write:
    return dicom_file(encode=lambda _: b"\0\0", syntax=syntax, **options)


GRAY = IMAGE[..., 0]
REJECTED: dict[str, tuple[Write, str]] = {
    "JBIG": (compressed_as(9), "'JBIG_BW' is not supported"),
    "Nikon's": (compressed_as(34713), "'NIKON_NEF' is not supported"),
    "of no name": (compressed_as(65535), "'65535' is not supported"),
    "old JPEG": (compressed_as(6), "holds YCbCr, not RGB color"),
    "lossless JPEG": (
        plain(tile=(64, 64), compression="jpeg", compressionargs={"lossless": True, "outcolorspace": "rgb"}),
        "JPEG of a kind that is not supported",
    ),
    "YCbCr in LZW": (
        tag(plain(tile=(64, 64), compression="lzw"), "PhotometricInterpretation", 6),
        "holds YCbCr, not RGB color",
    ),
    "CIELab": (tag(plain(tile=(64, 64)), "PhotometricInterpretation", 8), "holds CIELab"),
    "gray": (plain(GRAY, photometric="minisblack", tile=(64, 64)), "holds gray values"),
    "16 bits": (plain(IMAGE.astype(np.uint16), rowsperstrip=16), "16 bits"),
    "JPEG in planes": (
        plain(np.moveaxis(IMAGE, 2, 0), planarconfig="separate", tile=(64, 64), compression="jpeg"),
        "separate planes of color, is not supported",
    ),
    "JPEG of four samples": (compressed_as(7, np.dstack([IMAGE, GRAY]), extrasamples=[0]), "JPEG of four samples"),
    "reversed bits": (reversed_bits, "reverse order"),
    "DICOM in RLE": (encapsulated(RLELossless), "'RLE Lossless' is not supported"),
    "big-endian DICOM": (dicom_file(syntax=ExplicitVRBigEndian), "'Explicit VR Big Endian' is not supported"),
    "DICOM as a film": (encapsulated("1.2.840.10008.1.2.4.100"), "MPEG2 .* is not supported"),
    "DICOM as lossless JPEG": (encapsulated("1.2.840.10008.1.2.4.70"), "'JPEG Lossless.*' is not supported"),
    "DICOM of 16 bits": (encapsulated(JPEG2000, BitsAllocated=16), "16 bits per pixel"),
    "gray DICOM": (encapsulated(JPEG2000, SamplesPerPixel=1), "1 samples of 8 bits"),
    "DICOM of 3 planes": (encapsulated(JPEG2000, TotalPixelMatrixFocalPlanes=3), "3 focal planes"),
    "DICOM of 2 paths": (encapsulated(JPEG2000, NumberOfOpticalPaths=2), "2 optical paths"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_cannot_be_read_is_named_and_not_called_damaged(name: str, tmp_path: Path) -> None:
    write, words = REJECTED[name]
    write(tmp_path / "slide")
    with pytest.raises(SlideRejectedError, match=words) as caught:
        read(tmp_path / "slide")
    assert "damaged" not in str(caught.value)
    assert "\n" not in str(caught.value)
