"""Snakemake's own report of a finished cohort."""

import json
import sys
import zipfile
from pathlib import Path

from tests.workflow.conftest import ROOT, Project


def test_the_report_of_snakemake_holds_the_pages_by_category_with_captions(finished: Project, tmp_path: Path) -> None:
    archive = tmp_path / "report.zip"
    command = (sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", str(ROOT / "Snakefile"))
    # Without --configfile: the Snakefile finds the configuration of the current folder, by a relative path.
    done = finished.call(*command, "--report", str(archive))
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(archive) as report:
        held = {name: report.read(name) for name in report.namelist()}
    front = held.pop("report/report.html").decode()
    results, categories = (variable(front, name) for name in ("results", "categories"))
    pages = ("cohort/index.html", "s0/report/report.html", "s1/report/report.html")
    assert sorted(results) == list(pages)
    assert sorted(held.values()) == sorted((finished.results / page).read_bytes() for page in pages)
    assert [results[page]["labels"] for page in pages] == [{"page": "all slides"}, {"slide": "s0"}, {"slide": "s1"}]
    assert "Page of the slide s1" in results[pages[2]]["caption"]
    assert "All slides of the sample sheet" in results[pages[0]]["caption"]
    assert {name: len(next(iter(parts.values()))) for name, parts in categories.items()} == {"Cohort": 1, "Slides": 2}
    assert "For research use only" in front


def variable(page: str, name: str) -> dict:
    """What an element of the page with a script defines."""
    value, _ = json.JSONDecoder().raw_decode(page.partition(f'<script id="{name}">')[2].partition(" = ")[2])
    return value
