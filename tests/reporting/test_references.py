"""A slide beside the slides that its grader learned from."""

import re

from pathopipe.reporting.references import references_of

ENTRY = {
    "label": "my grade",
    "groups": [{"grade": "low", "slides": 1234}, {"grade": "high", "slides": 12}],
    "statistics": [
        {
            "row": "epithelial",
            "column": "area_um2_mean",
            "value": 52.1,
            "quantiles": [[1, 2, 3, 4, 5], [40, 50, 60, 70, 80]],
        },
        {"row": "densest_field/all", "column": "circularity_cv", "value": 0.5, "quantiles": [[0, 0, 0, 0, 0]] * 2},
    ],
}


def test_the_groups_and_the_slide_are_told_in_words_and_drawn():
    area, shape = references_of(ENTRY).statistics
    assert (area.term.label, area.of, area.written) == ("Nuclear area, mean", "epithelial nuclei", "52.1\u202fµm²")
    assert shape.of == "all nuclei, Densest field"
    drawing = str(area.drawing)
    assert (
        'aria-label="Nuclear area, mean of epithelial nuclei: 52.1\u202fµm² in this slide; by grade: low 3.00 (2.00 '
        'to 4.00, n = 1,234); high 60.0 (50.0 to 70.0, n = 12)."'
    ) in drawing
    boxes = [float(x) for x in re.findall(r'<rect x="([^"]*)"', drawing)]
    (line,) = (float(x) for x in re.findall(r'<line x1="([^"]*)"[^>]*class="this-slide"', drawing))
    assert ">low (1,234)<" in drawing
    assert boxes[0] < boxes[1] < line
    assert drawing.count('class="median"') == 2


def test_there_is_nothing_to_show_of_graders_that_know_no_other_slides():
    assert references_of(None) is None
    assert references_of(ENTRY | {"statistics": []}) is None
