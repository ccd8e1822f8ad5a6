"""How far a stage is, for those who watch: a small file beside the results, rewritten at most twice a second."""

import json
import time
from pathlib import Path

from pathopipe.files import write_whole

_INTERVAL_S = 0.5


class Progress:
    """Counts what is done; `update` is cheap enough for every tile. Below the ``root`` no symbolic link is followed."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._last = 0.0

    def update(self, done: int, total: int, unit: str) -> None:
        """Say that ``done`` of ``total`` units (such as ``tiles``) are finished."""
        now = time.monotonic()
        if now - self._last >= _INTERVAL_S:
            self._last = now
            content = json.dumps({"done": done, "total": total, "unit": unit})
            write_whole(self._path, content.encode(), self._root)
