"""``pathopipe share``: a copy that names nobody, whole or not at all, and sound."""

import base64
import json
import platform
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pathopipe import open_results
from pathopipe.cli import main
from pathopipe.jobs.ownership import owning
from pathopipe.provenance import sha256
from pathopipe.results.documents import read_json
from pathopipe.results.names import CRATE
from pathopipe.sharing import copying
from pathopipe.status.verification import verify
from tests.canary import state
from tests.sharing.conftest import HOST, PATIENT, PLANTED, USER, Planted, run, write_sheet


@pytest.fixture(autouse=True)
def planted_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("USER", USER)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def planted(planted_once: Planted, tmp_path: Path) -> Planted:
    """A copy that may be changed."""
    folder = Path(shutil.copytree(planted_once.folder, tmp_path / USER / "Zzfolder_Erika"))
    config = folder / "results" / ".pathopipe" / "config.json"
    config.write_text(json.dumps({"slides": str(folder / "slides.tsv")}))
    return Planted(folder)


def share(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["share", *map(str, arguments)])
    said = "".join(capsys.readouterr())
    assert end.value.code == code, said
    return said


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one sentence of a refusal that left everything as it was."""
    before = state(Path())
    (line,) = share(capsys, *arguments, code=2).splitlines()
    assert {**state(Path()), ".": 0} == {**before, ".": 0}  # of the folder itself, the time may be another
    assert not any(name in line for name in (PATIENT, "Zzpatient"))
    return line


def everything(folder: Path) -> Iterator[tuple[str, str]]:
    """All that can be read of a folder, found without the search that is tested."""
    for file in folder.rglob("*"):
        yield file.name, str(file.relative_to(folder))
        if file.is_dir():
            continue
        yield file.name, file.read_bytes().decode("latin-1")
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            yield file.name, f"{table.to_pylist()} {table.schema.to_string(show_field_metadata=True)}"
            yield file.name, str(pq.read_metadata(file).metadata)
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                yield from ((file.name, archive.read(name).decode("latin-1")) for name in archive.namelist())
        if file.suffix == ".html":
            for picture in re.findall(rb"base64,([A-Za-z0-9+/=]+)", file.read_bytes()):
                yield file.name, base64.b64decode(picture).decode("latin-1")


def holding(folder: Path) -> set[tuple[str, str]]:
    """Files that hold something of what was planted, and what."""
    return {(file, name) for file, text in everything(folder) for name in PLANTED if name.lower() in text.lower()}


def test_nothing_that_was_planted_is_in_the_copy(planted_once: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    files = {file for file, _ in holding(planted_once.results)}
    assert files == {"config.json", "log", "tissue.log", "run.json", "notes.txt"}  # so that there is something to find
    assert "3 slides in copy" in share(capsys, planted_once.results, "copy")
    assert holding(Path("copy")) == set()
    names = {file.relative_to("copy").as_posix() for file in Path("copy").rglob("*")}
    assert not [name for name in names if re.search(r"(^|/)(\.|logs|run\.json|notes)", name)]
    assert not list(Path().glob("copy.*"))


def test_the_copy_is_sound(planted_once: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    share(capsys, planted_once.results, "copy")
    found = verify(Path("copy"))
    assert (found.slides, found.drift, found.unfinished) == (3, [], [])
    results = open_results("copy")
    assert [slide.state for slide in results.slides] == ["done"] * 3
    assert len(results.cohort()) == 3
    assert (
        results["slide_0002"]
        .table("nuclei", ["nucleus_id"])
        .equals(open_results(planted_once.results)["slide_0002"].table("nuclei", ["nucleus_id"]))
    )


@pytest.mark.parametrize("folder", ["", "slide_0001"])
def test_descriptions_list_what_is_there(
    folder: str, planted_once: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    from rocrate.rocrate import ROCrate

    share(capsys, planted_once.results, "copy")
    place = Path("copy") / folder
    graph = read_json(place / CRATE)["@graph"]
    known = {item["@id"] for item in graph}
    listed = [item for item in graph if "File" in item["@type"]]
    assert len(listed) >= 10
    for item in listed:
        assert item["sha256"] == sha256(place / item["@id"])
        assert item["contentSize"] == str((place / item["@id"]).stat().st_size)
    referred = set(re.findall(r'"@id": "([^"]+)"', json.dumps(graph)))
    assert {name for name in referred - known if not name.startswith("http")} == set()
    assert len(ROCrate(place).data_entities) >= len(listed) - 1
    before = read_json(planted_once.results / folder / CRATE)["@graph"]
    gone = {item["@id"] for item in before} - known
    assert gone == {name for name in (item["@id"] for item in before) if name.endswith("/run.json")} != set()


def test_a_patient_in_a_column_that_is_shown_is_found(planted: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    write_sheet(planted.folder, "slide_0001", "slide_0002", "slide_0003", site="of Erika ZZPATIENT^ERIKA (f)")
    run(planted, "site")
    line = refused(capsys, planted.results, "copy")
    assert line.startswith("pathopipe: cohort/cohort.parquet: contains a patient of the sample sheet, so nothing")


def test_ids_that_are_names_of_files_are_found_unless_they_name_nobody(
    planted_once: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = Planted(tmp_path / "Zzfolder_Erika")
    shutil.copytree(planted_once.folder, planted.folder, ignore=shutil.ignore_patterns("results"))
    write_sheet(planted.folder, "Zzfile_Erika_1960", "Zzome", "Zzseries")
    run(planted)
    line = refused(capsys, planted.results, "copy")
    assert "the ids of 3 slides contain the name of a slide's file" in line
    assert "--ids neutral" in line
    assert "Zz" not in line
    share(capsys, planted.results, "copy", "--keep-ids")
    assert {name for _, name in holding(Path("copy"))} == {"Zzfile", "Erika", "Zzome", "Zzseries"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [(USER, "a user"), (HOST, "a machine"), ("/srv/zzhome/profile/x", "a path"), ("Zzroi", "regions")],
)
def test_users_machines_and_paths_are_found(
    value: str, kind: str, planted: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/srv/zzhome/profile")
    write_sheet(planted.folder, "slide_0001", "slide_0002", "slide_0003", site=value)
    run(planted, "site")
    line = refused(capsys, planted.results, "copy")
    assert kind in line
    assert value not in line.partition(": ")[2].partition(": ")[2]


def test_the_machine_that_the_stages_ran_on_is_found_on_another(
    planted: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sheet(planted.folder, "slide_0001", "slide_0002", "slide_0003", site=HOST)
    monkeypatch.setattr(platform, "node", lambda: "elsewhere-1")
    run(planted, "site")
    assert "the name of a machine" in refused(capsys, planted.results, "copy")


def test_what_can_not_be_searched_for_is_said(
    planted: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "vm")
    planted.sheet.write_text(planted.sheet.read_text().replace(PATIENT, "P1", 1).replace(PATIENT, "nuclei", 1))
    said = share(capsys, planted.results, "copy").splitlines()[1]
    assert "a patient of the sample sheet (2)" in said
    assert "the name of a machine (1)" in said


@pytest.mark.parametrize("destination", ["full", "file", "link", "Z/results", "Z/results/copy", "Z", ".", "no/copy"])
def test_a_destination_that_is_not_free_is_refused(
    destination: str, planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("full").mkdir()
    Path("full", "a").write_text("mine")
    Path("file").write_text("mine")
    Path("elsewhere").mkdir()
    Path("link").symlink_to("elsewhere")
    place = destination.replace("Z", str(planted.folder), 1)
    assert str(Path(place).absolute()) in refused(capsys, planted.results, place)


def test_an_empty_folder_is_taken(planted_once: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    Path("copy").mkdir()
    share(capsys, planted_once.results, "copy")
    assert Path("copy", "cohort", "index.html").is_file()


@pytest.mark.parametrize("place", ["slide_0001", "slide_0001/tissue", "slide_0002/segment/nuclei.parquet", "cohort"])
def test_links_among_results_are_refused(place: str, planted: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    (planted.results / place).rename("moved")
    (planted.results / place).symlink_to(Path("moved").absolute())
    assert f"{planted.results / place}: is a symbolic link" in refused(capsys, planted.results, "copy")


@pytest.mark.parametrize("name", ["report/report.html", "detect/maps.zarr.zip", "grade/manifest.json", CRATE])
@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_results_that_are_not_as_they_were_are_refused(
    name: str, harm: str, planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    file = planted.results / "slide_0002" / name
    content = file.read_bytes()
    file.unlink()
    if harm == "changed":
        file.write_bytes(content + b"\n")
    line = refused(capsys, planted.results, "copy")
    assert re.search("missing|changed since it was described", line)


def test_results_that_somebody_works_on_are_refused(planted: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    with owning(planted.results):
        assert "is working on this results folder" in refused(capsys, planted.results, "copy")


def test_another_sheet_is_refused(planted: Planted, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of files that it does not list are not known."""
    rows = planted.sheet.read_text().splitlines(keepends=True)
    Path("other.tsv").write_text("".join(rows[:-1]))
    assert "slides other than those" in refused(capsys, planted.results, "copy", "--slides", "other.tsv")
    shutil.rmtree(planted.results / ".pathopipe")
    assert "--slides" in refused(capsys, planted.results, "copy")
    share(capsys, planted.results, "copy", "--slides", planted.sheet)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_copy_that_is_stopped_leaves_nothing(
    error: BaseException, planted_once: Planted, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        assert list(Path().glob("copy.*.tmp/cohort/index.html"))
        raise error

    monkeypatch.setattr(copying, "_search", stop)
    with pytest.raises(BaseException):  # noqa: B017, PT011 (click's own ends, too)
        main(["share", str(planted_once.results), "copy"])
    assert list(Path().iterdir()) == []
    assert "Traceback" not in "".join(capsys.readouterr())
