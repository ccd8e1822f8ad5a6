"""Which blocks of a slide could not be decoded."""

import threading

from pathopipe.slide.backend import BLOCK, Level


class Damage:
    """Collects damaged blocks; may be shared by threads, whose order changes nothing."""

    def __init__(self, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self._blocks: set[tuple[int, int, int]] = set()
        self._lock = threading.Lock()

    def add(self, level: int, bx: int, by: int) -> None:
        """Remember the block of column ``bx`` and row ``by``."""
        with self._lock:
            self._blocks.add((level, bx, by))

    @property
    def blocks(self) -> frozenset[tuple[int, int, int]]:
        """Level, column and row of each block."""
        with self._lock:
            return frozenset(self._blocks)

    @property
    def area_px(self) -> float:
        """Area of the blocks' union in level-0 pixels."""
        blocks = self.blocks
        if not blocks:
            return 0.0
        import shapely

        return float(shapely.union_all([shapely.box(*self._corners(*block)) for block in blocks]).area)

    @property
    def sentence(self) -> str | None:
        """Where the first block lies, for the user; None when there is none."""
        if not (blocks := self.blocks):
            return None
        first = min(blocks)
        x, y, *_ = self._corners(*first)
        return (
            f"the file is damaged: its level of downsample {self._levels[first[0]].downsample:g} cannot be decoded at "
            f"level-0 pixel ({x:.0f}, {y:.0f}): copy or export it again"
        )

    def _corners(self, level: int, bx: int, by: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in level-0 pixels."""
        size = self._levels[level]
        left, top = bx * BLOCK, by * BLOCK
        right, bottom = min(left + BLOCK, size.width), min(top + BLOCK, size.height)
        return left * size.downsample, top * size.downsample, right * size.downsample, bottom * size.downsample
