"""Compiled loops: when numba is imported, and that they work where their machine code cannot be kept."""

import subprocess
import sys
import threading
from typing import Any

from pathopipe.jit import kernel


def test_where_nothing_can_be_kept_a_loop_is_compiled_all_the_same() -> None:
    """Numba finds no place for code that is in no file: as where neither package nor home can be written to."""
    written: dict[str, Any] = {}
    exec("def double(number): return 2 * number", written)  # noqa: S102
    assert kernel(written["double"])(21) == 42


HEAVY = """
import sys
import pathopipe.running.preparing, pathopipe.running.plan, pathopipe.status.slides, pathopipe.status.verification
from pathopipe.ops import chromatin, raster
print({"numba", "scipy", "pandas"} & {*sys.modules})
import numpy as np
raster.rasterize(np.zeros((4, 2)), np.array([0, 4]), (1, 1))
print("numba" in sys.modules)
"""


def test_what_plans_a_run_imports_neither_numba_nor_scipy() -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY], check=True, capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["set()", "True"]


@kernel
def halved(number: int) -> int:
    return number // 2


@kernel
def halvings(number: int) -> int:
    """How often a number can be halved until nothing is left: a loop that calls another."""
    count = 0
    while number:
        number = halved(number)
        count += 1
    return count


def test_threads_share_a_loop_and_the_loops_that_it_calls() -> None:
    found = list[int]()
    threads = [threading.Thread(target=lambda: found.append(halvings(1000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [10] * 4
    assert halvings.__doc__.startswith("How often")
