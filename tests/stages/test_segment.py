"""Stage segment: what is not seen in its table."""

import subprocess
import sys

# In a process of its own: in this one the code may be loaded.
LOADED = """
import numpy as np
from pathopipe import jit
from pathopipe.ops import outline, path_costs, shape, wkb
from pathopipe.ops.workspace import Workspace
from pathopipe.pipeline import SegmentSettings
from pathopipe.stages import segment
from pathopipe.units import Grid

def loaded():
    modules = (outline, path_costs, shape, wkb)
    kernels = {name: value for module in modules for name, value in vars(module).items()}
    kernels = {name: value._compiled for name, value in kernels.items() if isinstance(value, jit._Kernel)}
    return {name: len(compiled.signatures) for name, compiled in kernels.items() if compiled}

grid = Grid(width=300, height=200, factor_x=1.0, factor_y=1.0, mpp_x=0.25, mpp_y=0.25)
settings = segment.assign_settings(SegmentSettings(), grid)
segment._load_compiled(settings, grid)
before = loaded()

class Maps:
    height, width = 200, 300
    def read(self, names, y0, x0, y1, x1, workspace):
        images = {name: np.zeros((200, 300), np.uint8) for name in names}
        images["foreground"][50:90, 50:90] = 255
        images["foreground"][70, 70:80] = 0
        return images

seeds = segment._Seeds(np.array([60, 200], np.int32), np.array([60, 100], np.int32), np.ones(2, np.float32))
nuclei = segment.solid(segment._segment(Maps(), seeds, settings, (0, 0), Workspace()), 0.75)
assert len(segment._columns(nuclei, grid)["points"]) == 1
assert sum(before.values()) >= 6, before
assert loaded() == before, (before, loaded())
"""


def test_compiled_code_is_loaded_before_the_threads_need_it() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
