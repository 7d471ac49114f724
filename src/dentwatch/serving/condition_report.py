"""The condition report: an inspection as a PDF that a dealer can hand to a buyer.

Typst sets it (https://typst.app; the compiler and its fonts come with the package), from the template
``condition_report.typ`` and a document of JSON. Whatever a client wrote, names of photos and vehicles, is data in that
document and never markup. The same input gives the same bytes. The PDF is tagged and, as far as its fonts have every
character, conforms to PDF/UA-1 (ISO 14289-1).
"""

import json
import tempfile
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from dentwatch.errors import DataError
from dentwatch.serving.drawing import COLOURS
from dentwatch.serving.report_input import CostRange, ReportDamage, ReportInput, ReportPhoto, ReportPrice
from dentwatch.serving.report_pictures import Picture, picture
from dentwatch.serving.typesetting import typeset

_TEMPLATE = "condition_report.typ"
_SEVERITIES = ("minor", "moderate", "severe")  # the columns of the summary; others follow as they come
_LONGEST_TEXT = 300  # characters of a name or sentence that are shown
_UNRATED = "not rated"
_GREY = "#8a949e"
_DASH, _TIMES, _THIN = "\u2013", "\u00d7", "\u202f"


def render(report: ReportInput, max_pixels: int = 100_000_000) -> bytes:
    """The report as a PDF, A4.

    Photos are read one after the other and shrunk, so that memory does not grow with them; one that would decode to
    more than ``max_pixels`` is not shown.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _Document(report, max_pixels, folder).write()
        return typeset(folder / _TEMPLATE)


class _Document:
    """What the template reads, in ``folder``: ``report.json`` and the pictures it names."""

    def __init__(self, report: ReportInput, max_pixels: int, folder: Path) -> None:
        self._report = report
        self._max_pixels = max_pixels
        self._folder = folder
        self._numbers: dict[object, int] = {}  # of a damage of the car, by its group or place in the report
        self._first_photo: dict[int, int] = {}  # the photo in which the damage with this number was first seen
        self._counted: list[ReportDamage] = []

    def write(self) -> None:
        """Write the template and everything it reads."""
        template = resources.files("dentwatch.serving").joinpath(_TEMPLATE).read_bytes()
        (self._folder / _TEMPLATE).write_bytes(template)
        document = json.dumps(_clean(self._content()), ensure_ascii=False)
        (self._folder / "report.json").write_text(document, encoding="utf-8")

    def _content(self) -> dict[str, Any]:
        report = self._report
        photos = [self._photo(number, photo) for number, photo in enumerate(report.photos, 1)]
        readable = [photo for photo in report.photos if photo.error is None]
        return {
            "vehicle": report.vehicle_id,
            "made": list(report.created_at.astimezone(UTC).timetuple()[:6]),
            "version": report.dentwatch_version,
            "inspection": report.inspection_id,
            "facts": list(self._facts()),
            "summary": self._summary(),
            "damages": len(self._counted),
            "sightings": sum(len(photo.damages) for photo in report.photos),
            "photos_total": len(photos),
            "photos_judged": sum(not photo.warnings for photo in readable),
            "price": _price(report.price),
            "accuracy": self._accuracy(),
            "photos": photos,
            "hashes": [[str(n), photo.name, photo.photo_id] for n, photo in enumerate(report.photos, 1)],
        }

    def _facts(self) -> Iterator[tuple[str, str]]:
        report = self._report
        yield "Vehicle", report.vehicle_id or "not named"
        if report.listing_id:
            yield "Listing", report.listing_id
        yield "Inspected", _moment(report.created_at)
        if report.captured_at:
            yield "Photos taken", _moment(report.captured_at)
        yield "Inspection", report.inspection_id
        yield "Model", report.model
        if report.price:
            yield "Price table", report.price.table
        yield "Dentwatch", report.dentwatch_version

    def _summary(self) -> dict[str, Any]:
        """Damages of the car by label and severity, each counted once."""
        given = [damage.severity or _UNRATED for damage in self._counted]
        severities = [*(one for one in _SEVERITIES if one in given), *sorted({*given} - {*_SEVERITIES})]
        rows = []
        for label in dict.fromkeys(damage.label for damage in self._counted):
            found = [one for one, damage in zip(given, self._counted, strict=True) if damage.label == label]
            rows.append([_name(label), *(found.count(one) for one in severities), len(found)])
        return {"severities": [_name(one) for one in severities], "rows": rows}

    def _accuracy(self) -> dict[str, Any] | None:
        accuracy = self._report.accuracy
        if accuracy is None:
            return None
        rows = [
            [
                one.name,
                _percent(one.value),
                "" if low is None or high is None else f"{_percent(low)} {_DASH} {_percent(high)}",
            ]
            for one in accuracy.figures
            for low, high in [(one.low, one.high)]
        ]
        return {"measured_on": accuracy.measured_on, "rows": rows}

    def _photo(self, number: int, photo: ReportPhoto) -> dict[str, Any]:
        damages = [self._damage(number, place, damage) for place, damage in enumerate(photo.damages)]
        shown: dict[str, Any] = {
            "number": number,
            "name": photo.name,
            "size": f"{photo.width} {_TIMES} {photo.height} px" if photo.width else None,
            "warnings": photo.warnings,
            "error": photo.error,
            "missing": None,
            "picture": None,
            "damages": damages,
        }
        if photo.error is not None:
            return shown
        try:
            pictures = picture(photo.read(), photo.damages, self._max_pixels)
        except DataError as error:
            return {**shown, "missing": error.message}
        shown["picture"] = self._keep(f"photo-{number}.jpg", pictures.photo)
        for damage, crop in zip(damages, pictures.crops, strict=True):
            damage["crop"] = self._keep(f"photo-{number}-{damage['place']}.jpg", crop)
        return shown

    def _damage(self, photo_number: int, place: int, damage: ReportDamage) -> dict[str, Any]:
        key = (photo_number, place) if damage.group is None else damage.group
        is_new = key not in self._numbers
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        if is_new:
            self._counted.append(damage)
            self._first_photo[number] = photo_number
        photo = self._report.photos[photo_number - 1]
        return {
            "number": number,
            "place": place,
            "label": _name(damage.label),
            "severity": damage.severity,
            "severity_note": _sentence(damage.severity_note),
            "size": f"{damage.width:.0f} {_TIMES} {damage.height:.0f} px",
            "share": _share(damage, photo),
            "confidence": _confidence(damage.score),
            "cost": self._cost(damage.cost) if is_new else None,
            "repeats": None if is_new else self._first_photo[number],
            "colour": "#{:02x}{:02x}{:02x}".format(*COLOURS[damage.label]) if damage.label in COLOURS else _GREY,
            "crop": None,
        }

    def _cost(self, cost: CostRange | None) -> str | None:
        price = self._report.price
        return None if cost is None or price is None else _span(price, cost.low, cost.high)

    def _keep(self, path: str, made: Picture) -> dict[str, Any]:
        (self._folder / path).write_bytes(made.jpeg)
        return {"path": path, "aspect": made.aspect, "boxes": made.boxes}


def _price(price: ReportPrice | None) -> dict[str, Any] | None:
    if price is None:
        return None
    known = price.low is not None and price.high is not None
    return {
        "span": _span(price, price.low or 0, price.high or 0) if known else None,
        "expected": None if price.expected is None else _amount(price, price.expected),
        "level": _percent(price.level),
        "table": price.table,
        "note": price.note,
    }


def _span(price: ReportPrice, low: float, high: float) -> str:
    first, last = (f"{value:,.{price.digits}f}".replace(",", _THIN) for value in (low, high))
    if first == last:
        return f"{price.currency} {first}"
    return f"{price.currency} {first} {_DASH} {last}"


def _amount(price: ReportPrice, value: float) -> str:
    return _span(price, value, value)


def _share(damage: ReportDamage, photo: ReportPhoto) -> str | None:
    if not photo.width or not photo.height:
        return None
    return _percent(damage.width * damage.height / (photo.width * photo.height))


def _confidence(score: float) -> str:
    word = "high" if score >= 0.7 else "medium" if score >= 0.4 else "low"
    return f"{word} ({_percent(score)})"


def _percent(share: float) -> str:
    """A share in [0, 1] with two digits that say something; never 0 for what is more than nothing."""
    if share >= 0.1 or share == 0:
        return f"{share:.0%}".replace("%", f"{_THIN}%")
    return f"{share:.1%}".replace("%", f"{_THIN}%") if share >= 0.001 else f"under 0.1{_THIN}%"


def _sentence(text: str | None) -> str | None:
    if not text:
        return None
    return f"{text[0].upper()}{text[1:]}" if text.endswith(".") else f"{text[0].upper()}{text[1:]}."


def _name(label: str) -> str:
    return label.replace("_", " ").capitalize()


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%d %B %Y, %H:%M} UTC".lstrip("0")


def _clean(value: Any) -> Any:
    """Text without what nobody sees: control characters, which JSON or a page cannot hold, and bidirectional marks,
    which make text look like another. Long text is cut.
    """
    if isinstance(value, str):
        visible = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in value)
        text = " ".join(visible.split(" ")).strip()
        return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value
