"""How far a stage is, for whoever watches: a small file beside the results, rewritten at most twice a second."""

import json
import time
from pathlib import Path

_INTERVAL_S = 0.5


class Progress:
    """Counts what is done; `update` is cheap enough for every tile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0.0

    def update(self, done: int, total: int, unit: str) -> None:
        """Say that ``done`` of ``total`` units (such as ``tiles``) are finished."""
        now = time.monotonic()
        if now - self._last >= _INTERVAL_S:
            self._last = now
            draft = self._path.with_suffix(".tmp")
            draft.write_text(json.dumps({"done": done, "total": total, "unit": unit}), encoding="utf-8")
            draft.replace(self._path)
