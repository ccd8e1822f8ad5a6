"""``pathopipe init``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pathopipe.cli import init
from pathopipe.samples import read_samples


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that are slides by their names only; the current folder is another one."""
    names = ["a/S1.SVS", "b/s1.svs", "ä ö/Müller, H.svs", "b/x.OME.TIF", "b/tab\there.tif", "cohort.tif", "photo.JPG"]
    hidden = [".old/h.svs", "b/._S1.svs", "b/notes.txt"]
    for name in names + hidden:
        file = tmp_path / "slides" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "slides"


def run(*arguments: str) -> int:
    return CliRunner().invoke(init.init, arguments, catch_exceptions=True).exit_code


def test_ids_from_names_and_from_paths_where_names_are_alike(folder: Path) -> None:
    assert run(str(folder)) == 0
    samples = read_samples(Path("slides.tsv"))
    assert {sample.slide: str(sample.path.relative_to(folder)) for sample in samples} == {
        "a_S1": "a/S1.SVS",
        "b_s1": "b/s1.svs",
        "Muller_H": "ä ö/Müller, H.svs",
        "x": "b/x.OME.TIF",
        "tab_here": "b/tab\there.tif",
        "cohort_1": "cohort.tif",
    }


@pytest.mark.parametrize(
    ("name", "slide"),
    [("-x.svs", "x"), ("--help.svs", "help"), ("_-1.svs", "1"), ("(-) a-.svs", "a-"), ("-.svs", "slide")],
)
def test_no_id_begins_like_an_option(name: str, slide: str, tmp_path: Path) -> None:
    assert init.make_ids([tmp_path / name], tmp_path) == [slide]
    assert init.make_ids([tmp_path / "-a" / "s.svs", tmp_path / "-b" / "s.svs"], tmp_path) == ["a_s", "b_s"]


def test_a_relative_folder_leaves_no_detour_in_the_paths(folder: Path) -> None:
    assert run("../slides") == 0
    assert ".." not in Path("slides.tsv").read_text(encoding="utf-8")


def test_neutral_ids_have_a_key_that_tells_equal_names_apart(folder: Path) -> None:
    assert run("--neutral-ids", "--images", str(folder)) == 0
    assert [sample.slide for sample in read_samples(Path("slides.tsv"))] == [f"slide_000{n}" for n in range(1, 8)]
    key = Path("slides_key.tsv").read_text(encoding="utf-8").splitlines()
    assert key[:3] == ["slide\tname", "slide_0001\ta/S1.SVS", "slide_0002\tb/s1.svs"]


def test_nothing_is_overwritten_unasked(folder: Path) -> None:
    assert run(str(folder)) == 0
    Path("slides.tsv").write_text("mine", encoding="utf-8")
    assert run(str(folder)) != 0
    assert Path("slides.tsv").read_text(encoding="utf-8") == "mine"
    assert run("--force", str(folder)) == 0
    assert len(read_samples(Path("slides.tsv"))) == 6


def test_images_that_are_left_out_are_told(folder: Path) -> None:
    assert "left out 1 PNG and JPEG images" in CliRunner().invoke(init.init, [str(folder)]).output
