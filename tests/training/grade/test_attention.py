"""Learning where to look, on slides of which one field alone tells the grade."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import spearmanr

from pathopipe.cli.train import train
from pathopipe.errors import RefusalError
from pathopipe.grading.attention import attention_score
from pathopipe.grading.card import GraderCard
from pathopipe.grading.field_grader import FieldGrader
from pathopipe.grading.fields import COLUMNS
from pathopipe.models.weights import read_weights_of
from pathopipe.results.documents import write_json
from pathopipe.results.reader import open_results
from pathopipe.results.schemas.features import GROUPS
from pathopipe.training.grade import attention, field_cohort, nested
from pathopipe.training.grade.cohort import Cohort
from pathopipe.training.grade.field_cohort import foreign_share, read_fields, telling
from pathopipe.training.grade.learning import learn, look
from tests.grading.made_nuclei import nuclei
from tests.made import manifest, seal
from tests.training.grade.graded_slides import write_statistics

FIELDS = 12


def cohort(slides: int, seed: int) -> Cohort:
    """Slides of three grades. In each, one field bears a mark, and its other numbers alone tell the grade."""
    rng = np.random.default_rng(seed)
    truth, fields = np.arange(slides) % 3, []
    for grade in truth.tolist():
        values = rng.normal(size=(FIELDS, 8))
        values[:, 1:4] += 1.5 * rng.integers(-1, 2, (FIELDS, 1))  # each field looks like some grade
        place = rng.integers(FIELDS)
        values[place, 1:4] = 1.5 * (grade - 1) + rng.normal(size=3)
        values[place, 0] += 5
        fields.append(values)
    names = tuple(f"s{number:03}" for number in range(slides))
    statistics = np.array([[*one.mean(axis=0), *one.std(axis=0)] for one in fields])
    return Cohort(
        names, names, ("1", "2", "3"), truth, statistics, {"all size": tuple(f"c{place}" for place in range(16))}, {},
        {}, (0.25,) * slides, "grade", {}, tuple(fields), {"all size": tuple(f"f{place}" for place in range(8))},
    )  # fmt: skip


def bags(slides: int = 30, seed: int = 0) -> attention.Bags:
    made = cohort(slides, seed)
    return attention.Bags(np.concatenate(made.fields), np.full(slides, FIELDS), made.truth)


def test_what_one_field_alone_tells_is_learned_and_a_statistic_of_the_slide_does_not_tell_it() -> None:
    known, others = cohort(90, 0), cohort(90, 1)
    grader, plain = learn(known, "fields", 0).grader, learn(known, "linear", 0).grader
    assert isinstance(grader, FieldGrader)
    assert spearmanr(look(grader, others)[0].scores, others.truth)[0] > 0.6
    assert spearmanr(look(plain, others)[0].scores, others.truth)[0] < 0.3
    marked = [int(np.argmax(values[:, 0])) for values in others.fields]
    looked = [int(np.argmax(grader.attend(values)[1])) for values in others.fields]
    assert np.mean(np.equal(marked, looked)) > 0.5


def test_numpy_scores_as_torch_does() -> None:
    made, random = bags(), torch.Generator().manual_seed(3)
    net = attention._begin(made, 3, random)
    net = {
        name: (value + torch.randn(value.shape, generator=random, dtype=torch.float64)) for name, value in net.items()
    }
    stored = attention._stored(net)
    net = {name: torch.from_numpy(stored.get(name, value.detach().numpy())) for name, value in net.items()}
    tensors = attention._Bags(made)
    theirs = attention.scores_of(net, tensors.places, tensors.slides, 30).numpy()
    ours = [attention_score(stored, fields)[0] for fields in made.each()]
    assert ours == pytest.approx(theirs + stored["head_bias"][0], abs=1e-9)
    assert np.std(ours) > 0.1
    middle = attention._thresholds(net).mean().item()
    assert np.add(ours, middle) == pytest.approx(theirs, abs=1e-6), "scores of different networks have one middle"


def test_slides_of_different_numbers_of_fields_are_kept_apart() -> None:
    made = bags(4)
    uneven = attention.Bags(made.places[:20], np.array([1, 12, 2, 5]), made.truth)
    assert [len(one) for one in uneven.each()] == [1, 12, 2, 5]
    part = uneven.part(np.array([False, True, False, True]))
    assert part.places.tobytes() == np.concatenate([made.places[1:13], made.places[15:20]]).tobytes()
    random, slides = torch.Generator().manual_seed(0), attention._Bags(uneven).slides
    for _ in range(50):
        kept = attention._some(slides, random)
        assert set(slides[kept].tolist()) == {0, 1, 2, 3}
        assert len(kept) < 20 or not torch.equal(kept, torch.arange(20))


def test_training_ends_when_patients_not_seen_are_predicted_worse() -> None:
    def looks():
        for number, loss in enumerate([3.0, 2.0, 2.5, *[9.0] * 100]):
            taken.append(number)
            yield (attention.Moment({}, loss),)

    taken = list[int]()
    steps, moments = attention._until_worse(looks())
    assert (steps, moments[0].loss) == (2 * attention.EVERY, 2.0)
    assert len(taken) == 2 + attention._PATIENCE


def test_the_same_seed_gives_the_same_weights_on_any_number_of_threads() -> None:
    made, before = bags(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        first = attention.learn_all(made, 3, 30, seed=1)
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        again, other = attention.learn_all(made, 3, 30, seed=1), attention.learn_all(made, 3, 30, seed=2)
    finally:
        torch.set_num_threads(before)
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert any(first[name].tobytes() != other[name].tobytes() for name in first)


def test_columns_that_few_slides_have_or_that_do_not_differ_are_left_out() -> None:
    rng = np.random.default_rng(0)
    fields = [rng.random((3, len(COLUMNS))) for _ in range(5)]
    rare, same = COLUMNS.index(("epithelial", "area_um2_sd")), COLUMNS.index(("all", "area_um2_mean"))
    for values in fields[:2]:
        values[:, rare] = np.nan
    for values in fields:
        values[:, same] = 1.0
    families, chosen = telling(fields, 0.8)
    names = [(family.partition(" ")[0], name) for family, columns in families.items() for name in columns]
    assert list(families) == sorted(families)
    assert set(COLUMNS) - set(names) == {COLUMNS[rare], COLUMNS[same]}
    last = COLUMNS.index(names[-1])
    assert chosen[0][:, -1].tolist() == fields[0][:, last].tolist()
    with pytest.raises(RefusalError, match="nothing can be learned"):
        telling([np.full((3, len(COLUMNS)), np.nan)] * 4, 0.8)


def test_how_foreign_a_slide_may_be_comes_from_slides_each_against_the_others() -> None:
    fields = [np.array([[float(place), 0.0], [1.0, 0.0]]) for place in range(4)]
    assert foreign_share(fields, 1.0) == pytest.approx(0.25)
    assert foreign_share([*fields, np.array([[9.0, 9.0]])], 1.0) == 1.0


def place(results: Path, slide: str, columns: dict[str, np.ndarray], grade: int) -> None:
    """Results of a slide: its nuclei, and a statistic or two that tell nothing."""
    count, rng = len(columns["x_um"]), np.random.default_rng(grade)
    kinds = {column.name: column.kind for own in GROUPS.values() for column in own}
    known = {"counts": {"nuclei": count}, "mpp_x": 0.25, "mpp_y": 0.25, "identity": f"12-{slide}"}
    for stage in ("tissue", "segment", "features", "types", "statistics"):
        write_json(results / slide / stage / "manifest.json", manifest(stage, slide, **known))
    measured = {
        name: pa.array(np.nan_to_num(columns[name]).astype(kind) if kind == "int64" else columns[name].astype(kind))
        for name, kind in kinds.items()
        if name in columns
    }
    names = [*("epithelial", "inflammatory", "stromal", "other"), None]
    tables = {
        "features/features": measured,
        "segment/nuclei": {f"{axis}_px": columns[f"{axis}_um"] / 0.25 for axis in "xy"},
        "types/types": {"type": pa.array([names[int(one)] for one in columns["type"]], pa.string())},
    }
    for name, table in tables.items():
        pq.write_table(pa.table(table), results / slide / f"{name}.parquet")
    write_statistics(results, slide, {f"{name}_mean": rng.random() for name in ("area_um2", "solidity")})
    seal(results, slide)


def made_results(folder: Path) -> Path:
    """Sixteen slides of eight patients; nuclei of the second grade are larger. One more has hardly any."""
    lines = ["slide\tpath\tpatient\tgrade"]
    for number in range(16):
        columns, grade = nuclei(120, seed=number, side_um=256.0), number // 2 % 2 + 1
        columns["area_um2"] = 20.0 * grade + np.random.default_rng(number).random(120)
        place(folder / "results", f"s{number}", columns, number)
        lines.append(f"s{number}\ts{number}.svs\tp{number // 2}\t{grade}")
    place(folder / "results", "few", nuclei(5), 0)
    lines.append("few\tfew.svs\tq\t1")
    (folder / "slides.tsv").write_text("\n".join(lines) + "\n")
    return folder / "results"


def test_a_grader_of_fields_is_trained_from_results_and_twice_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "STEPS", 60)
    monkeypatch.setattr(nested, "MOST_ALONE", 0)
    monkeypatch.setattr(nested, "FOLDS", 3)
    results = made_results(tmp_path)
    content = []
    for name in ("one", "two"):
        arguments = ["--slides", tmp_path / "slides.tsv", "--results", results, "--out", tmp_path / name, "--no-more"]
        result = CliRunner().invoke(train, ["grade", *map(str, arguments), "--kind", "fields"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "1 left out: no square of 128 µm of it has 8 nuclei" in result.output
        content.append((tmp_path / name / "mine.safetensors").read_bytes())
    assert content[0] == content[1]
    card = read_weights_of(tmp_path / "one" / "mine.safetensors", GraderCard).card
    assert (card.architecture.kind, card.architecture.hidden, card.architecture.side_um) == ("fields", 16, 128.0)
    (figures,) = card.figures.values()
    assert figures["auc"] > 0.9


def test_fields_of_a_large_slide_are_thinned_out_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, "s", nuclei(900), 0)
    slides = open_results(tmp_path).slides
    whole = read_fields(slides, 1)["s"]
    monkeypatch.setattr(field_cohort, "MOST_FIELDS", 6)
    chosen = read_fields(slides, 2)["s"]
    assert len(whole) == 16
    assert chosen.tobytes() == whole[[0, 3, 6, 9, 12, 15]].tobytes()


def test_a_damaged_table_is_refused_and_named(tmp_path: Path) -> None:
    place(tmp_path, "s", nuclei(), 0)
    pq.write_table(pa.table({"type": ["stromal"] * 3}), tmp_path / "s" / "types" / "types.parquet")
    with pytest.raises(RefusalError, match=r"the nuclei of slide s can't be used .*types\.parquet"):
        read_fields(open_results(tmp_path).slides, 1)


def test_without_torch_fields_are_refused_and_other_kinds_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    given = ["grade", "--slides", str(tmp_path / "no.tsv"), "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(RefusalError, match="training needs torch"):
        CliRunner().invoke(train, [*given, "--kind", "fields"], catch_exceptions=False)
    with pytest.raises(RefusalError, match=r"no\.tsv"):
        CliRunner().invoke(train, given, catch_exceptions=False)


def test_a_cohort_keeps_its_fields_when_it_is_divided() -> None:
    made = cohort(6, 0)
    part = made.part(np.array([False, True, True, False, False, True]))
    assert [id(one) for one in part.fields] == [id(made.fields[place]) for place in (1, 2, 5)]
    assert replace(made, fields=()).part(np.arange(6) < 2).fields == ()
