"""The three kinds of failure, and what each means for the run.

A refusal stops everything before it starts. A rejection is data: the slide's content cannot be used, the
cohort goes on. A fault is a broken machine, file system or program: it is retried and never replaces finished results.
"""

import os
from pathlib import Path


class PathopipeError(Exception):
    """Base of all errors whose message is meant for the user: one sentence, what is wrong, where, and what to do.

    Parameters
    ----------
    message
        The sentence; where it is about a file or folder, without that: "is damaged: copy it again".
    path
        What it is about: shown on a terminal, never written into an output, for paths may name patients.
    called
        What outputs call it.
    """

    def __init__(self, message: str, path: Path | None = None, called: str = "a file") -> None:
        super().__init__(message)
        self.message, self.path, self.called = message, path, called

    def __str__(self) -> str:
        """The whole message, for the terminal."""
        return self.message if self.path is None else f"{self.path}: {self.message}"

    @property
    def reason(self) -> str:
        """The sentence for outputs."""
        return self.message if self.path is None else f"{self.called}: {self.message}"


class RefusalError(PathopipeError, ValueError):
    """The request is wrong (settings, sample sheet, arguments): nothing was started.

    Several problems are a line each; of those, each names its own file.
    """

    def __init__(self, *problems: str, path: Path | None = None, called: str = "a file") -> None:
        super().__init__("\n".join(problems), path, called)
        self.problems = (str(self),) if path else problems


class SlideRejectedError(PathopipeError, ValueError):
    """The content of a slide cannot be analyzed (unreadable, no mpp, no tissue, not brightfield).

    Attributes
    ----------
    details
        What is known of the slide anyway, for the manifest.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)  # is written to outputs: of no file
        self.details: dict[str, object] = {}


class FaultError(PathopipeError, RuntimeError):
    """The machine, the file system or the program failed: the same command continues after the repair."""


class ArtifactError(FaultError):
    """A file in the results folder is missing, damaged or of another contract version."""


def cause(error: OSError) -> str:
    """The reason given by the operating system, without the path that some libraries add to it."""
    return os.strerror(error.errno) if error.errno else type(error).__name__
