"""Where exports go: what is refused, what a full disk leaves, and what never gets into one."""

import gzip
import sys
from pathlib import Path

import pytest

import pathopipe
from pathopipe.cli import main
from pathopipe.exports import FORMATS
from pathopipe.exports.output import export, format_named
from pathopipe.exports.selection import Asked, select
from tests.exports.conftest import PATIENT

NAMES = {
    "qupath": "n.geojson",
    "csv": "n.csv",
    "geoparquet": "n.parquet",
    "anndata": "n.h5ad",
    "spatialdata": "n.spatialdata.zarr",
    "ome-zarr": "n.ome.zarr",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str | Path) -> int:
    """Call the command; returns its exit code."""
    try:
        main(["export", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_gets_a_file_per_slide_and_the_rejected_one_is_named(
    here: Path, finished_results: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run("qupath", finished_results, "out") == 0
    assert files(here) == ["out/good.geojson", "out/offset.geojson"]
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("blank is left out: rejected: no tissue was found")
    assert said[1].startswith("out/good.geojson: ")
    assert said[1].endswith(" nuclei")


def test_csv_has_its_dictionary_beside_it(here: Path, finished_results: Path) -> None:
    assert run("csv", finished_results, "n.csv", "--only", "good") == 0
    assert files(here) == ["n.csv", "n.csv-metadata.json"]


def test_what_is_there_is_replaced_only_when_told(
    here: Path, finished_results: Path, capsys: pytest.CaptureFixture
) -> None:
    (here / "n.csv-metadata.json").write_text("mine")
    for code, more in ((2, ()), (0, ("--force",))):
        assert run("csv", finished_results, "n.csv", *more) == code
    assert capsys.readouterr().err.splitlines()[1] == (
        "pathopipe: n.csv-metadata.json: already exists: name another place, or replace it with --force"
    )
    assert (here / "n.csv").stat().st_size > 10_000


def test_a_folder_that_is_one_export_is_replaced_as_a_whole(
    here: Path, finished_results: Path, capsys: pytest.CaptureFixture
) -> None:
    name = NAMES["ome-zarr"]
    assert run("ome-zarr", finished_results, name, "--only", "good") == 0
    (here / name / "zarr.json").write_text("{}")
    (here / name / "old").write_text("of an earlier export")
    assert run("ome-zarr", finished_results, name, "--only", "good") == 2
    assert "already exists" in capsys.readouterr().err
    assert run("ome-zarr", finished_results, name, "--only", "good", "--force") == 0
    assert not (here / name / "old").exists()
    assert "multiscales" in (here / name / "zarr.json").read_text()
    assert [path.name for path in here.iterdir()] == [name]


def test_standard_output_gets_the_export_and_nothing_else(
    here: Path, finished_results: Path, capfdbinary: pytest.CaptureFixture
) -> None:
    assert run("qupath", finished_results, "n.geojson.gz", "--only", "good") == 0
    capfdbinary.readouterr()
    assert run("qupath", finished_results, "-", "--only", "good") == 0
    shown = capfdbinary.readouterr()
    assert shown.out == gzip.decompress((here / "n.geojson.gz").read_bytes())
    assert shown.err.startswith(b"standard output: ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("qupath", "n.geojson"), "a file holds one slide in this format, and 2 are asked for: name a folder, or"),
        (("qupath", "-"), "standard output holds one slide in this format, and 2 are asked for"),
        (("anndata", "-"), "anndata cannot be written to standard output: name a file that ends in .h5ad"),
        (("csv", "n.txt"), "n.txt: name a file that ends in .csv, or a folder"),
        (("csv", "file/n.csv"), "is not a folder: name another place"),
        (("csv", "link.csv"), "link.csv: is a symbolic link"),
        (("csv", "folder.csv", "--force"), "folder.csv: is a folder that no export made"),
        (("csv", "n.csv", "--only", "x"), "has no slide 'x'"),
        (("csv", "n.csv", "--type", "other", "--region", "tumor"), "nothing was written: no nucleus is of these"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    arguments: tuple[str, ...],
    sentence: str,
    here: Path,
    finished_results: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    (here / "file").write_text("")
    (here / "folder.csv").mkdir()
    (here / "link.csv").symlink_to("elsewhere.csv")
    before = files(here)
    kind, *rest = arguments
    assert run(kind, finished_results, *rest) == 2
    shown = capsys.readouterr()
    (line,) = [line for line in shown.err.splitlines() if "left out" not in line]
    assert sentence in line
    assert (files(here), shown.out) == (before, "")


@pytest.mark.parametrize("place", ["x.csv", "good/x.csv"])
def test_nothing_is_written_into_results(
    place: str, finished_results: Path, here: Path, capsys: pytest.CaptureFixture
) -> None:
    (here / "other").symlink_to(finished_results)
    for results in (finished_results, here / "other"):
        assert run("csv", results, finished_results / place) == 2
        assert "lies in the results folder" in capsys.readouterr().err


def test_results_of_an_earlier_version_are_told(here: Path, finished_results: Path, tmp_path: Path) -> None:
    import shutil

    copied = Path(shutil.copytree(finished_results, tmp_path / "results"))
    (copied / "good" / "statistics" / "regions.geojson").unlink()
    with pytest.raises(SystemExit) as end:
        main(["export", "csv", str(copied), "n.csv"])
    assert end.value.code == 1
    assert files(here) == [name for name in files(here) if name.startswith("results/")]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_leaves_nothing(
    kind: str, here: Path, finished_results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Writes fail after the first 2 kB, as the kernel lets them."""
    import resource
    import signal

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))
    try:
        code = run(kind, finished_results, NAMES[kind], "--only", "good")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"pathopipe: {NAMES[kind]}: cannot be written (File too large): nothing is left of it"
    assert [*here.iterdir()] == []


@pytest.mark.parametrize("kind", FORMATS)
def test_neither_patients_nor_paths_are_exported(kind: str, here: Path, finished_results: Path) -> None:
    assert run(kind, finished_results, NAMES[kind], "--only", "good") == 0
    for file in here.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            for secret in (PATIENT, "Mustermann", str(finished_results), "good.tiff", "roi.geojson"):
                assert secret.encode() not in content, (file, secret)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_bytes_each_time(kind: str, here: Path, finished_results: Path) -> None:
    found = []
    for folder in ("first", "second"):
        (here / folder).mkdir()
        assert run(kind, finished_results, f"{folder}/{NAMES[kind]}", "--only", "good") == 0
        found.append({name: (here / folder / name).read_bytes() for name in files(here / folder)})
    assert found[0] == found[1] != {}


def test_a_slide_without_such_nuclei_is_left_out_of_a_folder(
    here: Path, finished_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = select(pathopipe.open_results(finished_results), Asked())
    empty = type(selection).is_empty
    monkeypatch.setattr(
        type(selection), "is_empty", lambda self: [one.id for one in self.slides] == ["good"] or empty(self)
    )
    done = export("csv", selection, "out", finished_results, force=False)
    assert done.empty == ("good",)
    assert files(here) == ["out/offset.csv", "out/offset.csv-metadata.json"]


def test_every_format_has_its_module(here: Path) -> None:
    assert {*FORMATS} <= {*NAMES}
    for kind in FORMATS:
        assert NAMES[kind].endswith(format_named(kind).suffixes)


def test_help_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys; from pathopipe.cli import main\n"
        "try: main(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'numpy', 'pandas', 'pydantic', 'pyarrow', 'anndata'} & {*sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"
    assert all(name in done.stdout for name in FORMATS)
