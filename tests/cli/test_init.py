"""``pathopipe init``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from pathopipe.cli import init
from pathopipe.samples import read_samples
from tests.slide.dicom import write_series


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
    assert run("--ids", "names", str(folder)) == 0
    samples = read_samples(Path("slides.tsv"))
    assert {sample.slide: str(sample.path.relative_to(folder)) for sample in samples} == {
        "a_S1": "a/S1.SVS",
        "b_s1": "b/s1.svs",
        "Muller_H": "ä ö/Müller, H.svs",
        "x": "b/x.OME.TIF",
        "tab_here": "b/tab\there.tif",
        "cohort_1": "cohort.tif",
    }


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


def said(*arguments: str) -> str:
    done = CliRunner().invoke(init.init, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_force_keeps_what_was_entered_by_hand(folder: Path) -> None:
    assert run(str(folder)) == 0
    Path("config.yaml").write_text("slides: slides.tsv\ngrade: {nottingham: {min_nuclei: 7}}\n", encoding="utf-8")
    Path("slides.tsv").write_text(
        "slide\tpath\tmpp\tpatient\troi\tsite\n"
        f"mine\t{folder}/b/s1.svs\t0.25\tP1\troi.json\tGent\n"
        "part\t../slides/b/s1.svs\t0.25\tP1\tother.json\tGent\n"
        f"gone\t{folder}/gone.svs\t0.5\tP2\t\t\n",
        encoding="utf-8",
    )
    before = Path("slides.tsv").read_bytes()
    output = said("--force", "--ids", "names", str(folder))
    samples = {sample.slide: sample for sample in read_samples(Path("slides.tsv"))}
    assert list(samples) == ["mine", "part", "S1", "tab_here", "x", "cohort_1", "Muller_H"]
    assert samples["mine"].mpp == (0.25, 0.25)
    assert (samples["mine"].patient, samples["mine"].extra) == ("P1", {"site": "Gent"})
    assert samples["part"].roi == Path("other.json").absolute()
    assert "min_nuclei: 7" in Path("config.yaml").read_text(encoding="utf-8")
    assert "1 that were not found: gone" in output
    assert Path("slides.tsv.bak").read_bytes() == before


def test_force_on_an_unchanged_folder_changes_nothing(folder: Path) -> None:
    said(str(folder))
    before = Path("slides.tsv").read_bytes()
    assert ".bak" not in said("--force", str(folder))
    assert (Path("slides.tsv").read_bytes(), Path("slides.tsv.bak").exists()) == (before, False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_add_leaves_the_sheet_as_it_is_and_adds_what_is_new(folder: Path, encoding: str) -> None:
    text = f"sep=;\r\n# mine\r\npath;slide;site\r\n../slides/b/s1.svs;x;Gent\r\n{folder}/gone.svs;s;"
    Path("slides.tsv").write_bytes(text.encode(encoding))
    assert "5 slides added to slides.tsv, which lists 7 now" in said("--add", "--ids", "names", str(folder))
    written = Path("slides.tsv").read_bytes()
    assert written.startswith(text.encode(encoding))
    assert written.decode(encoding).count("\r\n") == written.decode(encoding).count("\n") == 10
    samples = read_samples(Path("slides.tsv"))
    assert [sample.slide for sample in samples] == ["x", "s", "S1", "tab_here", "b_x", "cohort_1", "Muller_H"]
    assert samples[4].path == folder / "b/x.OME.TIF"
    again = Path("slides.tsv").read_bytes()
    assert "0 slides added" in said("--add", str(folder))
    assert Path("slides.tsv").read_bytes() == again


def test_add_goes_on_with_neutral_ids_and_their_key(folder: Path) -> None:
    said("--neutral-ids", str(folder))
    (folder / "a" / "new.svs").write_bytes(b"")
    said("--add", str(folder))
    assert Path("slides.tsv").read_text(encoding="utf-8").splitlines()[-1] == f"slide_0007\t{folder}/a/new.svs\t"
    assert Path("slides_key.tsv").read_text(encoding="utf-8").splitlines()[-1] == "slide_0007\ta/new.svs"


def test_force_with_neutral_ids_leaves_no_name_in_an_id(folder: Path) -> None:
    Path("slides.tsv").write_text(f"slide\tpath\tmpp\nmine\t{folder}/b/s1.svs\t0.25\n", encoding="utf-8")
    said("--force", "--neutral-ids", str(folder))
    samples = read_samples(Path("slides.tsv"))
    assert [sample.slide for sample in samples] == [f"slide_000{n}" for n in range(1, 7)]
    assert samples[0].mpp == (0.25, 0.25)
    assert "slide_0001\tb/s1.svs" in Path("slides_key.tsv").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [("--add",), ("--add", "--force")])
def test_add_needs_a_sound_sheet_and_is_not_force(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, str(folder)) != 0
    Path("slides.tsv").write_text("slide\tpath\n../x\ta.svs\n", encoding="utf-8")
    assert run(*arguments, str(folder)) != 0
    assert Path("slides.tsv").read_text(encoding="utf-8") == "slide\tpath\n../x\ta.svs\n"


def ids() -> list[str]:
    return [sample.slide for sample in read_samples(Path("slides.tsv"))]


def numbered(*numbers: int) -> list[str]:
    return [f"slide_{number:04}" for number in numbers]


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Callable[..., str]:
    """Run with a terminal on both sides, at which somebody types this."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(init, "sys", SimpleNamespace(stdin=Terminal(), stdout=Terminal()))

    def run_there(*arguments: str) -> str:
        done = CliRunner().invoke(init.init, arguments, input=answer)
        assert done.exit_code == 0, done.output
        return done.output

    return run_there


@pytest.mark.parametrize(("answer", "first"), [("\n", "slide_0001"), ("y\n", "slide_0001"), ("n\n", "a_S1")])
def test_a_terminal_asks_once(folder: Path, answer: str, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = at_a_terminal(monkeypatch, answer)
    output = ask(str(folder))
    assert output.count("Number the slides (slide_0001, …) instead? [Y/n]") == 1
    assert ids()[0] == first
    assert Path("slides_key.tsv").exists() == (first == "slide_0001")
    (folder / "a" / "new.svs").write_bytes(b"")
    assert "[Y/n]" not in ask("--add", str(folder))
    assert ids()[-1] == ("slide_0007" if first == "slide_0001" else "new")


def test_without_a_terminal_no_file_name_is_in_an_id_and_that_is_said(folder: Path) -> None:
    output = said(str(folder))
    assert ids() == numbered(*range(1, 7))
    assert "'init FOLDER --force --ids names' makes ids from them" in output
    assert "Müller" in Path("slides_key.tsv").read_text(encoding="utf-8")
    said("--force", "--ids", "names", str(folder))
    assert ids() == ["a_S1", "b_s1", "tab_here", "x", "cohort_1", "Muller_H"]


def test_what_was_chosen_is_not_commented_on(folder: Path) -> None:
    for choice in ("neutral", "names"):
        assert "ids" not in said("--force", "--ids", choice, str(folder))
    assert run("--neutral-ids", "--ids", "names", "--force", str(folder)) != 0


def test_a_number_is_given_once(folder: Path) -> None:
    """Results of a slide that left the sheet may still be there."""
    said(str(folder))
    lines = Path("slides.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    Path("slides.tsv").write_text("".join(lines[:-1]), encoding="utf-8")
    (folder / "ä ö" / "Müller, H.svs").rename(folder / "z.svs")
    said("--add", str(folder))
    assert ids() == numbered(1, 2, 3, 4, 5, 7)
    (folder / "new.svs").write_bytes(b"")
    (folder / "z.svs").unlink()
    said("--force", str(folder))
    assert ids() == numbered(1, 2, 3, 4, 5, 8)
    names = [line.split("\t")[0] for line in Path("slides_key.tsv").read_text(encoding="utf-8").splitlines()]
    assert names == ["slide", *numbered(*range(1, 9))]


def test_what_will_need_a_hand_is_told(tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    slides = tmp_path / "slides"
    slides.mkdir()
    for name in ("a.tiff", "same.tiff"):
        shutil.copy(small_slide, slides / name)
    (slides / "empty.svs").write_bytes(b"")
    (slides / "link.svs").symlink_to("nowhere.svs")
    (slides / "cut.ndpi").write_bytes(b"no slide")
    stack = np.zeros((3, 64, 64), np.uint16)
    tifffile.imwrite(slides / "dark.ome.tif", stack, photometric="minisblack", metadata={"axes": "CYX"})
    tifffile.imwrite(slides / "nompp.tif", np.full((300, 300, 3), 200, np.uint8), tile=(256, 256))
    lines = said("--ids", "names", str(slides)).splitlines()
    assert [sample.slide for sample in read_samples(Path("slides.tsv"))] == [
        "a",
        "cut",
        "dark",
        "empty",
        "nompp",
        "same",
    ]
    rejected = {line.split(": ")[1]: line for line in lines if line.startswith("will be rejected")}
    assert rejected.keys() == {"cut", "dark", "empty"}
    assert "3 channels: only" in rejected["dark"]
    assert "is empty" in rejected["empty"]
    assert "duplicate content, keep one: a.tiff, same.tiff" in lines
    assert "left out a broken link: link.svs" in lines
    assert lines[-1] == "fill in the column mpp (micrometers per pixel) of: nompp"


def test_add_names_what_is_in_the_sheet_already(
    tmp_path: Path, small_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one/a.tiff", "two/b.tiff"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(small_slide, tmp_path / name)
    said("one")
    assert f"keep one: {tmp_path}/one/a.tiff, b.tiff" in said("--add", "two")


def test_a_dicom_series_is_one_slide_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = np.full((300, 300, 3), 200, np.uint8)
    for folder, series in [("case 7", ["1.2.3.4"]), ("two", ["1.2.3.5", "1.2.3.6"]), ("deep/case 7", ["1.2.3.7"])]:
        (tmp_path / "in" / folder).mkdir(parents=True)
        for name in series:
            write_series(tmp_path / "in" / folder, image, name, prefix=name)
    (tmp_path / "in" / "two" / "z_other.dcm").write_bytes(b"\0" * 128 + b"DICM")
    said("in", "--ids", "names")
    assert [sample.slide for sample in read_samples(Path("slides.tsv"))] == ["case_7", "deep_case_7", "two", "two_2"]
    rows = (
        Path("slides.tsv").read_text(encoding="utf-8").replace(f"{tmp_path}/in/case 7/1.2.3.4a_label.dcm", "in/case 7")
    )
    Path("slides.tsv").write_text(rows, encoding="utf-8")
    assert "0 slides added" in said("--add", "in")
