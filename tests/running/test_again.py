"""Which files Snakemake is told to make again, and what a plan calls a slide's file that changed in place."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.api import DAGSettings, Workflow

from pathopipe.identity import full_sha256, identify
from pathopipe.pipeline import ORDER, Config
from pathopipe.results.documents import write_json
from pathopipe.running.again import force
from pathopipe.running.plan import Plan
from pathopipe.running.preparing import prepare
from pathopipe.running.selection import Selection
from pathopipe.status.reruns import note_rerun, reruns_left
from tests.made import manifest
from tests.status.test_slides import finish

LONG = 1 << 20


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Two slides that are none, with results that are none; of both, the report's page is missing."""
    rows = []
    for slide in ("a", "b"):
        path = tmp_path / f"{slide}.png"
        path.write_bytes(slide.encode() * LONG)
        rows.append(f"{slide}\t{path}\n")
    (tmp_path / "slides.tsv").write_text("slide\tpath\n" + "".join(rows))
    monkeypatch.chdir(tmp_path)
    config = Config()
    for slide in ("a", "b"):
        finish(tmp_path / "results", slide, *ORDER)
        for stage in ORDER:
            file = tmp_path / "results" / slide / stage / "manifest.json"
            known: dict[str, Any] = {"params": getattr(config, stage).model_dump(mode="json"), "mpp_source": "metadata"}
            known["identity"] = str(identify(tmp_path / f"{slide}.png"))
            known |= {"sha256": full_sha256(tmp_path / f"{slide}.png")} if stage == "tissue" else {}
            clock = file.stat().st_mtime
            write_json(file, manifest(stage, slide, **known))
            os.utime(file, (clock, clock))
        (tmp_path / "results" / slide / "report" / "report.html").unlink()
    return config


def forced(plan: Plan, *targets: str, **settings: Any) -> set[str]:
    workflow = SimpleNamespace(
        dag_settings=DAGSettings(targets=frozenset(targets), **settings), _prepare_dag=lambda: "ready"
    )
    force(workflow, plan)
    assert workflow._prepare_dag() == "ready"
    return set(workflow.dag_settings.forcerun)


def test_the_installed_snakemake_has_what_is_wrapped() -> None:
    assert callable(Workflow._prepare_dag)
    assert DAGSettings().forcerun == frozenset()


def test_what_is_missing_is_forced_as_far_as_it_is_asked_for(config: Config) -> None:
    plan = prepare(config)
    both = {"results/a/report/manifest.json", "results/b/report/manifest.json"}
    assert forced(plan) == forced(plan, "all") == forced(plan, "results/cohort/index.html") == both
    assert forced(plan, forcerun=frozenset({"grade"})) == {*both, "grade"}
    assert forced(plan, "a/report/report.html") == {"results/a/report/manifest.json"}
    assert forced(plan, "a/report/manifest.json", "b/grade/manifest.json") == {"results/a/report/manifest.json"}
    assert forced(plan, target_jobs=frozenset({"grade:slide=a"})) == set()


@pytest.mark.parametrize("workflow", [SimpleNamespace(), SimpleNamespace(_prepare_dag=int)])
def test_another_snakemake_is_told_of(
    config: Config, workflow: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    workflow.dag_settings = SimpleNamespace(targets=())
    force(workflow, prepare(config))
    if hasattr(workflow, "_prepare_dag"):
        workflow._prepare_dag()
    (record,) = caplog.records
    assert "does not make again what was deleted" in record.getMessage()


def test_a_rerun_is_noted_until_it_is_done(config: Config) -> None:
    results = Path(config.results)
    ended = (results / "a" / "grade" / "manifest.json").stat().st_mtime
    note_rerun(results, ["a", "b"], "grade", ended + 1)
    os.utime(results / "a" / "grade" / "manifest.json", (ended + 2, ended + 2))
    assert "results/b/grade/manifest.json" in forced(prepare(config))
    assert "results/a/grade/manifest.json" not in forced(prepare(config))
    note_rerun(results, ["a"], "segment", ended + 3)
    assert reruns_left(results) == {"a": {"segment": ended + 3}, "b": {"grade": ended + 1}}


def test_a_run_notes_what_it_is_to_run_again_for_the_next_one(config: Config) -> None:
    plan = prepare(config)
    assert "results/b/tiles/manifest.json" not in forced(plan)
    begun = Selection(only=("b",), rerun="tiles").note(plan)
    assert reruns_left(plan.results) == {"b": {"tiles": begun}}
    Selection(until="tiles", rerun="grade").note(plan)
    assert reruns_left(plan.results) == {"b": {"tiles": begun}}, "it ends before"
    for stage in ("tiles", "grade"):
        file = plan.results / "b" / stage / "manifest.json"
        os.utime(file, (begun - 1, begun - 1))
    assert {"results/b/tiles/manifest.json"} == {name for name in forced(plan) if "report" not in name}


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"grade": "x"}}'])
def test_a_damaged_note_of_reruns_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / ".pathopipe").mkdir()
    (tmp_path / ".pathopipe" / "reruns.json").write_text(content)
    assert reruns_left(tmp_path) == {}


def change_in_place(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 30] ^= 1
    path.write_bytes(content)


def test_a_file_of_another_time_is_read_whole_and_named_by_it(config: Config, tmp_path: Path) -> None:
    path, before = tmp_path / "a.png", prepare(config).identities["a"]
    os.utime(path, (1, 1))
    assert prepare(config).identities["a"] == before == str(identify(path))
    change_in_place(path)
    assert str(identify(path)) == before
    changed = prepare(config).identities["a"]
    assert changed == f"{before}-{full_sha256(path)[:16]}"
    assert "results/a/tissue/manifest.json" in forced(prepare(config))
    file = tmp_path / "results" / "a" / "tissue" / "manifest.json"
    write_json(file, manifest("tissue", "a", identity=before, sha256=full_sha256(path)))
    os.utime(path, (2, 2))
    assert prepare(config).identities["a"] == changed, "what it is called stays, or it would run again and again"
