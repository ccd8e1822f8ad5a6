"""`pathopipe share` on what `pathopipe run` leaves, with its logs and dot folders."""

from pathlib import Path

from tests.workflow.conftest import Project


def test_the_copy_of_a_run_is_sound_and_does_not_say_where_it_was_made(finished_once: Project, tmp_path: Path) -> None:
    copy, place = tmp_path / "copy", str(finished_once.folder).encode()
    done = finished_once.run("results", str(copy), command=("share",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(place in file.read_bytes() for file in finished_once.results.rglob("*") if file.is_file())
    files = [file for file in copy.rglob("*") if file.is_file()]
    assert not [file for file in files if place in file.read_bytes() or file.name == "run.json"]
    assert not [file for file in files if any(part.startswith(".") for part in file.relative_to(copy).parts)]
    checked = finished_once.run(str(copy), command=("verify",))
    assert checked.returncode == 0, checked.stdout
    assert "2 slides" in checked.stdout
