"""Both kinds of pages under axe-core, on phones and desks, in light and dark: no finding that is moderate or worse.

axe-core is not part of this repository: ``npm install axe-core`` in any folder, and say where its file is by the
variable ``AXE_CORE`` (``…/node_modules/axe-core/axe.min.js``).
"""

import itertools
import json
import os
from pathlib import Path

import pytest

from pathopipe.jobs.execution import execute, execute_cohort
from pathopipe.pipeline import CohortSettings, ReportSettings
from pathopipe.results.documents import write_json
from pathopipe.samples import Sample
from tests.made import seal
from tests.stages.finished_slide import finish, reject

OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.removeAttribute('name'); one.open = true })"
FINDINGS = """axe.run(document).then(found => found.violations.filter(one => one.impact !== 'minor').map(
    one => [one.impact, one.id, one.nodes.slice(0, 3).map(node => [node.target[0], node.failureSummary])]))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The code of axe-core."""
    place = os.environ.get("AXE_CORE")
    if not place:
        pytest.skip("axe-core is not here: npm install axe-core, and set AXE_CORE to its axe.min.js")
    return Path(place).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Three slides, one of them rejected, with their pages and the cohort's."""
    folder = tmp_path_factory.mktemp("pages")
    samples = []
    for slide in ("a", "b", "rejected"):
        made = finish(folder / "results", slide, folder, count=60)
        samples.append(Sample(slide, made.path, made.mpp, patient="P", extra={"site": slide}))
        if slide == "rejected":
            reject(folder / "results", slide, "tissue", "no tissue was found: the slide is blank")
        path = folder / "results" / slide / "grade" / "grade.json"
        item = {"name": "a_number", "value": 1.7, "unit": "nuclei per mm² of tissue", "meaning": "unbreakable" * 9}
        write_json(path, json.loads(path.read_text()) | {"evidence": [item] * 9})
        seal(folder / "results", slide, "grade")
        execute("report", slide, folder / "results", ReportSettings(), samples[-1])
    execute_cohort(folder / "results", samples, CohortSettings(columns=("site",)))
    return folder / "results"


@pytest.mark.parametrize("name", ["cohort/index.html", "a/report/report.html", "rejected/report/report.html"])
def test_nobody_is_kept_from_a_page(chromium, axe, results, name):
    with chromium.page(results / name) as page:
        page.evaluate(OPEN_ALL)
        page.evaluate(axe)
        for width, scheme in itertools.product((390, 1440), ("light", "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(FINDINGS) == [], (width, scheme)
