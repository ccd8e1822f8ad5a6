from pathopipe.pipeline import STAGES
from pathopipe.reporting.relative import STAGE_FILES, cohort_link


def test_files_are_those_that_stages_write_for_the_report_to_lie_beside():
    for file in STAGE_FILES:
        stage, name = file.name.split("/")
        assert name in STAGES[stage].writes
        assert file.href == f"../{stage}/{name}", "seen from report/report.html"


def test_the_cohort_is_searched_for_the_slide_whatever_it_is_called():
    assert cohort_link("s 1&x=#2+/") == "../../cohort/index.html#q=%22s%201%26x%3D%232%2B%2F%22"
