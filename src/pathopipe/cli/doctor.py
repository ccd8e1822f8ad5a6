"""``pathopipe doctor``: what is installed, and what is missing."""

import importlib
import os
import platform
import shutil
import sys
from importlib import metadata

import click

from pathopipe.cli.options import examples

_LIBRARIES = (
    "numpy",
    "numba",
    "opencv-python-headless",
    "openvino",
    "pyarrow",
    "scipy",
    "shapely",
    "snakemake",
    "zarr",
)
_READERS = {
    "openslide": ("SVS, NDPI, MRXS, SCN, VMS, BIF, DICOM, generic TIFF", "pip install openslide-python openslide-bin"),
    "tifffile": ("OME-TIFF, plain TIFF", "pip install tifffile"),
    "imagecodecs": ("JPEG, JPEG 2000, LZW and other compressions of TIFF", "pip install imagecodecs"),
    "PIL": ("PNG and JPEG fields of view", "pip install pillow"),
}
_LEAST_FREE_GB = 5


@click.command(epilog=examples("pathopipe doctor"))
def doctor() -> None:
    """Show what is installed, which slides can be read, and what is missing; exits with 1 when something is."""
    from pathopipe import __version__

    click.echo(f"pathopipe {__version__}, Python {platform.python_version()}, {platform.platform()}")
    problems = [*_libraries(), *_readers(), *_machine(), *_workflow()]
    click.echo("")
    for problem in problems:
        click.echo(f"missing: {problem}")
    click.echo("something is missing" if problems else "everything that a run needs is installed")
    sys.exit(1 if problems else 0)


def _line(name: str, value: str) -> None:
    click.echo(f"  {name:<24} {value}")


def _libraries() -> list[str]:
    click.echo("\nlibraries")
    problems = []
    for name in _LIBRARIES:
        try:
            _line(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            _line(name, "not installed")
            problems.append(f"the library {name}: pip install {name}")
    return problems


def _readers() -> list[str]:
    click.echo("\nreaders")
    problems = []
    for module, (formats, remedy) in _READERS.items():
        try:
            importlib.import_module(module)
            _line(module, formats)
        except (ImportError, OSError) as error:
            _line(module, f"does not load: {error}")
            problems.append(f"the reader for {formats}: {remedy}")
    return problems


def _machine() -> list[str]:
    click.echo("\nmachine")
    _line("cores", str(os.cpu_count()))
    free_gb = shutil.disk_usage(".").free / 1e9
    _line("free disk space here", f"{free_gb:.0f} GB")
    _line("GPU", _gpu())
    _line("torch", _torch())
    return [f"disk space: less than {_LEAST_FREE_GB} GB are free in this folder"] if free_gb < _LEAST_FREE_GB else []


def _gpu() -> str:
    from pathopipe.models.engines import has_gpu

    if not has_gpu():
        return "none usable; networks run on the processor"
    import torch

    return str(torch.cuda.get_device_name())


def _torch() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "not installed; only training and GPUs need it: pip install 'pathopipe[train]'"


def _workflow() -> list[str]:
    from pathopipe.provenance import workflow_folder

    click.echo("\nworkflow")
    try:
        workflow_folder()
        _line("Snakefile", "found")
    except StopIteration:
        _line("Snakefile", "not found")
        return ["the workflow: install pathopipe again"]
    return []
