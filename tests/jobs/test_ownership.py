"""One run at a time on a results folder."""

import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pathopipe.errors import RefusalError
from pathopipe.jobs import owners, ownership
from pathopipe.jobs.ownership import Lock, adopt, claim, living_owner, owning, release

CLAIM = "import sys; from pathlib import Path; from pathopipe.jobs.ownership import claim; claim(Path(sys.argv[1])); {}"


KILLED_AT_EACH_LINE = """
import os, signal, sys
from pathlib import Path
from pathopipe.jobs.ownership import claim, release

def dies_at(number):
    def trace(frame, event, argument):
        nonlocal number
        if not frame.f_code.co_filename.endswith(("jobs/ownership.py", "jobs/owners.py", "pathopipe/files.py")):
            return None
        number -= event == "line"
        if number < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

def code(number):
    if (child := os.fork()) == 0:
        sys.settrace(None if number is None else dies_at(number))
        claim(Path(sys.argv[1]))
        sys.settrace(None)
        if number is None:
            release(Path(sys.argv[1]))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

killed = 0
while code(killed):
    if code(None):
        sys.exit(f"killed at line {killed}, and not taken over")
    killed += 1
print(killed)
"""


def owner_file(results: Path) -> Path:
    return results / ".pathopipe" / "owner.json"


def elsewhere(results: Path, then: str = "") -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CLAIM.format(then), str(results)], stderr=subprocess.PIPE, text=True)


def exit_code(process: subprocess.Popen) -> int:
    process.communicate()
    return process.returncode


def test_another_process_is_refused_while_the_owner_lives(tmp_path: Path) -> None:
    claim(tmp_path)
    _, errors = elsewhere(tmp_path).communicate()
    assert f"process {os.getpid()} on {platform.node()} is working on this results folder" in errors
    release(tmp_path)
    assert not owner_file(tmp_path).exists()


def test_a_child_of_the_owner_may_work_and_does_not_release(tmp_path: Path) -> None:
    with owning(tmp_path):
        process = elsewhere(tmp_path, "from pathopipe.jobs.ownership import release; release(Path(sys.argv[1]))")
        assert exit_code(process) == 0
        assert owner_file(tmp_path).exists()


def test_a_killed_owner_is_taken_over(tmp_path: Path) -> None:
    process = elsewhere(tmp_path, "import os; os.kill(os.getpid(), 9)")
    process.communicate()
    assert owner_file(tmp_path).exists()
    with owning(tmp_path):
        assert str(os.getpid()) in json.loads(owner_file(tmp_path).read_text())["processes"]


def test_an_orphan_of_a_killed_owner_still_owns(tmp_path: Path) -> None:
    """The runner is killed, Snakemake lives on."""
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        kill = "import os; os.kill(os.getpid(), 9)"
        then = f"from pathopipe.jobs.ownership import adopt; adopt(Path(sys.argv[1]), {orphan.pid}); {kill}"
        elsewhere(tmp_path, then).communicate()
        with pytest.raises(RefusalError, match=f"process {orphan.pid}"):
            claim(tmp_path)
    finally:
        orphan.kill()
        orphan.wait()
    claim(tmp_path)
    release(tmp_path)


def test_an_owner_on_another_host_lives_while_its_heart_beats(tmp_path: Path) -> None:
    owner_file(tmp_path).parent.mkdir()
    owner_file(tmp_path).write_text(json.dumps({"host": "elsewhere", "processes": {"1": "1"}}))
    with pytest.raises(RefusalError, match="a run on elsewhere"):
        claim(tmp_path)
    long_ago = time.time() - 1000
    os.utime(owner_file(tmp_path), (long_ago, long_ago))
    claim(tmp_path)
    adopt(tmp_path, os.getpid())
    release(tmp_path)


def test_the_heart_of_an_owner_beats_until_another_took_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "BEAT_S", 0.05)
    lock = Lock(owner_file(tmp_path))
    assert lock.take() is None

    def beats() -> bool:
        os.utime(owner_file(tmp_path), (1, 1))
        deadline = time.monotonic() + 2
        while owner_file(tmp_path).stat().st_mtime == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        return owner_file(tmp_path).stat().st_mtime > 1

    assert beats()
    own(tmp_path)
    assert not beats()
    lock.release()
    assert owner_file(tmp_path).exists()


def test_only_one_of_many_takes_over_a_dead_owner(tmp_path: Path) -> None:
    elsewhere(tmp_path, "import os; os.kill(os.getpid(), 9)").communicate()
    wait = "import time; time.sleep(3)"
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: exit_code(elsewhere(tmp_path, wait)), range(6)))
    assert codes.count(0) == 1


def test_a_process_that_ended_unnoticed_does_not_own(tmp_path: Path) -> None:
    zombie = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    then = f"from pathopipe.jobs.ownership import adopt; adopt(Path(sys.argv[1]), {zombie.pid})"
    adopting = elsewhere(tmp_path, f"{then}; import time; time.sleep(2); import os; os.kill(os.getpid(), 9)")
    adopting.communicate()
    claim(tmp_path)
    release(tmp_path)
    zombie.wait()


def test_a_run_killed_while_it_becomes_the_owner_is_taken_over_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_LINE, tmp_path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_without_hard_links_one_still_owns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    claim(tmp_path)
    assert exit_code(elsewhere(tmp_path)) == 1
    assert [file.name for file in owner_file(tmp_path).parent.iterdir()] == ["owner.json"]
    release(tmp_path)


CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def can_unshare() -> bool:
    try:
        return subprocess.run([*CONTAINER, "true"], check=False, capture_output=True, timeout=20).returncode == 0
    except OSError:
        return False


def own(results: Path, silent_s: float = 0.0, **changes: Any) -> None:
    """Leave the file of an owner that is this process, with these changes."""
    owner = {**json.loads(owners.describe(os.getpid())), **changes}
    owner_file(results).parent.mkdir(exist_ok=True)
    owner_file(results).write_text(json.dumps({key: value for key, value in owner.items() if value is not None}))
    when = time.time() - silent_s
    os.utime(owner_file(results), (when, when))


@pytest.mark.skipif(not can_unshare(), reason="needs root and unshare")
def test_two_containers_of_one_host_name_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    then = "print('owner', flush=True); import time; time.sleep(60)"
    command = [*CONTAINER, sys.executable, "-c", CLAIM.format(then), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as container:
        try:
            assert container.stdout is not None
            assert container.stdout.readline() == "owner\n"
            with pytest.raises(RefusalError, match="if it was killed, try again in 5 minutes"):
                claim(tmp_path)
            other = subprocess.run(
                [*CONTAINER, sys.executable, "-c", CLAIM.format(""), str(tmp_path)], check=False, capture_output=True
            )
            assert other.returncode == 1
            assert b"a run on" in other.stderr
        finally:
            container.kill()


@pytest.mark.parametrize("changes", [{"boot": "another"}, {"processes_of": "pid:[1]"}], ids=str)
def test_numbers_of_processes_count_only_where_they_mean_the_same(changes: dict[str, Any], tmp_path: Path) -> None:
    own(tmp_path, processes={"999999999": "1"}, **changes)  # there is none of this number here
    assert living_owner(owner_file(tmp_path)) == f"a run on {platform.node()}"
    own(tmp_path, silent_s=400, **changes)  # this process has that number here, and is not the owner
    claim(tmp_path)
    release(tmp_path)


def test_owner_files_of_earlier_versions_are_understood(tmp_path: Path) -> None:
    own(tmp_path, boot=None, processes_of=None)
    with pytest.raises(RefusalError, match=f"process {os.getpid()} on .* or use another$"):
        claim(tmp_path)
    own(tmp_path, boot=None, processes_of=None, processes={"999999999": "1"})
    claim(tmp_path)
    release(tmp_path)


@pytest.mark.parametrize("text", [None, "", "[]", '{"host": 3, "processes": {"x": "1"}}'], ids=str)
def test_a_silent_owner_dated_in_the_future_is_taken_over(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(tmp_path, host="elsewhere")
    if text is not None:
        owner_file(tmp_path).write_text(text)
    later = time.time() + 1e8
    os.utime(owner_file(tmp_path), (later, later))
    with pytest.raises(RefusalError):
        claim(tmp_path)
    assert owner_file(tmp_path).stat().st_mtime == pytest.approx(time.time(), abs=10)
    monkeypatch.setattr(owners, "DEAD_AFTER_S", 1.0)
    monkeypatch.setattr(owners, "BEAT_S", 1.0)
    time.sleep(1.2)
    claim(tmp_path)
    release(tmp_path)


def test_who_waits_takes_over_a_silent_owner_dated_in_the_future_and_no_living_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "DEAD_AFTER_S", 2.0)
    monkeypatch.setattr(owners, "BEAT_S", 0.5)
    monkeypatch.setattr(ownership, "_POLL_S", 0.1)
    own(tmp_path, silent_s=-1e8, host="elsewhere")
    lock = Lock(owner_file(tmp_path))
    assert lock.wait(4.0) is None
    lock.release()
    own(tmp_path, silent_s=-1e8, host="elsewhere")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Lock(owner_file(tmp_path)).wait, 4.0)
        time.sleep(0.5)
        os.utime(owner_file(tmp_path))
        assert waiting.result() == "a run on elsewhere"
