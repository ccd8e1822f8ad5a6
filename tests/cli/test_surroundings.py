"""What a shell may start the program with: closed or full streams, ASCII alone, limits."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pathopipe.cli.user_errors import user_errors

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
PROGRAM = f"{sys.executable} -m pathopipe"


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    environment.pop("PYTHONUNBUFFERED", None)  # what is left to print at the end counts, too
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("command", ["--help", "--version"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_as_good_as_none(command: str, closed: str, tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} {command} {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_said_goes_into_no_file_that_is_opened_later(tmp_path: Path) -> None:
    code = "import os; from pathopipe.cli.surroundings import prepare; prepare([]); print('said', flush=True)"
    more = "file = os.open('a.txt', os.O_WRONLY | os.O_CREAT); print('said', flush=True); os.system('echo said')"
    done = shell(f'{sys.executable} -c "{code}; {more}" >&-', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.txt").read_bytes() == b""


def test_closed_streams_are_there_for_who_asks_them(tmp_path: Path) -> None:
    code = "import sys; from pathopipe.cli.surroundings import prepare; prepare([])"
    ask = "open('a.txt', 'w').write(str([s.fileno() for s in (sys.stdin, sys.stdout, sys.stderr) if not s.isatty()]))"
    assert shell(f'{sys.executable} -c "{code}; {ask}" <&- >&- 2>&-', tmp_path).returncode == 0
    assert (tmp_path / "a.txt").read_text() == "[0, 1, 2]"
    refused = shell(f"{PROGRAM} run --slides nothing.tsv >&-", tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_listener_that_has_gone_is_no_error_to_speak_of(tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} --help | head -n 0", tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["--help", "run --help"])
def test_output_that_cannot_be_written_is_a_sentence(command: str, tmp_path: Path) -> None:
    done = shell(f"{PROGRAM} {command} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("pathopipe: what is printed: No space left on device")
    assert done.stderr.count("\n") == 1
    assert shell(f"{PROGRAM} {command} > /dev/full 2>&1", tmp_path).returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_refusal_that_cannot_be_written_is_one_by_its_code(tmp_path: Path) -> None:
    assert shell(f"{PROGRAM} run --slides nothing.tsv 2> /dev/full", tmp_path).returncode == 2


def test_names_that_ascii_lacks_are_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "größe.tiff").write_bytes(b"no slide")
    (tmp_path / "slides.tsv").write_text("slide\tpath\nslide_1\tgröße.tiff\nslide_2\tfehlä.tiff\n", encoding="utf-8")
    found = shell(f"{PROGRAM} tissue slide_1", tmp_path, **ASCII)
    assert (found.returncode, found.stderr) == (0, "")  # rejected, with a reason
    missing = shell(f"{PROGRAM} run", tmp_path, **ASCII)
    assert missing.returncode == 2
    assert "fehl" in missing.stderr
    assert "größe" not in missing.stderr
    assert "Traceback" not in missing.stderr


def test_letters_that_ascii_lacks_are_written_otherwise_by_the_program_and_its_jobs(tmp_path: Path) -> None:
    said = "print(chr(252), flush=True)"
    code = (
        f"from pathopipe.cli.surroundings import prepare; prepare([]); {said}; import os; os.system(os.environ['JOB'])"
    )
    done = shell(f'{sys.executable} -c "{code}"', tmp_path, **ASCII, JOB=f"{sys.executable} -c '{said}'")
    assert (done.stdout, done.stderr) == (2 * "\\xfc\n", "")


MEMORY = "there is not enough memory"
FAILURES = [
    (MemoryError(), MEMORY),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
    (ImportError("a.so: failed to map segment from shared object"), MEMORY),
    (RuntimeError("can't start new thread"), MEMORY),
    (OSError(errno.EROFS, "Read-only file system", "r/.work"), "r/.work: Read-only file system: give another folder"),
    (OSError(errno.EACCES, "Permission denied", "r"), "r: Permission denied: give another folder"),
    (OSError(errno.EMFILE, "Too many open files", "r"), "r: Too many open files: allow more open files"),
    (OSError(errno.EFBIG, "File too large", "r"), "r: File too large: allow larger files"),
    (OSError(errno.ENOSPC, "No space left on device", "r"), "r: No space left on device: free some space"),
]


@pytest.mark.parametrize(("error", "sentence"), FAILURES, ids=[repr(error) for error, _ in FAILURES])
def test_what_a_machine_lacks_is_a_sentence(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, user_errors():
        raise error
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith(f"pathopipe: {sentence}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["tissue slide_1", "types slide_1", "run", "cohort"])
@pytest.mark.parametrize("limit", [200_000, 400_000, 1_000_000])
def test_a_limit_that_libraries_crash_at_is_a_sentence(command: str, limit: int, tmp_path: Path) -> None:
    done = shell(f"ulimit -v {limit}; {PROGRAM} {command}", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pathopipe: {MEMORY}")
    assert done.stderr.count("\n") == 1


def test_of_a_pipe_that_nobody_reads_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, user_errors():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert (end.value.code, capsys.readouterr().err) == (1, "")


@pytest.mark.parametrize("bug", [RuntimeError("bug"), ImportError("no module 'x'"), OSError("odd"), KeyError("x")])
def test_bugs_are_not_hidden(bug: Exception) -> None:
    with pytest.raises(type(bug)), user_errors():
        raise bug
