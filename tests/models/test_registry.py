import pytest

from pathopipe.errors import RefusalError
from pathopipe.models.registry import create, find
from pathopipe.ops.stain import Stains


def test_the_classical_model_needs_no_weights() -> None:
    model = create("classical", Stains())
    assert (model.name, model.sha256, model.mpp) == ("classical", None, 0.5)
    assert (model.radius, model.mpp) == (find("classical").radius, find("classical").mpp)


@pytest.mark.parametrize("ask", [lambda: create("hovernet", Stains()), lambda: find("hovernet")])
def test_an_unknown_name_is_refused_with_the_known_ones(ask: object) -> None:
    with pytest.raises(RefusalError, match="no nucleus model 'hovernet': choose one of classical"):
        ask()
