"""A labeled value on a page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """A labeled value, ready to read, with a note where it needs one."""

    label: str
    value: str
    note: str = ""
