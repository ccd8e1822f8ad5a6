"""Artifacts: whole or not there, the same bytes for the same content, refused when newer."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.errors import ArtifactError, RefusalError
from pathopipe.jobs.publishing import publish
from pathopipe.pipeline import COHORT, STAGES
from pathopipe.record import MANIFEST
from pathopipe.results import tables
from pathopipe.results.documents import read_json, write_json
from pathopipe.results.marker import check_results, mark_results
from pathopipe.results.names import MARKER
from pathopipe.results.tables import TableWriter, read_batches, read_columns, read_table

SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float64())])


def test_a_stage_reads_only_what_earlier_stages_write() -> None:
    written = set[str]()
    for stage, contract in [*STAGES.items(), ("cohort", COHORT)]:
        assert set(contract.reads) <= written, stage
        written |= {f"{stage}/{name}" for name in (*contract.writes, MANIFEST)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_json_is_sorted_and_read_back(tmp_path: Path) -> None:
    content = {"b": 1, "a": {"d": "µ", "c": None}}
    write_json(tmp_path / "new" / "a.json", content)
    text = (tmp_path / "new" / "a.json").read_text(encoding="utf-8")
    assert text.index('"a"') < text.index('"b"')
    assert read_json(tmp_path / "new" / "a.json") == content
    assert names(tmp_path / "new") == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_damaged_json_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_json(tmp_path / "b.json")


def test_the_manifest_is_published_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft, final, moved = tmp_path / "draft", tmp_path / "final", []
    draft.mkdir()
    for name in (MANIFEST, "zebra.json", "a.parquet"):
        (draft / name).write_text(name)
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda name, *to, **where: (moved.append(name), replace(name, *to, **where))[1])
    publish(draft, final, tmp_path)
    assert moved == ["a.parquet", "zebra.json", MANIFEST]
    assert not draft.exists()


def write(path: Path, rows: int, pieces: list[int]) -> None:
    n = np.arange(rows)
    with TableWriter(path, SCHEMA) as table:
        for part in np.split(n, sorted(min(piece, rows) for piece in pieces)):
            table.write({"n": part, "x": part / 7})
        assert table.count == rows


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 40), pieces=st.lists(st.integers(0, 40), max_size=6))
def test_bytes_of_a_table_do_not_depend_on_how_rows_arrive(
    rows: int, pieces: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROWS_PER_GROUP", 8)
        write(folder / "pieces.parquet", rows, pieces)
        write(folder / "whole.parquet", rows, [])
    assert (folder / "pieces.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
    assert pq.ParquetFile(folder / "whole.parquet").num_row_groups == -(-rows // 8)
    assert read_table(folder / "pieces.parquet").column("n").to_pylist() == list(range(rows))
    batches = read_batches(folder / "pieces.parquet", ["n"])
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == list(range(rows))


def test_a_damaged_or_missing_table_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 20, [])
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:50])
    with pytest.raises(ArtifactError, match="is damaged"):
        read_table(tmp_path / "a.parquet")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_table(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    "read",
    [read_table, lambda path: list(read_batches(path)), lambda path: read_columns(path, ["x"])],
    ids=["table", "batches", "columns"],
)
def test_damage_inside_a_table_is_told(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, 5000, [])
    content = bytearray(path.read_bytes())
    content[50 : len(content) - 3000] = bytes(len(content) - 3050)
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="is damaged"):
        read(path)


def test_a_table_without_a_column_that_is_asked_for_is_damaged(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 20, [])
    for read in (read_table, read_columns, lambda path, names: list(read_batches(path, names))):
        with pytest.raises(ArtifactError, match="is damaged"):
            read(tmp_path / "a.parquet", ["n", "missing"])


def test_results_are_marked_once(tmp_path: Path) -> None:
    check_results(tmp_path)
    mark_results(tmp_path)
    before = (tmp_path / MARKER).stat().st_mtime_ns
    mark_results(tmp_path)
    assert (tmp_path / MARKER).stat().st_mtime_ns == before
    check_results(tmp_path)


@pytest.mark.parametrize("contracts", [{"segment": 999}, {"stage of the future": 1}])
def test_newer_results_are_refused_untouched(contracts: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(json.dumps({"contracts": contracts}))
    with pytest.raises(RefusalError, match="newer version"):
        check_results(tmp_path)
    assert json.loads((tmp_path / MARKER).read_text()) == {"contracts": contracts}


@pytest.mark.parametrize("text", ["", "{}", '{"contracts": 3}', '{"contracts": {"segment": "x"}}'])
def test_a_damaged_marker_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(text)
    with pytest.raises(RefusalError, match="is damaged"):
        check_results(tmp_path)
