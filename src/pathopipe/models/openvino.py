"""OpenVINO, kept from sending data: the only place that imports it, which ruff sees to.

Its import starts `openvino_telemetry`, which writes an id into the home folder and posts it to an analytics service.
The wheel requires that package, so it can't be left out; where its import fails, OpenVINO takes a stub of its own.
"""

import sys

# Also where something else has imported it already: OpenVINO asks again.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402, TID251
from openvino import opset13 as ops  # noqa: E402, TID251

__all__ = ["ops", "ov"]
