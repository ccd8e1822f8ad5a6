"""A run that was stopped is gone on with by the same request only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pathopipe.training.session as session
from pathopipe.errors import RefusalError
from pathopipe.training.course import Moment
from pathopipe.training.examples import Example
from pathopipe.training.loop import Schedule
from tests.models.weights_files import SMALL, write
from tests.training.fields import example


class _KilledError(Exception):
    pass


def steps(folder: Path, examples: list[Example], test: bool = False) -> list[int]:
    """Train; returns the numbers of the steps that were taken."""
    moments = list[Moment]()
    schedule = Schedule(2, batch=1, size=48)
    request = session.Request(examples, folder, "a", "CC0", (), None, None, schedule, test=test)
    session.run(request, lambda _, moment: moments.append(moment))
    return [moment.step for moment in moments]


def test_nothing_is_left_behind_and_no_image_changed(tmp_path: Path) -> None:
    examples = [example(number) for number in range(8)]
    assert steps(tmp_path, examples, test=True) == [1, 2] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.md", "a.safetensors", "a_worst_1.png"]
    assert all(np.array_equal(one.rgb, example(number).rgb) for number, one in enumerate(examples))


def test_a_checkpoint_is_of_its_scale_and_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = example(0), example(1)

    def kill(*_: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patched:
        patched.setattr(session, "_write", kill)
        with pytest.raises(_KilledError):
            steps(tmp_path, [first, second])
    assert steps(tmp_path, [first, replace(second, share=2.0)]) == [1, 2]
    assert steps(tmp_path, [first, replace(second, mpp=0.3)]) == [1, 2]
    assert steps(tmp_path, [first, second]) == []
    assert not (tmp_path / ".work").exists()


@pytest.mark.parametrize("channels", [("foreground", "distance", "mitosis"), ("distance", "foreground")])
def test_weights_with_channels_that_have_no_targets_are_not_trained_on(
    channels: tuple[str, ...], tmp_path: Path
) -> None:
    """Of the order of targets the loss knows nothing."""
    start = write(tmp_path / "start.safetensors", architecture=replace(SMALL, channels=channels))
    schedule = Schedule(2, batch=1, size=48)
    request = session.Request([example(0)], tmp_path / "out", "a", "CC0", (), start, None, schedule, test=False)
    sentence = (
        f"the weights to start from have the channels {', '.join(channels)}, but training supports only foreground and "
        "distance"
    )
    with pytest.raises(RefusalError, match=sentence):
        session.run(request, lambda *_: None)
    assert not (tmp_path / "out").exists()
