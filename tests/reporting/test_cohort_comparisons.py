import re
from dataclasses import replace

import pytest

from pathopipe.reporting import cohort_figures
from pathopipe.reporting.cohort_comparisons import Column, Slides, compare, marked, rules
from pathopipe.reporting.cohort_entry import CohortEntry
from pathopipe.reporting.cohort_figures import NAMED, Dot
from pathopipe.reporting.cohort_table import CohortRow

NAMES = ("area_um2_mean", "nuclei_per_mm2")


def slides(count: int, **of_all) -> list[CohortEntry]:
    return [
        CohortEntry(
            CohortRow(f"s{place}", "done", statistics={"area_um2_mean": place % 10, "nuclei_per_mm2": place}, **of_all)
        )
        for place in range(count)
    ]


def column(title: str, values, **more) -> Column:
    return Column(title, tuple(map(str, values)), **more)


def test_groups_are_tested_numbers_correlated_and_p_values_adjusted_for_all():
    found = Slides(slides(30))
    site = column("site", ["A"] * 15 + ["B"] * 15)
    age = column("age", range(30))
    by_site, by_age = compare(found, NAMES, [site, age])
    assert [one.test.groups for one in by_site.compared] == [2, 2]
    assert [one.test.groups for one in by_age.compared] == [0, 0]
    assert by_age.compared[1].test.effect == pytest.approx(1)
    tests = [one for by in (by_site, by_age) for one in by.compared]
    p = sorted(one.test.p for one in tests)
    assert p[3] > 0.1
    assert sorted(one.adjusted for one in tests)[2:] == pytest.approx([min(p[2] * 4 / 3, p[3]), p[3]])
    assert p[2] * 4 / 3 != pytest.approx(p[2])
    assert "4 comparisons were made" in rules([by_site, by_age])
    assert by_site.compared[1].words.startswith("Kruskal-Wallis test of 2 groups, n = 30: H = 21.8, p < 0.001")
    assert by_age.compared[1].words.startswith("Spearman's ρ = 1.0, n = 30: p < 0.001, adjusted < 0.001.")


def test_grades_are_drawn_but_not_tested():
    (by,) = compare(Slides(slides(30), ("1", "2")), NAMES, [column("grade", ["1", "2"] * 15, tested=False)])
    assert [one.test for one in by.compared] == [None, None]
    assert [one.words for one in by.compared] == ["", ""]
    assert rules([by]) == ""


def test_slides_of_one_patient_count_as_one():
    found = slides(30)
    twins = [replace(one, row=replace(one.row, patient_slides=f"p{place // 2}")) for place, one in enumerate(found)]
    site = column("site", ["A"] * 14 + ["B"] * 16)
    (by,) = compare(Slides(twins), NAMES, [site])
    assert [one.test.size for one in by.compared] == [15, 15]
    assert by.remark == ""
    (by,) = compare(Slides(twins), NAMES, [column("site", ["A"] * 15 + ["B"] * 15)])
    assert by.remark.startswith("1 patient has slides of different values here")


def test_what_cannot_be_compared_is_said():
    found = Slides(slides(30))
    ids, tissue, empty = (
        column("id", [f"x{n}" for n in range(30)]),
        column("tissue", ["breast"] * 30),
        Column("e", ("",) * 30),
    )
    by_id, by_tissue, by_empty = compare(found, NAMES, [ids, tissue, empty])
    assert (by_id.compared, by_id.remark) == ((), "30 different values: too many to compare.")
    assert {one.words for one in (*by_tissue.compared, *by_empty.compared)} == {
        "Not tested: too few slides, or all have the same value."
    }
    (nothing,) = compare(
        Slides([CohortEntry(CohortRow("s", "done")) for _ in range(30)]), NAMES, [column("n", range(30))]
    )
    assert nothing.compared == ()


def test_slides_whose_cell_is_empty_are_drawn_and_no_group_of_a_test():
    found = slides(30)
    twins = Slides([replace(one, row=replace(one.row, patient_slides=f"p{k // 2}")) for k, one in enumerate(found)])
    site = column("site", ["A"] * 7 + [""] * 11 + ["B"] * 12)
    (by,) = compare(twins, NAMES, [site])
    assert "(empty) (11)" in by.compared[0].drawing
    assert by.compared[0].test is None, "four patients at A are no group"
    assert by.remark == "", "an empty cell is no other value"
    (by,) = compare(Slides(found), NAMES, [site])
    assert {(one.test.groups, one.test.size) for one in by.compared} == {(2, 19)}
    assert "those whose cell is empty are left out" in rules([by])


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", "2", "3", "4", "5", "6", "7", ""], True),
        (["1", "2", "3", "4", "5", "6", "6", "6"], False),
        (["1", "2", "3", "4", "5", "6", "7", "x"], False),
        (["1", "2", "3", "4", "5", "6", "7", "nan"], False),
    ],
)
def test_a_column_is_of_numbers_where_all_are_and_many(values, numbers):
    assert (Column("x", tuple(values)).numbers is not None) is numbers


def test_groups_stand_in_order_and_the_empty_one_last():
    assert column("x", ["10", "", "b", "9", "a"]).groups == ["9", "10", "a", "b", ""]
    assert column("x", ["b", "a", "c"], order=("c", "d")).groups == ["c", "a", "b"]


def test_slides_far_from_the_others_are_marked():
    far = CohortEntry(CohortRow("far", "done", statistics={"area_um2_mean": 500.0, "nuclei_per_mm2": 10}))
    found = marked([*slides(30), far, CohortEntry(CohortRow("r", "rejected"))], NAMES)
    assert [one.row.slide for one in found if one.far] == ["far"]
    assert set(found[30].far) == {"area_um2_mean"}
    assert [one.row.outlying for one in found[29:]] == [None, "area_um2_mean", None]


def numbers(drawing, pattern: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, str(drawing))]


def test_a_box_spans_the_quartiles_and_whiskers_end_at_the_last_value_that_is_near():
    dots = [Dot(float(value), f"<s{value}>", "g1") for value in [*range(1, 10), 100]]
    drawing = cohort_figures.boxes({"<a>": dots, "b": []}, "Area", "site")
    assert "Area by site: medians and quartiles: &lt;a&gt; 5.50 (3.25 to 7.75, n = 10)." in drawing
    assert len(numbers(drawing, r'cx="([\d.]+)"')) == 10
    (box,) = re.findall(r'<rect x="([\d.]+)"[^>]*width="([\d.]+)"', str(drawing))
    whisker = re.findall(r'x1="([\d.]+)" x2="([\d.]+)" y1="25" y2="25"', str(drawing))[0]
    per_unit = float(box[1]) / 4.5
    assert float(whisker[1]) - float(whisker[0]) == pytest.approx(8 * per_unit, abs=0.1)
    assert "<s1>" not in drawing
    assert "<a>" not in drawing


def test_long_names_of_groups_are_told_apart():
    names = ("University Hospital A", "University Hospital B", "a long name of its own", "short")
    drawing = str(cohort_figures.boxes({name: [Dot(1.0, "s"), Dot(2.0, "t")] for name in names}, "Area", "site"))
    labels = re.findall(r">([^<>]+) \(2\)</text>", drawing)
    assert labels == ["Univer…ital A", "Univer…ital B", "a long name…", "short"]


def test_of_many_slides_only_those_beyond_the_whiskers_are_drawn():
    dots = [Dot(float(value % 50), str(value)) for value in range(NAMED)]
    drawing = str(cohort_figures.boxes({"a": [*dots, Dot(1000.0, "far")]}, "Area", "site"))
    assert drawing.count("<circle") == 1
    assert "far: 1,000" in drawing


def test_a_scatter_plot_shows_every_slide_named_where_there_are_few():
    pairs = [(float(place), Dot(2.0 * place, f"<{place}>", "g0")) for place in range(12)]
    drawing = cohort_figures.scatter(pairs, "<age>", "Area")
    x, y = numbers(drawing, r'cx="([\d.]+)"'), numbers(drawing, r'cy="([\d.]+)"')
    assert x == sorted(x)
    assert y == sorted(y, reverse=True)
    assert "&lt;3&gt;: &lt;age&gt; 3.00, 6.00" in drawing
    many = str(cohort_figures.scatter(pairs * 50, "age", "Area"))
    assert many.count("<circle") == 0
    assert many.count("h0") == 600
