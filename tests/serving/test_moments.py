"""A moment is written out; a number is none."""

import pytest
from pydantic import TypeAdapter, ValidationError

from dentwatch.serving.moments import Day, Moment

MOMENT: TypeAdapter[object] = TypeAdapter(Moment)
DAY: TypeAdapter[object] = TypeAdapter(Day)


@pytest.mark.parametrize("written", ["2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00Z", "2026-11-01 08:00Z"])
def test_a_date_and_time_with_zone_is_a_moment(written: str) -> None:
    assert MOMENT.validate_python(written)


@pytest.mark.parametrize("given", [0, 0.5, "0.5", "2026", "-7", " 1e9 ", True, "2026-11-01T10:00:00", "yesterday", ""])
def test_a_number_or_a_time_without_zone_is_none(given: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(given)


@pytest.mark.parametrize("given", [0, "0", "2026", "20261101", "yesterday", ""])
def test_a_number_is_no_day(given: object) -> None:
    with pytest.raises(ValidationError):
        DAY.validate_python(given)
    assert DAY.validate_python("2026-11-01")
