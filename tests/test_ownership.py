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
from pathopipe.ownership import adopt, claim, owning, release

CLAIM = "import sys; from pathlib import Path; from pathopipe.ownership import claim; claim(Path(sys.argv[1])); {}"


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
        process = elsewhere(tmp_path, "from pathopipe.ownership import release; release(Path(sys.argv[1]))")
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
        then = f"from pathopipe.ownership import adopt; adopt(Path(sys.argv[1]), {orphan.pid}); {kill}"
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
    then = f"from pathopipe.ownership import adopt; adopt(Path(sys.argv[1]), {zombie.pid})"
    adopting = elsewhere(tmp_path, f"{then}; import time; time.sleep(2); import os; os.kill(os.getpid(), 9)")
    adopting.communicate()
    claim(tmp_path)
    release(tmp_path)
    zombie.wait()
