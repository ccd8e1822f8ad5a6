"""Which pieces of a slide could not be decoded."""

import threading

from pathopipe.slide.backend import PIECE, Level


class Damage:
    """Collects damaged pieces; may be shared by threads, whose order changes nothing."""

    def __init__(self, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self._pieces: set[tuple[int, int, int]] = set()
        self._lock = threading.Lock()

    def add(self, level: int, px: int, py: int) -> None:
        """Remember the piece of column ``px`` and row ``py``."""
        with self._lock:
            self._pieces.add((level, px, py))

    @property
    def pieces(self) -> frozenset[tuple[int, int, int]]:
        """Level, column and row of each piece."""
        with self._lock:
            return frozenset(self._pieces)

    @property
    def area_px(self) -> float:
        """Area of the pieces' union in level-0 pixels."""
        pieces = self.pieces
        if not pieces:
            return 0.0
        import shapely

        return float(shapely.union_all([shapely.box(*self._corners(*piece)) for piece in pieces]).area)

    @property
    def sentence(self) -> str | None:
        """Where the first piece lies, for the user; None when there is none."""
        if not (pieces := self.pieces):
            return None
        first = min(pieces)
        x, y, *_ = self._corners(*first)
        return (
            f"the file is damaged: its level of downsample {self._levels[first[0]].downsample:g} cannot be decoded at "
            f"level-0 pixel ({x:.0f}, {y:.0f}): copy or export it again"
        )

    def _corners(self, level: int, px: int, py: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in level-0 pixels."""
        size = self._levels[level]
        left, top = px * PIECE, py * PIECE
        right, bottom = min(left + PIECE, size.width), min(top + PIECE, size.height)
        return left * size.downsample, top * size.downsample, right * size.downsample, bottom * size.downsample
