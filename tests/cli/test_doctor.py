"""``pathopipe doctor``."""

import re
from importlib import metadata

from pathopipe.cli import doctor


def test_only_libraries_are_asked_for_that_an_installation_brings():
    required = {re.split(r"[^\w-]", line)[0] for line in metadata.requires("pathopipe") or () if "extra ==" not in line}
    assert set(doctor._LIBRARIES) <= required
