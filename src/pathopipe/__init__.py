"""Whole-slide pathology images to graded, auditable reports. For research use only."""


def __getattr__(name: str) -> str:
    """Look up ``__version__`` when it is asked for: reading the installation's metadata takes its time."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pathopipe")
    raise AttributeError(name)
