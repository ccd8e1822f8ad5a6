"""The command line: quick to answer, because everything is imported only when it is needed."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, in a warm process where there is one; exit code 0: done, 1: a fault, 2: a refusal."""
    from pathopipe.cli.surroundings import prepare
    from pathopipe.running.warm import ask

    prepare(arguments)
    if arguments is None and (code := ask()) is not None:
        sys.exit(code)
    from pathopipe.cli.app import call

    call(arguments)
