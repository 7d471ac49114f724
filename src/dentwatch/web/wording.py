"""Figures and moments as people read them; templates use these as filters."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

NOTHING = "–"

_CONFIDENCE = ((0.8, "Very likely"), (0.5, "Likely"), (0.3, "Possible"), (0.0, "Doubtful"))


def percent(share: float | None, digits: int = 0) -> str:
    """A share as per cent: ``0.123`` is ``12 %``."""
    return NOTHING if share is None else f"{share * 100:.{digits}f} %"


def number(value: float | None, digits: int = 0) -> str:
    """A number with thin spaces between thousands."""
    return NOTHING if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def short(value: float | None) -> str:
    """A number with three significant digits."""
    if value is None:
        return NOTHING
    return number(value) if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def money(value: float | None, currency: str) -> str:
    """An amount without cents."""
    return NOTHING if value is None else f"{number(value)}\u00a0{currency}"


def words(name: str) -> str:
    """A name of the records as words: ``too_dark`` is ``too dark``."""
    return name.replace("_", " ").replace("-", " ")


def brief(identity: str) -> str:
    """The first characters of a long id, which tell it apart from its neighbours."""
    return identity[:8]


def moment(value: datetime | str | None) -> Markup:
    """A point in time: UTC in the page's source, and in the reader's own time once the page's script has seen it."""
    if value is None:
        return escape(NOTHING)
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M UTC")
    )


def confidence(score: float) -> str:
    """How likely a score makes a damage sound."""
    return next(said for least, said in _CONFIDENCE if score >= least)


def counted(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 photo``, ``2 photos``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def without(query: Mapping[str, Any], *names: str, **instead: Any) -> str:
    """A query as it stands in an address, without some of its fields and with others ``instead``."""
    kept = {name: value for name, value in query.items() if value not in (None, "") and name not in names}
    plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kept.items()}
    return urlencode({**plain, **instead})


def prose(text: str) -> Markup:
    """A sentence in which what stands between backticks is to be typed as it stands."""
    parts = text.split("`")
    shown = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(shown)


FILTERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (percent, number, short, money, words, brief, moment, counted, prose, confidence, without)
}
