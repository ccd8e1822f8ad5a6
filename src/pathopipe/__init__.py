"""Whole-slide pathology images to graded, auditable reports. For research use only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathopipe.results.reader import open_results as open_results


def __getattr__(name: str) -> Any:
    """Look up ``__version__`` and `open_results` when they are asked for: both take their time to load."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pathopipe")
    if name == "open_results":
        from pathopipe.results.reader import open_results

        return open_results
    raise AttributeError(f"module 'pathopipe' has no attribute '{name}'")
