"""Slides that lack a part are rejected with what is missing, and files that declare more than they hold at once."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless

from pathopipe.errors import SlideRejectedError
from pathopipe.identity import identify, slide_files
from pathopipe.slide import open_slide
from pathopipe.slide.pieces import CodedPieces, JpegPieces
from tests.slide import dicom
from tests.slide.files import RGB, scene, tissue, write_ome

IMAGE = tissue(600, 800)
JPEG_TILES = {"tile": (64, 64), "compression": "jpeg"}
LAYOUTS = [*({"tile": (side, side)} for side in (256, 1024, 2048)), {"rowsperstrip": 1}, {"rowsperstrip": 700}]
VMS = {
    "ImageFile": "a.jpg",
    "ImageFile(1,0)": "b.jpg",
    "ImageFile(0,1)": "c.jpg",
    "ImageFile(1,1)": "d.jpg",
    "MapFile": "map.jpg",
    "OptimisationFile": "a.opt",
}


def write_vms(folder: Path, suffix: str = ".vms") -> Path:
    section = "Virtual Microscope Specimen" if suffix == ".vms" else "Uncompressed Virtual Microscope Specimen"
    lines = [f"{key}={name}" for key, name in VMS.items()]
    path = folder / f"slide{suffix}"
    path.write_text("\n".join([f"[{section}]", *lines, "MacroImage=macro.jpg"]))
    for number, name in enumerate([*VMS.values(), "macro.jpg"]):
        (folder / name).write_bytes(bytes([number]) * 100)
    return path


@pytest.mark.parametrize("suffix", [".vms", ".vmu"])
@pytest.mark.parametrize("lost", ["a.jpg", "d.jpg", "map.jpg"])
def test_a_vms_that_lacks_a_file_is_rejected(suffix: str, lost: str, tmp_path: Path) -> None:
    path = write_vms(tmp_path, suffix)
    (tmp_path / lost).unlink()
    with pytest.raises(SlideRejectedError, match=rf"lacks files that belong to it \({lost}\)"):
        open_slide(path)


def test_what_a_vms_can_do_without_may_be_missing(tmp_path: Path) -> None:
    path = write_vms(tmp_path)
    for name in ("macro.jpg", "a.opt"):
        (tmp_path / name).unlink()
    with pytest.raises(SlideRejectedError) as caught:
        open_slide(path)  # its files are no JPEG
    assert "lacks" not in str(caught.value)


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    path = write_vms(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "map.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(SlideRejectedError, match=r"and 2 more\)"):
        open_slide(path)


def test_the_identity_of_a_vms_counts_its_files(tmp_path: Path) -> None:
    path = write_vms(tmp_path)
    assert {file.name for file in slide_files(path)} == {"slide.vms", "a.jpg", "b.jpg", "c.jpg", "d.jpg", "map.jpg"}
    before = identify(path)
    (tmp_path / "d.jpg").write_bytes(b"changed" * 20)
    assert identify(path) != before
    (tmp_path / "macro.jpg").unlink()
    assert identify(path).size == before.size + 40


def write_mrxs(folder: Path) -> Path:
    data = folder / "slide"
    data.mkdir()
    files = {"file_count": 2, "file_0": "Data0000.dat", "file_1": "Data0001.dat"}
    lines = ["[HIERARCHICAL]", "INDEXFILE = Index.dat", "[DATAFILE]", *(f"{k.upper()} = {v}" for k, v in files.items())]
    (data / "Slidedat.ini").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    for name in ("Index.dat", "Data0000.dat", "Data0001.dat"):
        (data / name).write_bytes(name.encode())
    (folder / "slide.mrxs").write_bytes(b"\xff\xd8\xff\xd9 picture")
    return folder / "slide.mrxs"


@pytest.mark.parametrize("lost", ["Slidedat.ini", "Index.dat", "Data0000.dat", "Data0001.dat"])
def test_an_mrxs_that_lacks_a_file_is_rejected(lost: str, tmp_path: Path) -> None:
    path = write_mrxs(tmp_path)
    assert len(slide_files(path)) == 5
    (tmp_path / "slide" / lost).unlink()
    with pytest.raises(SlideRejectedError, match=rf"lacks files that belong to it \({lost}\)"):
        open_slide(path)


def read(path: Path) -> RGB:
    with open_slide(path, (0.5, 0.5)) as slide:
        pixels = slide.read(slide.grid(0.5), 0, 0, slide.width_px, slide.height_px)
        assert not slide.damaged
    return pixels


def series(folder: Path) -> list[Path]:
    return dicom.write_series(folder, IMAGE, "1.2.3.4")


def edit(file: Path, **changes: Any) -> None:
    content = dcmread(file)
    for name, value in changes.items():
        setattr(content, name, value)
    content.save_as(file)


def assert_rejected(path: Path, words: str) -> None:
    with pytest.raises(SlideRejectedError, match=words) as caught:
        open_slide(path)
    assert "damaged" not in str(caught.value)


def test_a_series_without_its_largest_level_is_rejected(tmp_path: Path) -> None:
    series(tmp_path)[1].unlink()
    assert_rejected(tmp_path, "lacks the full-resolution image")


def test_a_series_without_a_smaller_level_is_whole(tmp_path: Path) -> None:
    series(tmp_path)[2].unlink()
    assert np.abs(read(tmp_path).astype(int) - IMAGE).mean() < 2


def test_a_series_of_labels_alone_holds_no_slide(tmp_path: Path) -> None:
    for file in series(tmp_path)[1:3]:
        file.unlink()
    assert_rejected(tmp_path, "holds no whole-slide image")


def test_frames_that_the_file_does_not_list_are_missing(tmp_path: Path) -> None:
    edit(series(tmp_path)[1], NumberOfFrames=7)
    assert_rejected(tmp_path, "lacks 5 of 12 frames")


def test_frames_that_are_not_there_are_missing(tmp_path: Path) -> None:
    file = series(tmp_path)[1]
    content = dcmread(file)
    content.PixelData = dicom.encapsulate([dicom.jpeg_frame(part) for part in dicom.tiles(IMAGE)[:9]])
    content.save_as(file)
    assert_rejected(tmp_path, "lacks 3 of 12 frames")


@pytest.mark.parametrize(
    ("found", "words"), [([1, 3], "over 3 files, 1 of them missing"), ([1, 2, 3], "over 3 files:")]
)
def test_a_concatenation_is_rejected(found: list[int], words: str, tmp_path: Path) -> None:
    for number in found:
        changes = {"InConcatenationTotalNumber": 3, "InConcatenationNumber": number}
        dicom.write(tmp_path / f"{number}.dcm", dicom.instance(IMAGE, number=number, **changes))
    assert_rejected(tmp_path, words)


def index(path: Path) -> None:
    """A DICOMDIR, as far as anyone looks at it."""
    content = dicom.instance(IMAGE[:8, :8])
    content.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    content.SOPClassUID = "1.2.840.10008.1.3.10"
    del content.SeriesInstanceUID
    dicom.write(path, content)


def test_a_dicomdir_beside_the_files_is_an_index(tmp_path: Path) -> None:
    files = series(tmp_path)
    index(tmp_path / "DICOMDIR")
    for path in (tmp_path, tmp_path / "DICOMDIR", files[1]):
        assert slide_files(path) == files
        assert np.abs(read(path).astype(int) - IMAGE).mean() < 2


def test_the_files_of_a_medium_are_looked_for_below_its_index(tmp_path: Path) -> None:
    below = tmp_path / "IMAGES" / "0001"
    below.mkdir(parents=True)
    files = series(below)
    index(tmp_path / "DICOMDIR")
    for path in (tmp_path, tmp_path / "DICOMDIR"):
        assert slide_files(path) == files
        assert np.abs(read(path).astype(int) - IMAGE).mean() < 2


def test_an_index_without_files_holds_no_slide(tmp_path: Path) -> None:
    index(tmp_path / "DICOMDIR")
    for path in (tmp_path, tmp_path / "DICOMDIR"):
        with pytest.raises(SlideRejectedError):
            open_slide(path)


def test_places_of_a_sparse_image_without_frames_are_white(tmp_path: Path) -> None:
    kept = [place for place in range(12) if place not in {0, 5}]
    places = [dicom.place(256 * (number % 4), 256 * (number // 4)) for number in kept]
    sparse = {"DimensionOrganizationType": "TILED_SPARSE", "NumberOfFrames": 10}
    content = dicom.instance(IMAGE, PerFrameFunctionalGroupsSequence=places, **sparse)
    content.PixelData = dicom.encapsulate([dicom.jpeg_frame(dicom.tiles(IMAGE)[number]) for number in kept])
    dicom.write(tmp_path / "a.dcm", content)
    expected = IMAGE.copy()
    expected[:256, :256] = expected[256:512, 256:512] = 255
    assert np.abs(read(tmp_path).astype(int) - expected).mean() < 2


def test_a_sparse_image_off_the_grid_is_rejected(tmp_path: Path) -> None:
    places = [dicom.place(256 * (number % 4) + 3, 256 * (number // 4)) for number in range(12)]
    changes = {"DimensionOrganizationType": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": places}
    dicom.write(tmp_path / "a.dcm", dicom.instance(IMAGE, **changes))
    assert_rejected(tmp_path, "do not lie on one grid")


def test_a_sparse_image_with_two_frames_at_one_place_is_rejected(tmp_path: Path) -> None:
    places = [dicom.place(256 * (number % 4), 256 * (number // 6)) for number in range(12)]
    changes = {"DimensionOrganizationType": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": places}
    dicom.write(tmp_path / "a.dcm", dicom.instance(IMAGE, **changes))
    assert_rejected(tmp_path, "lie at the same position")


@pytest.mark.parametrize("organization", ["TILED_FULL", "TILED_SPARSE"])
def test_a_dicom_of_impossible_size_is_rejected_at_once(organization: str, tmp_path: Path) -> None:
    file = series(tmp_path)[1]
    edit(file, TotalPixelMatrixColumns=2**31, DimensionOrganizationType=organization)
    begin = time.monotonic()
    with pytest.raises(SlideRejectedError, match=r"2,147,483,648 x 600 pixels|lacks .* of 25,165,824 frames"):
        open_slide(tmp_path)
    assert time.monotonic() - begin < 5


def test_a_file_of_another_class_in_the_series_is_passed_over(tmp_path: Path) -> None:
    series(tmp_path)
    other = dicom.instance(IMAGE[:64, :64], number=9)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.11.1"
    dicom.write(tmp_path / "state.dcm", other)
    assert np.abs(read(tmp_path).astype(int) - IMAGE).mean() < 2


def test_jpeg_in_ycbcr_that_is_called_rgb_has_right_colors(tmp_path: Path) -> None:
    for file in series(tmp_path):
        edit(file, PhotometricInterpretation="RGB")
    assert np.abs(read(tmp_path).astype(int) - IMAGE).mean() < 2


def test_jpeg_ls_is_read(tmp_path: Path) -> None:
    options = {"syntax": JPEGLSLossless, "PhotometricInterpretation": "RGB"}
    dicom.write(tmp_path / "a.dcm", dicom.instance(IMAGE, encode=imagecodecs.jpegls_encode, **options))
    np.testing.assert_array_equal(read(tmp_path), IMAGE)


def spread_ome(folder: Path, name: str) -> Path:
    """An OME-TIFF whose one plane lies in another file."""
    for file in ("a.ome.tif", "b.ome.tif"):
        write_ome(folder / file, IMAGE)
    both = [tifffile.tiffcomment(folder / file) for file in ("a.ome.tif", "b.ome.tif")]
    uuid = both[1].split('UUID="')[1].split('"')[0]
    elsewhere = f'PlaneCount="1"><UUID FileName="{name}">{uuid}</UUID></TiffData>'
    tifffile.tiffcomment(folder / "a.ome.tif", both[0].replace('PlaneCount="1"/>', elsewhere).encode())
    return folder / "a.ome.tif"


@pytest.mark.parametrize("name", ["b.ome.tif", "gone.ome.tif"])
def test_an_ome_tiff_of_several_files_is_rejected_whether_they_are_there_or_not(name: str, tmp_path: Path) -> None:
    assert_rejected(spread_ome(tmp_path, name), "spread over several files")


@pytest.mark.parametrize(
    "options", [{"tile": (64, 64)}, {"rowsperstrip": 16}, {"tile": (64, 64), "compression": "jpeg"}]
)
def test_a_tiff_that_declares_more_than_it_lists_is_rejected_at_once(options: dict[str, Any], tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE[:192, :192], photometric="rgb", metadata=None, **options)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tiff.pages.first.tags[name].overwrite(100_000)
    begin = time.monotonic()
    with pytest.raises(SlideRejectedError, match=r"100,000 x 100,000 pixels, but lists fewer pieces"):
        open_slide(tmp_path / "a.tif")
    assert time.monotonic() - begin < 5


def test_pieces_so_large_that_rows_of_them_do_not_fit_are_rejected(tmp_path: Path) -> None:
    black = np.zeros((4096, 40_960, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", black, photometric="rgb", metadata=None, tile=(4096, 4096), compression="zlib")
    assert_rejected(tmp_path / "a.tif", "pieces of 4096 x 4096 pixels, too large .*: convert it to a tiled TIFF")


def decodes(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, int]]:
    """How often each piece is decoded in a pass of windows over the slide at its full resolution."""
    with open_slide(path, (0.5, 0.5), sweep=True) as slide:
        count = Counter[tuple[int, int]]()
        pieces = slide.backend._stored[0].pieces
        plain = type(pieces).decode

        def counted(self: Any, file: int, column: int, row: int, scale: int) -> RGB:
            count[column, row] += self is pieces and scale == 1
            return plain(self, file, column, row, scale)

        for kind in (CodedPieces, JpegPieces):
            monkeypatch.setattr(kind, "decode", counted if kind is type(pieces) else kind.decode)
        for _ in slide.windows(slide.grid(0.5), size):
            pass
    return count


@pytest.mark.parametrize(
    "options", [*({"tile": (s, s)} for s in (256, 1024, 2048)), {"rowsperstrip": 1}, {"rowsperstrip": 700}]
)
@pytest.mark.parametrize("compression", ["zlib", "jpeg"])
@pytest.mark.parametrize("window", [384, 1024])
def test_each_piece_is_decoded_once_where_a_row_of_them_fits(
    options: dict[str, Any], compression: str, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if options == {"rowsperstrip": 1} and compression == "jpeg":
        options = {"rowsperstrip": 8}
    image = scene(2100, 2500)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", metadata=None, compression=compression, **options)
    count = decodes(tmp_path / "a.tif", window, monkeypatch)
    assert count
    assert max(count.values()) == 1, count.most_common(3)


@pytest.mark.parametrize("side", [1024, 2048])
@pytest.mark.parametrize("window", [384, 700, 1024])
def test_each_piece_is_decoded_five_times_at_most_where_a_row_of_them_does_not_fit(
    side: int, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_CACHE_BYTES", "_MOST_CACHE_BYTES"):
        monkeypatch.setattr(f"pathopipe.slide.tiled_backend.{name}", 8 * side**2)  # two pieces and a rest
    image = scene(2100, 4200)
    options = {"tile": (side, side), "compression": "zlib"}
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", metadata=None, **options)
    count = decodes(tmp_path / "a.tif", window, monkeypatch)
    assert max(count.values()) <= 5, count
    assert window == 1024 or max(count.values()) > 1  # the cache was too small for a row
