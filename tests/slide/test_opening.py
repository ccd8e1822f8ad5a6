"""What happens to files that are damaged, foreign or gone."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pathopipe.errors import FaultError, SlideRejectedError
from pathopipe.slide import open_slide
from pathopipe.slide.backend import MAX_DAMAGED_SHARE
from pathopipe.units import Grid
from tests.slide.files import scene, write_ome, write_svs

IMAGE = scene(300, 400)


def write_png(path: Path) -> None:
    Image.fromarray(IMAGE).save(path, format="PNG")


def write_jpeg(path: Path) -> None:
    Image.fromarray(IMAGE).save(path, format="JPEG")


def write_strips(path: Path) -> None:
    tifffile.imwrite(path, IMAGE, photometric="rgb", rowsperstrip=16, compression="lzw", metadata=None)


WRITERS: dict[str, Callable[[Path], None]] = {
    "svs": lambda path: write_svs(path, IMAGE, compression="jpeg"),
    "jpeg2000": lambda path: write_svs(path, IMAGE, compression=33005),
    "ome": lambda path: write_ome(path, IMAGE, (2,), compression="jpeg"),
    "tiled": lambda path: tifffile.imwrite(path, IMAGE, photometric="rgb", tile=(128, 128), metadata=None),
    "strips": write_strips,
    "png": write_png,
    "jpeg": write_jpeg,
}


def read(path: Path) -> np.ndarray:
    """Decode every level."""
    with open_slide(path) as slide:
        for level in slide.backend.levels:
            grid = Grid(level.width, level.height, level.downsample, level.downsample, 1.0, 1.0)
            pixels = slide.read(grid, 0, 0, level.width, level.height)
        if slide.damaged_px > MAX_DAMAGED_SHARE * slide.width_px * slide.height_px:
            raise SlideRejectedError(str(slide.damage))  # as `tissue` does
    return pixels


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("intact")
    for name, write in WRITERS.items():
        write(folder / name)
        read(folder / name)
    return {name: (folder / name).read_bytes() for name in WRITERS}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.6])
def test_truncated_files_are_rejected(name: str, share: float, intact: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "slide"
    path.write_bytes(intact[name][: int(len(intact[name]) * share)])
    with pytest.raises(SlideRejectedError) as caught:
        read(path)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


# Not at random: what a C library does with damaged memory sizes could end the whole test run.
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(WRITERS)), data=st.data())
def test_damage_is_read_over_or_rejected(
    name: str, data: st.DataObject, intact: dict[str, bytes], tmp_path: Path
) -> None:
    content = bytearray(intact[name])
    end = data.draw(st.sampled_from([600, len(content)]))
    for place in data.draw(st.lists(st.integers(12, min(end, len(content)) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "slide"
    path.write_bytes(content)
    with contextlib.suppress(SlideRejectedError), open_slide(path) as slide:
        width, height = min(slide.width_px, 400), min(slide.height_px, 300)
        slide.read(Grid(slide.width_px, slide.height_px, 1.0, 1.0, 1.0, 1.0), 0, 0, width, height)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"slide\tpath\n", "not a slide or image"),
        (b"II*\0", "damaged"),
        (b'<DataObject ObjectType="DPUfsImport">', "iSyntax file cannot be read"),
        (b"BM" + bytes(50), "BMP"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_foreign_files_are_rejected(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "slide.svs").write_bytes(content)
    with pytest.raises(SlideRejectedError, match=words):
        open_slide(tmp_path / "slide.svs")


def test_an_image_without_pixels_is_rejected(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, photometric="rgb", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        tiff.pages.first.tags["ImageWidth"].overwrite(0)
    with pytest.raises(SlideRejectedError):
        open_slide(tmp_path / "a.tif")


def test_a_vsi_is_rejected_because_its_tiff_is_an_overview(tmp_path: Path) -> None:
    write_strips(tmp_path / "a.vsi")
    with pytest.raises(SlideRejectedError, match="VSI"):
        open_slide(tmp_path / "a.vsi")


def test_a_folder_without_dicom_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SlideRejectedError, match="no DICOM files"):
        open_slide(tmp_path)


def test_huge_tiles_are_rejected_before_memory_is_asked_for(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs", IMAGE, compression="jpeg")
    with tifffile.TiffFile(tmp_path / "a.svs", mode="r+b") as tiff:
        tiff.pages.first.tags["TileWidth"].overwrite(60_000)
        tiff.pages.first.tags["TileLength"].overwrite(60_000)
    with pytest.raises(SlideRejectedError, match="one piece of 60000 x 60000 pixels"):
        open_slide(tmp_path / "a.svs")


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="No such file"):
        open_slide(tmp_path / "gone.svs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_fault(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(FaultError, match="permission"):
        open_slide(tmp_path / "a.png")


def grid_of(width: int, height: int) -> Grid:
    return Grid(width, height, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", ["svs", "strips"])
def test_a_file_that_vanishes_while_it_is_read_is_a_fault(name: str, intact: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "slide"
    path.write_bytes(damaged(intact[name]))
    with open_slide(path) as slide:
        path.unlink()
        with pytest.raises(FaultError, match="No such file"):
            slide.read(grid_of(400, 300), 0, 0, 400, 300)


@pytest.mark.parametrize("name", ["svs", "strips"])
def test_a_file_that_is_written_anew_while_it_is_read_is_a_fault(
    name: str, intact: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "slide"
    path.write_bytes(damaged(intact[name]))
    with open_slide(path) as slide:
        time = path.stat().st_mtime_ns
        os.utime(path, ns=(time, time + 1_000_000_000))
        with pytest.raises(FaultError, match="changed while it was read"):
            slide.read(grid_of(400, 300), 0, 0, 400, 300)
        assert not slide.damaged


@pytest.mark.parametrize("name", ["svs", "strips"])
def test_a_file_that_is_still_being_copied_is_a_fault(name: str, intact: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "slide"
    path.write_bytes(damaged(intact[name]))
    with open_slide(path) as slide:
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(FaultError, match="changed while"):
            slide.read(grid_of(400, 300), 0, 0, 400, 300)


def damaged(content: bytes) -> bytes:
    """Overwrite the pixels, which follow the header, up to the directory."""
    start = content.index(b"\xff\xd8\xff") if b"\xff\xd8\xff" in content else 400
    return content[:start] + bytes([0x55]) * 4000 + content[start + 4000 :]


def test_an_error_of_the_disk_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_strips(tmp_path / "a.tif")

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with open_slide(tmp_path / "a.tif") as slide:
        monkeypatch.setattr(os, "pread", fail)
        with pytest.raises(FaultError, match="Input/output error"):
            slide.read(grid_of(400, 300), 0, 0, 400, 300)


def test_a_disk_that_fails_under_openslide_is_a_fault(
    intact: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "slide"
    path.write_bytes(damaged(intact["svs"]))
    with open_slide(path) as slide:
        really_open = Path.open

        def fail(self: Path, *arguments: object, **options: object) -> object:
            if self == path:
                raise OSError(5, "Input/output error")
            return really_open(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(FaultError, match="Input/output error"):
            slide.read(grid_of(400, 300), 0, 0, 400, 300)
