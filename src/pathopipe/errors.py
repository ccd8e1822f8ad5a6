"""The four ways in which work can fail, and what each means for the run.

A refusal stops everything before it starts. A rejection is data: the slide's content cannot be used, the
cohort goes on. A fault is a broken machine, file system or program: it is retried and never replaces finished results.
"""


class PathopipeError(Exception):
    """Base of all errors whose message is meant for the user: one sentence, what is wrong, where, and what to do."""


class RefusalError(PathopipeError, ValueError):
    """The request is wrong (settings, sample sheet, arguments): nothing was started."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SlideRejectedError(PathopipeError, ValueError):
    """The content of a slide cannot be analyzed (unreadable, no mpp, no tissue, not brightfield).

    Attributes
    ----------
    details
        What is known of the slide all the same, for the manifest.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.details: dict[str, object] = {}


class FaultError(PathopipeError, RuntimeError):
    """The machine, the file system or the program failed: the same command goes on after the repair."""


class ArtifactError(FaultError):
    """A file in the results folder is missing, damaged or of another contract version."""
