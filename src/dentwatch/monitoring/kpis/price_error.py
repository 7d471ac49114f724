"""By how much wrong and missed detections distorted the price effect of inspections that people gave verdicts on.

A price line is wrong where every detection of its label in its photos was found to be wrong; its expected amount was
then too much. A missed damage should have cost the middle of the range that the answer itself names for its label. The
error is the absolute difference of the two sums; an inspection without a price effect, or with a missed damage of a
label whose range the answer does not name, has none.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from dentwatch.records import tables

Verdict = Row[Any]
"""A verdict that counts, with label (``detected``) and photo (``place``) of the detection that it is on."""


def of_inspections(
    connection: Connection, verdicts: Mapping[str, Sequence[Verdict]]
) -> dict[str, Counter[tuple[str, str]]]:
    """By inspection: error, its square and the number 1, under measure and currency; in hundredths of the currency.

    ``verdicts`` are those that count, by inspection.
    """
    rows, detections = tables.inspections, tables.detections
    effects: dict[str, Any] = {
        row.id: (row.answer or {}).get("price_effect")
        for row in connection.execute(select(rows.c.id, rows.c.answer).where(rows.c.id.in_(list(verdicts))))
    }
    said: dict[str, dict[tuple[str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in connection.execute(select(detections).where(detections.c.inspection_id.in_(list(verdicts)))):
        said[row.inspection_id][row.label, row.position].append(row.id)
    found = {}
    for inspection_id, effect in effects.items():
        error = _error(effect, verdicts[inspection_id], said[inspection_id]) if effect else None
        if error is not None:
            values = {"price_error": error, "price_error_squared": error**2, "price_errors": 1}
            found[inspection_id] = Counter({(name, effect["currency"]): value for name, value in values.items()})
    return found


def _error(
    effect: Mapping[str, Any], verdicts: Sequence[Verdict], said: Mapping[tuple[str, int], Sequence[str]]
) -> int | None:
    if effect["expected"] is None:
        return None
    wrong = {row.detection_id for row in verdicts if row.verdict == "wrong"}
    too_much: float = 0
    for line in effect["lines"]:
        seen = [one for photo in line["photos"] for one in said.get((line["label"], photo), ())]
        if seen and wrong.issuperset(seen):
            too_much += line["expected"]
    costs: dict[str, float] = {one["label"]: (one["low"] + one["high"]) / 2 for one in effect["missed"]}
    missed = [row.label for row in verdicts if row.verdict == "missed"]
    if not costs.keys() >= set(missed):
        return None
    return round(100 * abs(too_much - sum(costs[label] for label in missed)))
