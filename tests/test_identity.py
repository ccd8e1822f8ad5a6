"""A slide is known again after it was touched, copied or moved, and told from others."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pathopipe.identity import full_sha256, identify, slide_files


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "a.svs"
    path.write_bytes(np.random.default_rng(0).bytes(3_000_000))
    return path


def test_touching_copying_and_renaming_change_nothing(slide: Path, tmp_path: Path) -> None:
    before = identify(slide)
    os.utime(slide, (1, 1))
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(slide, tmp_path / "elsewhere" / "b.svs")
    assert str(identify(slide)) == str(before) == str(identify(Path(copy)))


@pytest.mark.parametrize("place", [0, 1, 16_000, -1, -16_000, (3_000_000 - (1 << 14)) * 7 // 15 + 5])
def test_changes_in_the_samples_are_noticed(place: int, slide: Path) -> None:
    before = identify(slide)
    content = bytearray(slide.read_bytes())
    content[place] ^= 1
    slide.write_bytes(content)
    assert identify(slide) != before


def test_another_length_is_another_slide(slide: Path) -> None:
    before = identify(slide)
    with slide.open("ab") as file:
        file.write(b"x")
    assert identify(slide) != before


@pytest.mark.parametrize("content", [b"", b"x", b"abc" * 5000])
def test_small_files_work(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    assert identify(tmp_path / "a").size == len(content)
    assert full_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_an_mrxs_has_its_data_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mrxs").write_bytes(b"main")
    (tmp_path / "a" / "sub").mkdir(parents=True)
    (tmp_path / "a" / "Index.dat").write_bytes(b"index")
    (tmp_path / "a" / "sub" / "Data0.dat").write_bytes(b"data")
    path = tmp_path / "a.mrxs"
    assert [file.name for file in slide_files(path)] == ["a.mrxs", "Index.dat", "Data0.dat"]
    before, full = identify(path), full_sha256(path)
    (tmp_path / "a" / "sub" / "Data0.dat").write_bytes(b"DATA")
    assert identify(path) != before
    assert full_sha256(path) != full


def test_progress_counts_the_bytes(slide: Path) -> None:
    steps: list[int] = []
    assert full_sha256(slide, steps.append) == hashlib.sha256(slide.read_bytes()).hexdigest()
    assert sum(steps) == 3_000_000
