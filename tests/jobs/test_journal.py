"""The journal of finished pieces: what was whole is kept, what was not is cut off."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from pathopipe.errors import FaultError
from pathopipe.jobs import journal as module
from pathopipe.jobs.journal import Journal, advance, pack, unpack

RECORDS = {3: b"three", 0: b"", 7: b"seven" * 100}


def allowed() -> None:
    """Nobody else is at work."""


def write(path: Path, records: dict[int, bytes] = RECORDS) -> None:
    with Journal(path, allowed) as journal:
        for number, payload in records.items():
            journal.append(number, payload)


def read(path: Path) -> dict[int, bytes]:
    with Journal(path, allowed) as journal:
        return {number: journal.read(number) for number in range(10) if number in journal}


def test_records_are_there_when_opened_again(tmp_path: Path) -> None:
    write(tmp_path / "work" / "journal")
    assert read(tmp_path / "work" / "journal") == RECORDS


def test_wherever_the_file_was_cut_whole_records_stay_and_the_next_follow(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    kept = set()
    for length in range(len(content)):
        path = tmp_path / "cut"
        path.write_bytes(content[:length])
        found = read(path)
        assert list(found.items()) == [item for item in sorted(RECORDS.items()) if item[0] in found]
        assert set(found) in ({3, 0}, {3}, set())
        kept.add(len(found))
        write(path, {5: b"five"})
        assert read(path) == {**found, 5: b"five"}
    assert kept == {0, 1, 2}


def test_a_flipped_byte_ends_what_counts(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    content = bytearray((tmp_path / "whole").read_bytes())
    for place in range(len(content)):
        flipped = content.copy()
        flipped[place] ^= 1
        (tmp_path / "flipped").write_bytes(flipped)
        found = read(tmp_path / "flipped")
        assert all(RECORDS[number] == payload for number, payload in found.items())
        assert len(found) < len(RECORDS)


def test_what_does_not_fit_on_the_disk_leaves_the_rest_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: int, data: bytes, place: int) -> None:
        os.pwrite(file, data[: len(data) // 2], place)
        raise OSError(errno.ENOSPC, "No space left on device")

    write(tmp_path / "journal", {1: b"one"})
    with Journal(tmp_path / "journal", allowed) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(module, "_write", half)
            with pytest.raises(OSError, match="No space"):
                journal.append(2, b"two" * 50)
        assert 2 not in journal
        journal.append(3, b"three")
    assert read(tmp_path / "journal") == {1: b"one", 3: b"three"}


def test_nothing_is_written_when_another_took_over(tmp_path: Path) -> None:
    taken = False

    def check() -> None:
        if taken:
            raise FaultError("taken over")

    with Journal(tmp_path / "journal", check) as journal:
        journal.append(1, b"one")
        taken = True
        with pytest.raises(FaultError):
            journal.append(2, b"two")
    assert read(tmp_path / "journal") == {1: b"one"}


@pytest.mark.parametrize("workers", [1, 3])
def test_only_what_is_missing_is_made_and_all_comes_in_order(workers: int, tmp_path: Path) -> None:
    write(tmp_path / "journal", {number: pack({"value": np.array([10 * number])}) for number in (11, 13)})
    made = list[int]()

    def work(item: int) -> dict[str, np.ndarray]:
        made.append(item)
        return {"value": np.array([10 * item])}

    items = [10, 11, 12, 13, 14]
    with Journal(tmp_path / "journal", allowed) as journal:
        found = [int(arrays["value"][0]) for arrays in advance(journal, work, items, workers, first=10)]
        assert len(journal) == len(items)
    assert found == [100, 110, 120, 130, 140]
    assert sorted(made) == [10, 12, 14]


def test_arrays_come_back_as_they_were_and_objects_are_refused() -> None:
    arrays = {
        "c/0/1/2": np.arange(5, dtype=np.uint8),
        "empty": np.empty((0, 2), np.int32),
        "x": np.array([0.1, np.nan]),
        "by columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "every other": np.arange(10, dtype=np.float32)[::2],
        "one": np.array(3, np.int16),
    }
    back = unpack(pack(arrays))
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    with pytest.raises(SafetensorError, match="object"):
        pack({"bad": np.array([object()])})


def test_an_array_of_a_record_is_read_by_itself(tmp_path: Path) -> None:
    arrays = {"c/0/1/2": np.arange(5, dtype=np.uint8), "c/0/1/10": np.arange(9, dtype=np.uint8), "x": np.ones((2, 3))}
    write(tmp_path / "journal", {4: b"other", 7: pack({"c/0/0/0": np.zeros(3, np.uint8)}), 2: pack(arrays)})
    with Journal(tmp_path / "journal", allowed) as journal:
        spans = journal.spans(2)
        assert {name: journal.read_span(span) for name, span in spans.items()} == {
            name: array.tobytes() for name, array in arrays.items()
        }
