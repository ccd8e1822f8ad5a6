"""Compiled loops work where their machine code cannot be kept."""

from typing import Any

from pathopipe.jit import kernel


def test_where_nothing_can_be_kept_a_loop_is_compiled_all_the_same() -> None:
    """Numba finds no place for code that is in no file: as where neither package nor home can be written to."""
    written: dict[str, Any] = {}
    exec("def double(number): return 2 * number", written)  # noqa: S102
    assert kernel(written["double"])(21) == 42
