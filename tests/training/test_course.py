"""Training goes on after a kill as if nothing had happened, keeps the best weights, stops when it gets no better."""

from pathlib import Path

import numpy as np
import pytest

from pathopipe.errors import FaultError
from pathopipe.models.architecture import Architecture
from pathopipe.models.network import tensors_of
from pathopipe.models.openvino_parts import resolve
from pathopipe.models.seeds import SeedRule
from pathopipe.training.course import Course, Moment, train
from pathopipe.training.loop import Schedule, Trainer
from tests.training.fields import example, field

ARCHITECTURE = Architecture((8, 8), (1, 1), (1,))


def course(steps: int = 12, rate: float = 2e-3, validation: bool = True, **changes: object) -> Course:
    return Course(
        ARCHITECTURE,
        Schedule(steps=steps, batch=2, size=48, rate=rate),
        0.5,
        SeedRule(),
        [field(1), field(2)],
        [example(3)] if validation else [],
        interval=4,
        **changes,  # type: ignore[arg-type]
    )


class _KilledError(Exception):
    pass


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("at", [1, 4, 7, 11])
def test_a_killed_course_goes_on_to_the_same_weights(at: int, tmp_path: Path) -> None:
    moments = list[Moment]()
    whole = train(course(), tmp_path / "whole", moments.append)

    def kill(moment: Moment) -> None:
        if moment.step == at:
            raise _KilledError

    with pytest.raises(_KilledError):
        train(course(), tmp_path / "killed", kill)
    after = list[Moment]()
    assert same(train(course(), tmp_path / "killed", after.append), whole)
    # Only what lies behind the last checkpoint was done again.
    assert after[0].step == (at - 1) // 4 * 4 + 1
    assert [moment.step for moment in moments] == list(range(1, 13))


@pytest.mark.parametrize("at", [1, 5])
def test_a_killed_course_still_knows_weights_that_were_never_beaten(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pathopipe.training.course as module

    real, worst = module.pooled, [0.5]
    monkeypatch.setattr(module, "pooled", lambda seen, rule: type(real(seen, rule))(0, 0, 0, 0, 0, worst.pop(0), 0))
    start = tensors_of(Trainer(ARCHITECTURE, Schedule(), seed=7).average)

    def kill(moment: Moment) -> None:
        if moment.step == at:
            raise _KilledError

    worst += [0.4]
    with pytest.raises(_KilledError):
        train(course(start=start), tmp_path, kill)
    worst[:] = ([0.5] if at < 4 else []) + [0.4, 0.3, 0.2]
    assert same(train(course(start=start), tmp_path, lambda _: None), start)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    runs = [train(course(4, seed=seed), tmp_path / str(seed), lambda _: None) for seed in (0, 1)]
    assert not same(*runs)


def test_the_loss_falls(tmp_path: Path) -> None:
    losses = list[float]()
    train(course(60, validation=False), tmp_path, lambda moment: losses.append(moment.loss))
    assert losses[-1] < 0.8 * losses[4]


def test_the_best_weights_are_returned_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that fall after the second validation: the course ends early, with the weights of that one."""
    import pathopipe.training.course as module

    scores = iter([0.1, 0.5, 0.4, 0.3, 0.2])
    real = module.pooled
    monkeypatch.setattr(module, "pooled", lambda seen, rule: type(real(seen, rule))(0, 0, 0, 0, 0, next(scores), 0))
    kept, moments = list[int](), list[Moment]()
    monkeypatch.setattr(module, "save_checkpoint", lambda _, trainer, __: kept.append(trainer.step))
    best = train(course(100, patience=2), tmp_path / "a", moments.append)
    assert kept == [4, 8, 12, 16]
    assert moments[-1].best == 0.5
    # Without validation, a course that is stopped at step 8 of the same schedule has just these weights.
    assert same(best, _averaged(8))


def _averaged(steps: int) -> dict[str, np.ndarray]:
    asked = course(100)
    trainer = Trainer(asked.architecture, asked.schedule, half=resolve("auto") == "bfloat16")
    for _ in trainer.run(asked.fields, asked.mpp, asked.augmentation, steps):
        pass
    return tensors_of(trainer.average)


def test_what_does_worse_than_the_weights_that_it_began_with_is_not_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pathopipe.training.course as module

    scores = iter([0.5, 0.4, 0.3, 0.2])
    real = module.pooled
    monkeypatch.setattr(module, "pooled", lambda seen, rule: type(real(seen, rule))(0, 0, 0, 0, 0, next(scores), 0))
    start = tensors_of(Trainer(ARCHITECTURE, Schedule(), seed=7).average)
    assert same(train(course(12, start=start), tmp_path, lambda _: None), start)


def test_a_loss_that_is_no_number_ends_it_in_words(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="the loss is not a number at step"):
        train(course(200, rate=1e30, validation=False), tmp_path, lambda _: None)
