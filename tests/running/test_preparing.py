"""From a configuration to a plan, and what of it the slides' jobs read instead of the whole sheet."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pathopipe.cli.stage import stage_command
from pathopipe.errors import FaultError, RefusalError
from pathopipe.pipeline import ORDER, STAGES, Config
from pathopipe.running import preparing
from pathopipe.running.checking import problems, sort_by_presence
from pathopipe.running.plan import Plan
from pathopipe.running.preparing import plan_for, prepare
from pathopipe.running.slide_facts import read_facts
from pathopipe.samples import read_samples

SHEET = (
    "slide\tpath\tmpp\troi\tpatient\tgrade\ttissue\tstain\tsite\n"
    "a\ta.png\t0.5 0.6\troi.geojson\tErika\t3\tbreast\t\tnorth\n"
    "b\tb.png\t\t\tErika\t\t\tH&E\tsouth\n"
)
JOB = ("snakemake", "--target-jobs", "grade:slide=a", "--cores", "1")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two slides that are none, which a plan does not mind."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "roi.geojson").write_text('{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}')
    (tmp_path / "slides.tsv").write_text(SHEET)
    return Config(slides=str(tmp_path / "slides.tsv"), results=str(tmp_path / "results"))


def written(plan: Plan) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (plan.results / ".pathopipe" / "slides").iterdir()}


def asked_for(plan: Plan, slide: str) -> dict[str, object]:
    """All that rules ask of a plan for a slide's jobs."""
    of = SimpleNamespace(slide=slide)
    rules = {
        stage: [
            plan.settings(stage),
            plan.version(stage),
            plan.reads(stage),
            plan.writes(stage),
            params(of) if (params := plan.slide_params(stage)) else "",
            plan.memory(stage)(of, 1),
            plan.minutes(stage)(of, 1),
            plan.threads(stage)(of),
        ]
        for stage in ORDER
    }
    return rules | {"place": plan.place, "pattern": plan.active_pattern, "gpus": plan.gpus}


def test_a_job_elsewhere_plans_the_same_for_its_slide_without_reading_the_sheet(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(config)
    monkeypatch.setattr(preparing, "check_samples", pytest.fail)
    monkeypatch.setattr(preparing, "sort_by_presence", pytest.fail)
    job = plan_for(JOB, config)
    assert [sample.slide for sample in job.samples] == ["a"]
    assert asked_for(job, "a") == asked_for(whole, "a")


def test_what_jobs_are_told_of_a_slide_is_its_line_without_patient_and_grade(config: Config) -> None:
    plan = prepare(config)
    for sample in plan.samples:
        noted = read_facts(sample.slide, plan.results)
        assert (noted.sample.path, noted.sample.mpp, noted.sample.roi) == (sample.path, sample.mpp, sample.roi)
        assert (noted.sample.about, noted.identity) == (sample.about, plan.identities[sample.slide])
        text = (plan.results / ".pathopipe" / "slides" / f"{sample.slide}.json").read_text()
        assert not [word for word in ("Erika", "north", "south") if word in text]
        assert json.loads(text).keys() == {"path", "mpp", "files", "about", "identity", "held_mb", "digests"}


def test_a_file_of_nuclei_counts_by_what_it_holds_and_is_read_again_only_when_it_changed(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header, *rows = SHEET.splitlines()
    sheet = "\n".join([f"{header}\tnuclei\tnuclei_before", f"{rows[0]}\tn.geojson\tb.geojson", *rows[1:]])
    (tmp_path / "slides.tsv").write_text(sheet)
    for name in ("n", "b"):
        (tmp_path / f"{name}.geojson").write_text(name)
    plan = prepare(config)
    of_segment = asked_for(plan, "a")["segment"]
    assert read_facts("a", plan.results).sample.files == plan.samples[0].files
    assert asked_for(plan_for(JOB, config), "a")["segment"] == of_segment
    monkeypatch.setattr(preparing, "sha256", pytest.fail)
    assert asked_for(prepare(config), "a")["segment"] == of_segment
    monkeypatch.undo()
    (tmp_path / "n.geojson").write_text("other")
    changed = asked_for(prepare(config), "a")
    before = asked_for(plan, "a")
    assert {stage for stage in changed if changed[stage] != before[stage]} == {"detect", "segment"}
    (tmp_path / "n.geojson").unlink()
    with pytest.raises(RefusalError, match=r"slide a: the file of nuclei .*n\.geojson is missing: correct the path"):
        prepare(config)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda folder: None, set()),
        (lambda folder: (folder / "slides.tsv").write_text(SHEET.replace("north", "east")), set()),
        (lambda folder: (folder / "slides.tsv").write_text(SHEET.replace("0.6", "0.7")), {"a.json"}),
        (lambda folder: (folder / "b.png").write_bytes(b"other"), {"b.json"}),
        (lambda folder: (folder / "results" / ".pathopipe" / "slides" / "b.json").unlink(), {"b.json"}),
    ],
)
def test_only_what_differs_is_written_again(config: Config, change: Callable[[Path], object], again: set[str]) -> None:
    plan = prepare(config)
    before = written(plan)
    change(plan.sheet.parent)
    prepare(config)
    after = written(plan)
    assert {name for name in after if after[name] != before.get(name)} == again


def test_a_stage_that_a_rule_calls_reads_no_sheet_and_one_that_a_person_calls_does(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, seen = prepare(config), {}
    run = CliRunner().invoke

    def execute(stage: str, slide: str, results: Path, settings: object, sample: object, workers: int) -> dict:
        seen[stage] = sample
        return {"reason": None, "counts": {}}

    monkeypatch.setattr("pathopipe.jobs.execution.execute", execute)
    for stage in ORDER:
        arguments = ["a", "--results", str(plan.results), "--slides", str(plan.sheet)]
        run(stage_command(stage, ""), arguments, catch_exceptions=False)
        assert seen[stage].patient == "Erika"
        job = [*arguments[:3], "--slides", "not there", "--settings", plan.settings(stage)]
        run(stage_command(stage, ""), job, catch_exceptions=False)
        assert (seen[stage] is not None) == STAGES[stage].reads_sheet
    assert {stage for stage in ORDER if seen[stage] is None} == {"tiles"}


@pytest.mark.parametrize("content", [None, "", "{}", '{"path": 1}', '{"path": "a", "mpp": [1], "files": {}}'])
def test_a_job_whose_line_is_not_to_be_found_says_so(config: Config, content: str | None) -> None:
    plan = prepare(config)
    file = plan.results / ".pathopipe" / "slides" / "a.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(FaultError, match="start 'pathopipe run' again") as fault:
        plan_for(JOB, config)
    assert fault.value.reason.startswith(".pathopipe/slides/a.json: slide a: ")


def test_all_problems_are_told_at_once_and_checking_writes_nothing(config: Config, tmp_path: Path) -> None:
    (tmp_path / "roi.geojson").write_text("{}")
    sheet = tmp_path / "slides.tsv"
    sheet.write_text(SHEET + "c\tnever.png\t\t\t\t\t\t\t\n" + "d\t.\t0\t\t\t\t\t\t\n")
    wrong = config.model_copy(update={"cohort": config.cohort.model_copy(update={"columns": ("ward", "patient")})})
    before = sorted(tmp_path.rglob("*"))
    sheet.write_text(sheet.read_text().replace("d\t.\t0", "d\t.\t"))
    samples = read_samples(sheet)
    results = tmp_path / "results"
    found = list(problems(wrong, sheet, samples, sort_by_presence(samples, results), results))
    assert sorted(tmp_path.rglob("*")) == before
    for words in ("slide c: the file", "has no column 'ward'", "'patient' can't be shown", "roi.geojson: "):
        assert [words in problem for problem in found].count(True) == 1
    with pytest.raises(RefusalError) as refusal:
        prepare(wrong)
    assert list(refusal.value.problems) == found


def test_a_file_of_nuclei_that_a_run_would_replace_is_refused(config: Config, tmp_path: Path) -> None:
    """Snakemake deletes a stage's outputs before it runs."""
    made = tmp_path / "results" / "b" / "segment" / "nuclei.parquet"
    made.parent.mkdir(parents=True)
    copied, linked = tmp_path / "results" / "nuclei.parquet", tmp_path / "linked.parquet"
    for file in (made, copied):
        file.write_bytes(b"PAR1")
    linked.symlink_to(made)
    for file, is_refused in ((made, True), (linked, True), (copied, False)):
        sheet = tmp_path / "slides.tsv"
        sheet.write_text(f"slide\tpath\tmpp\tnuclei\nb\tb.png\t0.5\t{file}\n")
        samples = read_samples(sheet)
        results = tmp_path / "results"
        found = list(problems(config, sheet, samples, sort_by_presence(samples, results), results))
        told = (
            f"the file of nuclei {file} lies in the results folder, where a run replaces it: copy it to another place"
        )
        assert any(told in problem for problem in found) == is_refused


def test_the_cohort_is_gathered_again_when_patients_change_and_knows_no_name(config: Config) -> None:
    def digest(sheet: str, *columns: str) -> str:
        Path(config.slides).write_text(sheet)
        cohort = config.cohort.model_copy(update={"columns": columns})
        return prepare(config.model_copy(update={"cohort": cohort})).cohort_params

    first = digest(SHEET)
    assert digest(SHEET.replace("\tErika\t\t\tH&E", "\tHans\t\t\tH&E")) != first, "two patients"
    assert digest(SHEET.replace("Erika", "Hans")) == first, "one patient, whatever the name"
    shown = digest(SHEET, "all")
    assert shown != first, "further columns are shown"
    assert digest(SHEET.replace("H&E", "PAS"), "all") != shown, "another stain"
