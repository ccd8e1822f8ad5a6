from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from pathopipe.ops.workspace import Workspace


def test_what_is_left_is_there_again_and_new_memory_is_empty() -> None:
    workspace = Workspace()
    first = workspace.array("some", 4, np.int32)
    assert first.tolist() == [0, 0, 0, 0]
    first[:] = 7
    assert workspace.array("some", 3, np.int32).tolist() == [7, 7, 7]
    assert workspace.array("other", 3, np.int32).tolist() == [0, 0, 0]
    assert workspace.array("some", 5, np.int32).tolist() == [0] * 5
    assert workspace.array("some", 5, np.int64).dtype == np.int64


def test_each_thread_has_memory_of_its_own() -> None:
    workspace, together = Workspace(), Barrier(2)

    def fill(value: int) -> set[int]:
        mine = workspace.array("some", 100, np.uint8)
        mine[:] = value
        together.wait(10)
        return set(mine.tolist())

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fill, (1, 2))) == [{1}, {2}]
