"""How numbers are written for people."""

import math

DASH = "–"
THIN_SPACE = "\u202f"
MINUS = "\u2212"


def number(value: float | None, digits: int = 3) -> str:
    """Write ``value`` with ``digits`` significant digits, thousands apart, no exponent; a dash where there is none.

    Digits before the decimal point are never rounded away: 3,499 nuclei stay 3,499.
    """
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def fixed(value: float, decimals: int) -> str:
    """Write ``value`` with so many digits after the point, thousands apart, and without a sign where it is zero."""
    text = f"{abs(value):,.{decimals}f}"
    is_zero = not any(character in "123456789" for character in text)
    return text if value > 0 or is_zero else MINUS + text


def count(value: float | None) -> str:
    """Write a whole number, thousands apart."""
    return DASH if value is None or not math.isfinite(value) else number(round(value), 1)


def percent(share: float | None) -> str:
    """Write a share (0 to 1) in percent; small ones are not rounded to nothing, large ones not to everything."""
    if share is None or not math.isfinite(share):
        return DASH
    hundredths = 100 * share
    if 0 < hundredths < 1:
        return "<1%"
    if 99 < hundredths < 100:
        return ">99%"
    return f"{hundredths:.0f}%"


def quantity(value: float | None, unit: str | None, digits: int = 3) -> str:
    """Write a number with its unit."""
    text = number(value, digits)
    return text if not unit or text == DASH else f"{text}{THIN_SPACE}{unit}"


def sentence(words: str) -> str:
    """Begin with a capital letter and end with a period."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) or not words else ".")


def anything(value: object) -> str:
    """Write a value of whatever kind a JSON file may hold, numbers in full: for settings and counts."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, 1) if math.isfinite(value) and value == int(value) else f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(anything(item) for item in value) or DASH
    if isinstance(value, dict):
        return ", ".join(f"{key}: {anything(value[key])}" for key in sorted(value)) or DASH
    return str(value)
