import numpy as np
import pytest
from scipy.stats import spearmanr

from pathopipe.grading.link import ordinal_probabilities
from pathopipe.training.grade.boosting import _slope, boost


def test_the_slope_is_that_of_the_log_likelihood():
    rng = np.random.default_rng(0)
    scores, truth, thresholds = rng.normal(size=30), rng.integers(0, 3, 30), np.array([-0.4, 0.9])

    def likelihood(at):
        return np.log(ordinal_probabilities(at, thresholds)[np.arange(30), truth])

    numeric = (likelihood(scores + 1e-5) - likelihood(scores - 1e-5)) / 2e-5
    assert _slope(scores, truth, thresholds) == pytest.approx(numeric, abs=1e-5)


def test_it_learns_what_no_line_can_tell():
    """The grade is worst where a value is far from the middle, on either side."""
    rng = np.random.default_rng(1)
    places = rng.normal(size=(240, 20))
    truth = np.digitize(np.abs(places[:, 4]), [0.5, 1.1])
    forest = boost(places[:180], truth[:180], 3, 0)
    assert spearmanr(forest.scores(places[180:]), truth[180:])[0] > 0.6
    assert np.array_equal(boost(places[:180], truth[:180], 3, 0).scores(places), forest.scores(places))
