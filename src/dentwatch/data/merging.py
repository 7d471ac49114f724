"""Make one row of all that is known about one photo: the row it has, and the copies that came in."""

from collections import Counter
from typing import Any

from dentwatch.records.canonical import canonical_text

Plain = dict[str, Any]

_SAME_WITHIN = 0.5  # pixels: formats round coordinates, YOLO to six decimals of the side


def preferred_first(copies: list[Plain]) -> list[Plain]:
    """The copies of one photo, in an order that does not depend on the order they came in.

    Annotated ones first, of these the ones that most others agree with, then those whose vehicle is known.
    """
    said = Counter(str(copy["annotations"]) for copy in copies if copy["annotated"])

    def preference(copy: Plain) -> tuple[bool, int, bool, str]:
        agreeing = said[str(copy["annotations"])]
        return not copy["annotated"], -agreeing, "vehicle_unknown" in copy["notes"], canonical_text(copy)

    return sorted(copies, key=preference)


def merge(row: Plain, candidate: Plain, *, adds: bool, update: bool) -> Plain | None:
    """The row with what another copy of the photo says as well; None where the two contradict each other.

    A copy that nobody annotated says nothing; a row that nobody annotated takes what the copy says. Of two sets of
    annotations the larger stands if it covers the smaller. ``adds``: the copy's annotations were set aside before and
    belong beside those of the row. ``update``: the copy's annotations stand in any case. The vehicle, the split and
    the name stay the row's.
    """
    merged = {**row, **{name: row[name] or candidate[name] for name in ("split", "licence", "consent")}}
    if not candidate["annotated"]:
        return merged
    old, new = row["annotations"], candidate["annotations"]
    if not row["annotated"] or update:
        annotations = old + [item for item in new if not _in(item, old)] if adds else new
    elif adds:
        annotations = old + [item for item in new if not _in(item, old)]
    elif _covers(old, new) and bool(old) == bool(new):
        annotations = old
    elif _covers(new, old) and old:
        annotations = new
    else:
        return None
    if annotations is old:
        return merged
    notes = set(row["notes"]) | set(candidate["notes"]) - {"vehicle_unknown"}
    annotations = sorted(annotations, key=canonical_text)
    return {**merged, "annotated": True, "annotations": annotations, "notes": sorted(notes)}


def _covers(larger: list[Plain], smaller: list[Plain]) -> bool:
    return all(_in(item, larger) for item in smaller)


def _in(item: Plain, others: list[Plain]) -> bool:
    return any(_same(item, other) for other in others)


def _same(one: Plain, other: Plain) -> bool:
    near = all(abs(one[side] - other[side]) <= _SAME_WITHIN for side in ("x", "y", "width", "height"))
    return near and bool(one["label"] == other["label"])
