import pytest

from pathopipe.errors import RefusalError
from pathopipe.training.grade.order import in_order

COLON = (
    "healthy",
    "adenomatous",
    "moderately differentiated",
    "moderately-to-poorly differentiated",
    "poorly differentiated",
)


@pytest.mark.parametrize(
    ("found", "ordered"),
    [
        ({"10", "9", "1"}, ("1", "9", "10")),
        ({"III", "I", "II"}, ("I", "II", "III")),
        ({"Grade 2", "grade 3", "Grade 1"}, ("Grade 1", "Grade 2", "grade 3")),
        ({"malignant", "benign"}, ("benign", "malignant")),
        (set(COLON), COLON),
    ],
)  # fmt: skip
def test_numbers_and_words_of_pathologists_have_an_order(found, ordered):
    assert in_order(found, (), "grade") == ordered


def test_what_has_none_is_refused_and_an_order_that_is_given_is_kept():
    with pytest.raises(RefusalError, match=r"order of the grades luminal A, luminal B .* --order"):
        in_order({"luminal A", "luminal B"}, (), "subtype")
    with pytest.raises(RefusalError, match="order of the grades"):
        in_order({"low grade", "mild"}, (), "grade")
    assert in_order({"b", "a"}, ("b", "a"), "grade") == ("b", "a")
    assert in_order({"luminal B", "luminal A"}, (), "subtype", needed=False) == ("luminal A", "luminal B")


@pytest.mark.parametrize("asked", [("a",), ("a", "b", "c"), ("a", "b", "b")])
def test_an_order_of_other_grades_is_refused(asked):
    with pytest.raises(RefusalError, match="the grades in column 'grade' are a, b"):
        in_order({"b", "a"}, asked, "grade")
