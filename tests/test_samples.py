"""The sample sheet: what is read, and one sentence per mistake, by line."""

from pathlib import Path

import pytest

from pathopipe.errors import RefusalError
from pathopipe.samples import Sample, find_sample, read_samples


def sheet(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "slides.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def told(path: Path) -> tuple[str, ...]:
    with pytest.raises(RefusalError) as caught:
        read_samples(path)
    return caught.value.problems


def test_all_columns(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "slide\tpath\tmpp\tpatient\tgrade\troi\tsite\n"
        "# a comment\n"
        "\n"
        "a-1\tx/a.svs\t0.25\tP1\t2\troi.json\tGent\n"
        "b_2\t/abs/b.svs\t0.25 0.26\t\t\t\t\n",
    )
    assert read_samples(path) == [
        Sample("a-1", tmp_path / "x/a.svs", (0.25, 0.25), "P1", "2", tmp_path / "roi.json", {"site": "Gent"}),
        Sample("b_2", Path("/abs/b.svs"), (0.25, 0.26), extra={"site": ""}),
    ]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_commas_byte_order_marks_and_line_ends_of_other_systems(start: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_bytes(f'{start}slide,path{end}a,"x, y.svs"{end}'.encode())
    assert read_samples(path) == [Sample("a", tmp_path / "x, y.svs")]


def test_what_spreadsheets_make_of_a_sheet(tmp_path: Path) -> None:
    text = '# slides, all\r\nslide;path;mpp;;\r\n;;;;\r\na;"x; ""y"".svs";0.25;;\r\nb;z.svs;;;\r\n'
    assert read_samples(sheet(tmp_path, text)) == [
        Sample("a", tmp_path / 'x; "y".svs', (0.25, 0.25)),
        Sample("b", tmp_path / "z.svs"),
    ]


def test_a_cell_without_end_is_told(tmp_path: Path) -> None:
    assert "is not a table" in told(sheet(tmp_path, 'slide\tpath\na\t"' + "x" * 200_000))[0]


def test_all_mistakes_are_told_at_once_by_line(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "slide\tpath\tmpp\n"
        "../x\ta.svs\t\n"
        "a b\ta.svs\t\n"
        "<script>\ta.svs\t\n"
        "good\ta.svs\t\n"
        "GOOD\ta.svs\t\n"
        "cohort\ta.svs\t\n"
        "e\t\tfast\n"
        "f\ta.svs\t-1\n"
        "g\ta.svs\t0.5\tmore\n"
        "h\ta.svs\t0.1 0.2 0.3\n"
        "-x\ta.svs\t\n"
        "--help\ta.svs\t\n",
    )
    problems = told(path)
    for line, words in [
        (2, "'../x' must consist of"),
        (3, "'a b' must"),
        (4, "'<script>' must"),
        (6, "'GOOD' is used in line 5"),
        (7, "'cohort' is reserved"),
        (8, "the path is empty"),
        (8, "mpp 'fast' is no positive number"),
        (9, "mpp '-1' is"),
        (10, "has 4 cells, the header has 3"),
        (11, "mpp '0.1 0.2 0.3'"),
        (12, "'-x' begins with '-', which a command takes for an option: choose another"),
        (13, "'--help' begins with '-'"),
    ]:
        assert any(f"line {line}: " in problem and words in problem for problem in problems), (line, words)
    assert len(problems) == 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "column 'slide' is missing"),
        ("slide\tfile\n", "column 'path' is missing"),
        ("slide\tpath\tpath\n", "'path' stands there twice"),
        ("slide\tpath\n", "lists no slides"),
    ],
)
def test_a_broken_header_is_refused(text: str, words: str, tmp_path: Path) -> None:
    assert any(words in problem for problem in told(sheet(tmp_path, text)))


def test_missing_and_binary_sheets_are_refused(tmp_path: Path) -> None:
    assert "pathopipe init" in told(tmp_path / "none.tsv")[0]
    (tmp_path / "slides.tsv").write_bytes(b"slide\tpath\n\xff\xfe")
    assert "UTF-8" in told(tmp_path / "slides.tsv")[0]


def test_one_line_is_found(tmp_path: Path) -> None:
    path = sheet(tmp_path, "slide\tpath\na\ta.svs\n")
    assert find_sample(path, "a").slide == "a"
    with pytest.raises(RefusalError, match="does not list the slide 'b'"):
        find_sample(path, "b")
