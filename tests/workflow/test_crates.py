"""The RO-Crates of a finished cohort: valid, complete, enough to run it again, and the same bytes each time."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from pathopipe.pipeline import COHORT, STAGES
from pathopipe.provenance import sha256
from pathopipe.record import MANIFEST
from pathopipe.results.documents import read_json
from pathopipe.results.names import CRATE
from tests.workflow.conftest import Project

# What RO-Crate 1.1 calls otherwise than 1.3, whose context the library carries.
OLDER = {"ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow"}


def described(folder: Path) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in read_json(folder / CRATE)["@graph"]}


def listed(value: Any) -> list[str]:
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def test_every_file_of_a_slide_is_described_by_its_digest(finished_once: Project) -> None:
    folder = finished_once.results / "s0"
    known = described(folder)
    for stage, contract in STAGES.items():
        for name in (*contract.writes, MANIFEST):
            assert known[f"{stage}/{name}"]["sha256"] == sha256(folder / stage / name)
        assert "sha256" not in known[f"{stage}/run.json"]


def test_every_stage_is_an_action_on_what_it_read(finished_once: Project) -> None:
    known = described(finished_once.results / "s0")
    assert listed(known["./"]["mentions"]) == [f"#run-{stage}" for stage in STAGES]
    for stage, contract in STAGES.items():
        action = known[f"#run-{stage}"]
        assert set(contract.reads) <= set(listed(action["object"]))
        assert set(listed(action["result"])) == {f"{stage}/{name}" for name in (*contract.writes, MANIFEST)}
        assert known[listed(action["instrument"])[0]]["name"] == "pathopipe"
    assert listed(known["#run-tissue"]["object"]) == ["#slide"]


def test_slides_and_weights_are_known_by_their_digests(finished_once: Project) -> None:
    folder = finished_once.results / "s0"
    known, tissue, detect = (
        described(folder),
        read_json(folder / "tissue" / MANIFEST),
        read_json(folder / "detect" / MANIFEST),
    )
    assert known["#slide"]["sha256"] == tissue["sha256"] == sha256(finished_once.folder / "slide 0.tiff")
    (weights,) = (known[name] for name in listed(known["#run-detect"]["object"]) if name.startswith("#model-"))
    reported = {"name": weights["name"], "sha256": weights["sha256"], "licence": weights["license"]}
    assert reported == detect["model"]


def test_the_cohort_describes_the_run_and_its_slides(finished_once: Project) -> None:
    known = described(finished_once.results)
    for name in (*COHORT.writes, MANIFEST):
        assert known[f"cohort/{name}"]["sha256"] == sha256(finished_once.results / "cohort" / name)
    assert listed(known["./"]["mainEntity"]) == listed(known["#run-workflow"]["instrument"]) == ["cohort/Snakefile"]
    for slide in ("s0", "s1"):
        assert listed(known[f"{slide}/"]["subjectOf"]) == [f"{slide}/{CRATE}"]
        assert known[f"{slide}/{CRATE}"]["sha256"] == sha256(finished_once.results / slide / CRATE)


def test_the_library_reads_the_crates_back(finished_once: Project) -> None:
    for folder in (finished_once.results, finished_once.results / "s0"):
        crate = ROCrate(folder)
        assert {entity.id for entity in crate.get_entities()} == set(described(folder))
        for entity in crate.data_entities:
            assert (folder / entity.id).exists()


def test_what_the_cohort_leaves_is_enough_to_run_it_again(finished_once: Project, tmp_path: Path) -> None:
    """On another place of the slides: the sheet's paths are filled in, everything else is as it was left."""
    left = finished_once.results / "cohort"
    header, *rows = (line.split("\t") for line in (left / "slides.tsv").read_text().splitlines())
    for number, row in enumerate(rows):
        shutil.copy(finished_once.folder / f"slide {number}.tiff", tmp_path / f"{row[0]}.tif")
        row[header.index("path")] = f"{row[0]}.tif"
    (tmp_path / "sheet.tsv").write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    again = Project(tmp_path)
    command = described(finished_once.results)["#run-workflow"]["description"]
    assert command == "pathopipe run --slides cohort/slides.tsv --config cohort/config.json"
    done = again.run("--slides", "sheet.tsv", "--config", str(left / "config.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (CRATE, f"s0/{CRATE}", f"s1/{CRATE}", "cohort/config.json"):
        assert (again.results / name).read_bytes() == (finished_once.results / name).read_bytes()


def test_a_stage_runs_again_by_the_command_of_its_action(finished: Project) -> None:
    command = described(finished.results / "s0")["#run-segment"]["description"]
    before = (finished.results / "s0" / "segment" / "nuclei.parquet").read_bytes()
    shutil.rmtree(finished.results / "s0" / "segment")
    sheet = finished.results / "cohort" / "slides.tsv"
    sheet.write_text(re.sub(r"^(s\d)\t", r"\1\tnowhere.tiff", sheet.read_text(), flags=re.MULTILINE))
    done = Project(finished.results).call(
        "bash", "-c", command.replace("pathopipe", f"{shlex.quote(sys.executable)} -m pathopipe", 1)
    )
    assert done.returncode == 0, done.stderr
    assert (finished.results / "s0" / "segment" / "nuclei.parquet").read_bytes() == before


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path, str], list[str]]:
    """Validate without network: the JSON-LD context comes from the library."""
    pytest.importorskip("rocrate_validator", reason="the validator is not installed: pip install 'pathopipe[crates]'")
    from rdflib.plugins.shared.jsonld import context as jsonld
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    context = json.loads((files("rocrate") / "data" / "ro-crate.jsonld").read_text(encoding="utf-8"))
    context["@context"] |= OLDER
    answer = SimpleNamespace(headers={"Content-Type": "application/ld+json"}, status_code=200, json=lambda: context)
    monkeypatch.setattr(jsonld, "source_to_json", lambda *_, **__: (context, None))
    monkeypatch.setattr(HttpRequester, "get", lambda *_, **__: answer, raising=False)

    def issues(folder: Path, profile: str) -> list[str]:
        settings = models.ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier=profile,
            requirement_severity=models.Severity.REQUIRED,
            offline=True,
            cache_path=tmp_path / "cache",
        )
        return [issue.message for issue in services.validate(settings).get_issues()]

    return issues


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("place", "profile"), [("s0", "process-run-crate"), (".", "workflow-run-crate")])
def test_the_crates_are_valid(
    finished_once: Project, tmp_path: Path, validate: Callable, place: str, profile: str
) -> None:
    folder = Path(shutil.copytree(finished_once.results, tmp_path / "results")) / place  # the validator knows no blanks
    assert validate(folder, profile) == []
    content = read_json(folder / CRATE)
    for entity in content["@graph"]:
        entity.pop("instrument", None)
    (folder / CRATE).write_text(json.dumps(content))
    assert any("instrument" in message for message in validate(folder, profile))
