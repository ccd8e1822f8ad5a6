"""``python -m pathopipe``."""

from pathopipe.cli import main

main()
