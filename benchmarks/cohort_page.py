"""The page of a large cohort: its size, how long it takes to make, and to load in headless Chromium.

    python benchmarks/cohort_page.py [--slides 5000] [--columns 2]

The slides are made up, without files beside the page; columns of the sheet are sites and ages by turns. Loading lasts
from the start of the navigation until the first rows of the table are drawn; then come the times to filter, to sort and
to show all rows.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from pathopipe.grading.patients import PatientGrade
from pathopipe.pipeline import CohortSettings
from pathopipe.reporting.cohort_comparisons import marked
from pathopipe.reporting.cohort_entry import CohortEntry
from pathopipe.reporting.cohort_page import CohortPage, render_cohort
from pathopipe.reporting.cohort_table import CohortRow
from pathopipe.reporting.slide_page import QualityWarning

GRADES = ("1", "2", "3")
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
WAIT = "new Promise(done => setTimeout(done, 80))"
"""What the page waits for further typing."""
SEARCH = "document.querySelector('[name=q]')"
STEPS = {
    "filter by a word": f"{SEARCH}.value = '4711'; {SEARCH}.form.dispatchEvent(new Event('input'))",
    "sort by a statistic": "document.querySelector('[data-key=area_um2_mean] button').click()",
    "group by a column": "const group = document.querySelector('[name=group]'); group.value = 'sheet.site';"
    "group.form.dispatchEvent(new Event('input'))",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slides", type=int, default=5000)
    parser.add_argument("--columns", type=int, default=2)
    asked = parser.parse_args()
    page = made_up(asked.slides, asked.columns)
    began = time.perf_counter()
    content = render_cohort(page)
    print(f"{asked.slides:,} slides: {len(content) / 1e6:.1f} MB, made in {time.perf_counter() - began:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.html"
        file.write_bytes(content)
        measure(file)


def made_up(slides: int, columns: int) -> CohortPage:
    rng = np.random.default_rng(20)
    settings = CohortSettings()
    numbers = rng.lognormal(3, 0.5, (slides, len(settings.statistics)))
    entries = [
        entry(place, dict(zip(settings.statistics, row, strict=True)), columns, rng)
        for place, row in enumerate(numbers.tolist())
    ]
    names = [entry.row.slide for entry in entries]
    patients = tuple(PatientGrade(pair, ("1", "2"), "2") for pair in zip(names[::2], names[1::2], strict=False))
    shown = tuple(entries[0].row.extra)
    return CohortPage(tuple(marked(entries, settings.statistics)), GRADES, shown, settings.statistics, patients)


def entry(place: int, numbers: dict[str, float], columns: int, rng: np.random.Generator) -> CohortEntry:
    name, grade = f"slide_{place:05}", GRADES[place % 3]
    extra = {
        ("age" if number % 2 else "site") + (str(number // 2) if number > 1 else ""): (
            str(rng.integers(30, 90)) if number % 2 else f"site {place % 7}"
        )
        for number in range(columns)
    }
    if place % 50 == 0:
        return CohortEntry(CohortRow(name, "rejected", "no tissue was found: the slide is blank", extra=extra))
    row = CohortRow(name, "done", None, grade, False, {grade: 0.8}, {**numbers, "nuclei_count": place}, extra)
    warnings = (QualityWarning("pen", f"pen marks cover {place % 9}% of the slide"),) if place % 4 == 0 else ()
    return CohortEntry(row, f"../{name}/tissue/thumbnail.jpg", True, warnings)


def measure(file: Path) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        times = [load(browser, file) for _ in range(5)]
        print(f"loaded in {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f}, 5 times)")
        opened = browser.new_page()
        opened.goto(file.as_uri())
        for what, code in STEPS.items():
            waited = f"const began = performance.now(); {code}; await {WAIT}; return await {DRAWN} - began"
            took = opened.evaluate(f"(async () => {{ {waited} }})()")
            print(f"{what}: {took / 1000:.2f} s")
        browser.close()


def load(browser: Any, file: Path) -> float:
    page = browser.new_page()
    page.goto(file.as_uri())
    milliseconds: float = page.evaluate(DRAWN)
    assert page.locator(".rows tbody tr").count() >= 100
    page.close()
    return milliseconds / 1000


if __name__ == "__main__":
    main()
