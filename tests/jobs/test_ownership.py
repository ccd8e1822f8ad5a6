"""One run at a time on a results folder."""

import json
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pathopipe.errors import RefusalError
from pathopipe.jobs.ownership import adopt, claim, owning, release

CLAIM = "import sys; from pathlib import Path; from pathopipe.jobs.ownership import claim; claim(Path(sys.argv[1])); {}"


KILLED_AT_EACH_LINE = """
import os, signal, sys
from pathlib import Path
from pathopipe.jobs.ownership import claim, release

def dies_at(number):
    def trace(frame, event, argument):
        nonlocal number
        if not frame.f_code.co_filename.endswith(("pathopipe/ownership.py", "pathopipe/files.py")):
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
