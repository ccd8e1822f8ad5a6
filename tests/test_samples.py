"""The sample sheet: what is read, and one sentence per mistake, by line."""

import unicodedata
from pathlib import Path

import pytest

from pathopipe.errors import RefusalError
from pathopipe.samples import Sample, find_sample, read_samples, shown_columns


def sheet(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "slides.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def reported(path: Path) -> tuple[str, ...]:
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
    assert "is not a table" in reported(sheet(tmp_path, 'slide\tpath\na\t"' + "x" * 200_000))[0]


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
    problems = reported(path)
    for line, words in [
        (2, "'../x' must consist of"),
        (3, "'a b' must"),
        (4, "'<script>' must"),
        (6, "'GOOD' is already used in line 5"),
        (7, "'cohort' is reserved"),
        (8, "the path is empty"),
        (8, "mpp 'fast' is not a positive number"),
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
        ("slide\tpath\tpath\n", "'path' appears twice"),
        ("slide\tpath\n", "lists no slides"),
    ],
)
def test_a_broken_header_is_refused(text: str, words: str, tmp_path: Path) -> None:
    assert any(words in problem for problem in reported(sheet(tmp_path, text)))


def test_missing_and_binary_sheets_are_refused(tmp_path: Path) -> None:
    assert "pathopipe init" in reported(tmp_path / "none.tsv")[0]
    (tmp_path / "slides.tsv").write_bytes(b"slide\tpath\n\xff\xfe")
    assert "UTF-8" in reported(tmp_path / "slides.tsv")[0]


def test_one_line_is_found(tmp_path: Path) -> None:
    path = sheet(tmp_path, "slide\tpath\na\ta.svs\n")
    assert find_sample(path, "a").slide == "a"
    with pytest.raises(RefusalError, match="does not list the slide 'b'"):
        find_sample(path, "b")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MPP", "mpp"),
        ("mpp (um)", "mpp"),
        ("mpp_um", "mpp"),
        ("MPP [µm/px]", "mpp"),
        ("mpp_x", "mpp"),
        ("microns per pixel", "mpp"),
        ("µm/px", "mpp"),
        ("pixel size (µm)", "mpp"),
        ("ROI", "roi"),
        ("rois", "roi"),
        ("Nuclei file", "nuclei"),
        ("nuclei before", "nuclei_before"),
        ("roi_file", "roi"),
        ("Patient", "patient"),
        ("patient_id", "patient"),
        ("PatientID", "patient"),
        ("pateint", "patient"),
        ("patiant", "patient"),
        ("Grade", "grade"),
        ("garde", "grade"),
        ("grades", "grade"),
    ],
)
def test_columns_nearly_named_as_one_that_is_known_are_refused(name: str, meant: str, tmp_path: Path) -> None:
    (problem,) = reported(sheet(tmp_path, f"slide\tpath\t{name}\na\ta.svs\t1\n"))
    assert f"the column '{name}' is not known: did you mean '{meant}'?" in problem


def test_near_misses_of_columns_that_must_be_there_are_told_once(tmp_path: Path) -> None:
    problems = reported(sheet(tmp_path, "Slide ID\tPath\tMPP\na\ta.svs\t1\n"))
    assert [problem.split("'")[1::2] for problem in problems] == [
        ["Slide ID", "slide"],
        ["Path", "path"],
        ["MPP", "mpp"],
    ]


def test_another_spelling_of_a_column_beside_it_is_refused(tmp_path: Path) -> None:
    assert "'MPP'" in reported(sheet(tmp_path, "slide\tpath\tmpp\tMPP\na\ta.svs\t\t1\n"))[0]


@pytest.mark.parametrize(
    "name",
    [
        *("site", "side", "slice", "slide_id", "stage", "strain", "grade_5class", "age", "batch", "magnification"),
        *("patient_age", "patience", "block", "hr_status", "rate", "mppc_count", "region", "部位"),
    ],
)
def test_columns_of_the_users_own_pass(name: str, tmp_path: Path) -> None:
    (sample,) = read_samples(sheet(tmp_path, f"slide\tpath\t{name}\na\ta.svs\tit\n"))
    assert sample.extra == {name: "it"}


def test_a_similar_name_beside_the_column_itself_passes(tmp_path: Path) -> None:
    (sample,) = read_samples(sheet(tmp_path, "slide\tpath\tpatient\tpatient_id\na\ta.svs\tP1\t77\n"))
    assert (sample.patient, sample.extra) == ("P1", {"patient_id": "77"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("first", ["", "sep=;\r\n", '"sep=;"\r\n', "SEP=|\n"])
def test_what_excel_writes(first: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    separator = "|" if "|" in first else ";"
    path.write_bytes(
        (first + "slide;path;mpp\r\né_1;x.svs;-1\r\na;ä, b.svs;0.25\r\n".replace(";", separator)).encode(encoding)
    )
    (problem, mpp) = reported(path)
    assert f"line {3 if first else 2}: slide id 'é_1'" in problem
    assert "mpp '-1'" in mpp
    path.write_bytes((first + "slide;path;mpp\r\na;ä, b.svs;0.25\r\n".replace(";", separator)).encode(encoding))
    assert read_samples(path) == [Sample("a", tmp_path / "ä, b.svs", (0.25, 0.25))]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings_that_are_not_told_apart_are_refused(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    path.write_bytes("slide;path\na;ä.svs\n".encode(encoding))
    assert "UTF-8" in reported(path)[0]


@pytest.mark.parametrize(("on_disk", "in_sheet"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC"), ("NFD", "NFD")])
def test_names_are_found_composed_and_decomposed(on_disk: str, in_sheet: str, tmp_path: Path) -> None:
    folder, roi = "Müller/Søren é", "ö.json"
    file = tmp_path / unicodedata.normalize(on_disk, f"{folder}/é.svs")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (file.parent / unicodedata.normalize(on_disk, roi)).write_bytes(b"x")
    row = unicodedata.normalize(in_sheet, f"a\t{folder}/é.svs\t{folder}/{roi}")
    (sample,) = read_samples(sheet(tmp_path, f"slide\tpath\troi\n{row}\n"))
    assert sample.path.read_bytes() == b"x"
    assert sample.roi
    assert sample.roi.read_bytes() == b"x"


def test_a_folder_that_mixes_both_forms_is_found_and_a_missing_file_keeps_its_name(tmp_path: Path) -> None:
    mixed = unicodedata.normalize("NFC", "é") + unicodedata.normalize("NFD", "ü")
    (tmp_path / mixed).mkdir()
    (tmp_path / mixed / "a.svs").write_bytes(b"x")
    there, gone = read_samples(sheet(tmp_path, "slide\tpath\na\téü/a.svs\nb\téü/gone é.svs\n"))
    assert there.path.is_file()
    assert gone.path == tmp_path / "éü/gone é.svs"


def test_tissue_and_stain_may_be_shown_and_say_what_the_slide_is(tmp_path):
    sheet = tmp_path / "slides.tsv"
    sheet.write_text("slide\tpath\ttissue\tstain\tsite\na\ta.svs\tbreast\tH&E\tB1\nb\tb.svs\t\tPAS\t\n")
    one, other = read_samples(sheet)
    assert one.about == {"tissue": "breast", "stain": "H&E"}
    assert other.about == {"stain": "PAS"}
    assert one.extra == {"tissue": "breast", "stain": "H&E", "site": "B1"}


def test_files_of_nuclei_are_relative_to_the_sheet_and_those_before_need_those_after(tmp_path: Path) -> None:
    header = "slide\tpath\tnuclei\tnuclei_before\n"
    (sample,) = read_samples(sheet(tmp_path, f"{header}a\ta.svs\tx/n.geojson\tb.parquet\n"))
    assert sample.files == {"nuclei": tmp_path / "x/n.geojson", "nuclei_before": tmp_path / "b.parquet"}
    with pytest.raises(RefusalError, match="line 2: nuclei_before is given without nuclei: give the corrected nuclei"):
        read_samples(sheet(tmp_path, f"{header}a\ta.svs\t\tb.parquet\n"))


def test_all_columns_are_those_that_may_be_shown(tmp_path: Path) -> None:
    samples = read_samples(sheet(tmp_path, "slide\tpath\tpatient\tgrade\tstain\tsite\na\ta.svs\tp\t2\tH&E\tx\n"))
    assert shown_columns(("all",), samples) == ("stain", "site")
    assert shown_columns(("site",), samples) == ("site",)
    assert shown_columns(("all", "site"), samples) == ("all", "site")
    assert shown_columns((), samples) == ()
    assert shown_columns(("all",), []) == ("all",)
