"""Moments and days as requests give them."""

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator


def _written(value: object) -> object:
    """Refuse numbers, which pydantic takes for seconds since 1970: whoever wrote ``2026`` meant a year."""
    if isinstance(value, int | float) or (
        isinstance(value, str) and value.strip().lstrip("+-").replace(".", "").isdigit()
    ):
        raise ValueError("a day is written as in 2026-11-01, a moment as in 2026-11-01T10:00:00+02:00")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
"""A date and time with time zone (RFC 3339)."""

Day = Annotated[date, BeforeValidator(_written)]
"""A date (RFC 3339)."""
