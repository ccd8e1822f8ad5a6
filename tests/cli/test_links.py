"""No command writes through a symbolic link in the folders that it writes to, or says so before it writes anything."""

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from pathopipe.cli import evaluate, init, main
from pathopipe.errors import FaultError, RefusalError
from pathopipe.running import pods
from pathopipe.running.snakemake_log import begin_log
from pathopipe.training import session
from pathopipe.training.loop import Schedule
from tests.canary import KINDS, make_canary, put_link, state
from tests.training.fields import example


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return make_canary(tmp_path / "somebody else's")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def asked(out: Path) -> session.Request:
    """Two steps of training on one image."""
    schedule = Schedule(2, batch=1, size=48)
    return session.Request([example(0)], out, "mine", "CC0", (), None, None, schedule, test=False)


def refused(link: Path, here: Path, canary: Path, capsys: pytest.CaptureFixture, *arguments: str) -> None:
    before = state(here), state(canary)
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pathopipe: {link}: is a symbolic link")
    assert stop.value.code == 2
    assert (state(here), state(canary)) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["slides.tsv", "slides.tsv.bak", "slides_key.tsv"])
def test_init(name: str, kind: str, here: Path, canary: Path, small_slide: Path, capsys: pytest.CaptureFixture) -> None:
    put_link(Path(name), kind, canary)
    refused(Path(name), here, canary, capsys, "init", str(small_slide.parent), "--force", "--neutral-ids")


@pytest.mark.parametrize("kind", ["dangling", "loop"])
def test_init_where_settings_are_nowhere(
    kind: str, here: Path, canary: Path, small_slide: Path, capsys: pytest.CaptureFixture
) -> None:
    put_link(Path("config.yaml"), kind, canary)
    refused(Path("config.yaml"), here, canary, capsys, "init", str(small_slide.parent))


def test_init_leaves_settings_that_are_elsewhere(here: Path, canary: Path, small_slide: Path) -> None:
    put_link(Path("config.yaml"), "outside", canary)
    before = state(canary)
    CliRunner().invoke(init.init, [str(small_slide.parent), "--force"], catch_exceptions=False)
    assert Path("slides.tsv").exists()
    assert state(canary) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place",
    [
        "slides.tsv",
        "slides",
        "slides/demo_pleomorphism_2.tiff",
        "slides/demo_pleomorphism_2.geojson",
        "results/.pathopipe",
        "results/.snakemake/metadata",
        "results/demo_pleomorphism_3/.work",
    ],
)
def test_demo(place: str, kind: str, here: Path, canary: Path, capsys: pytest.CaptureFixture) -> None:
    put_link(Path("pathopipe-demo", place), kind, canary)
    refused(Path("pathopipe-demo", place), here, canary, capsys, "demo")


@pytest.mark.parametrize("place", ["results/slide_0001", "results/slide_0001/tissue"])
def test_demo_on_a_slide(
    place: str, here: Path, canary: Path, small_slide: Path, capsys: pytest.CaptureFixture
) -> None:
    put_link(Path("pathopipe-demo", place), "outside", canary)
    refused(Path("pathopipe-demo", place), here, canary, capsys, "demo", "--slide", str(small_slide))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place",
    [
        "config.json",
        "slides.tsv",
        "field.tiff",
        "synthetic_1x1.tiff",
        "results/pathopipe.json",
        "results/bench/segment",
    ],
)
def test_bench(place: str, kind: str, here: Path, canary: Path, capsys: pytest.CaptureFixture) -> None:
    put_link(here / "kept" / place, kind, canary)
    refused(here / "kept" / place, here, canary, capsys, "bench", "--mm2", "1", "--keep", "kept")


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate(kind: str, here: Path, canary: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("images", "labels"):
        Path(name).mkdir()
    put_link(Path("table.tsv"), kind, canary)
    given = ("--images", "images", "--labels", "labels", "--mpp", "0.5", "--out", "table.tsv")
    refused(Path("table.tsv"), here, canary, capsys, "evaluate", "nuclei", *given)


def test_evaluate_writes_to_a_device(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not replaced by a file."""
    monkeypatch.setattr(evaluate, "_evaluate", lambda *_: [])
    monkeypatch.setattr(evaluate, "_show", lambda *_: None)
    reader, writer = os.openpty()
    device = os.ttyname(writer)
    main_ = evaluate.nuclei.main
    main_(["--out", device], "evaluate", standalone_mode=False)
    assert stat.S_ISCHR(Path(device).stat().st_mode)
    assert os.read(reader, 1000).startswith(b"model")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place", ["mine.safetensors", "mine.md", "mine_worst_4.png", ".work", ".work/0123456789abcdef", ".work/a/best.json"]
)
def test_train(place: str, kind: str, here: Path, canary: Path) -> None:
    put_link(here / place, kind, canary)
    request = session.Request(
        [example(0)], here, "mine", "CC0", (), None, None, Schedule(2, batch=1, size=48), test=False
    )
    before = state(here), state(canary)
    with pytest.raises(RefusalError, match=f"^{here / place}: is a symbolic link"):
        session.run(request, lambda *_: None)
    assert (state(here), state(canary)) == before


@pytest.mark.parametrize("place", [".work", ".work/{}", "mine.safetensors"])
def test_train_on_links_that_come_later(place: str, here: Path, canary: Path) -> None:
    """They are put there when the first step is done."""
    request = session.Request(
        [example(0)], here, "mine", "CC0", (), None, None, Schedule(2, batch=1, size=48), test=False
    )
    before = state(canary)

    def put(*_: object) -> None:
        key = session._key(request, request.examples, [])
        link = here / place.format(key)
        if not link.is_symlink():
            put_link(link, "outside", canary)

    with pytest.raises(FaultError, match="is a symbolic link"):
        session.run(request, put)
    assert state(canary) == before


def test_the_log_of_a_run(here: Path, canary: Path) -> None:
    """Its lines get lost rather than written elsewhere, and the run goes on."""
    log = here / ".pathopipe" / "run.log"
    log.parent.mkdir()
    log.write_text("of an earlier run")
    before = state(canary)
    add = begin_log(here)
    assert not log.exists()
    add("first\n")
    assert log.read_text() == "first\n"
    log.unlink()
    log.symlink_to(canary / "notes.txt")
    add("second\n")
    assert state(canary) == before


def test_the_label_of_pods(here: Path, canary: Path) -> None:
    put_link(here / ".pathopipe" / "pods", "dangling", canary)
    before = state(canary)
    with pytest.raises(FaultError, match="is a symbolic link"):
        pods._label(here)
    assert state(canary) == before
