"""How counts and durations are said on a terminal."""


def duration(seconds: float) -> str:
    """Say how long something takes, to the minute."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours:,} h {minutes} min" if hours else f"about {minutes} min" if minutes else "less than a minute"


def counted(count: int, what: str = "slide") -> str:
    """Say how many there are of something."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def list_counts(counts: dict[str, int | float]) -> str:
    """Say counts with what they count, without those that are zero."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
