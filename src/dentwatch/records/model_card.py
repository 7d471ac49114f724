"""Model cards: what a model is for, what it cannot do, and the figures that say so.

The sections are those of Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), as far as they apply to a
model that looks at cars. Every figure comes from the evaluation that is passed in; nothing is filled in by hand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dentwatch.records.consents import in_words
from dentwatch.records.model_bundle import ModelSpec

if TYPE_CHECKING:
    from dentwatch.records.dataset_info import DatasetInfo

INTENDED_USE: tuple[str, ...] = (
    "Pointing out likely scratches and dents in ordinary daylight photos of passenger cars, so that a person or a "
    "price estimate can take them into account.",
    "Putting photos in order for an inspector: what the model is sure of first.",
)

LIMITS: tuple[str, ...] = (
    "It does not decide on its own: not about a price, an insurance claim, or whether a car is safe to drive.",
    "A photo without detections is no proof of a car without damage; the recall below says how much is missed.",
    "Reflections, dirt, water drops, stickers and panel gaps can look like damage, and small scratches like none.",
    "Photos taken at night, blurred ones, and damage other than its labels were not what it was made for, unless the "
    "figures below say otherwise.",
    "It says nothing about people or number plates in a photo, and must not be used to recognise them.",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of an evaluation and, where known, the ends of its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """As the card shows it: ``0.312 (0.270 – 0.355)``."""
        span = "" if self.low is None or self.high is None else f" ({self.low:.3f} – {self.high:.3f})"
        return f"{self.value:.3f}{span}"


def write_card(
    spec: ModelSpec,
    *,
    evaluation: Mapping[str, Mapping[str, Figure]] | None = None,
    data: "DatasetInfo | str | None" = None,
    command: str = "",
    intended_use: Sequence[str] = INTENDED_USE,
    limits: Sequence[str] = LIMITS,
    remarks: Sequence[str] = (),
) -> str:
    """The model card of ``spec`` in Markdown.

    ``evaluation`` maps a split (``val``, ``test``) to its figures by name; without it the card says that nothing was
    measured. ``data`` is what the dataset version holds, or a description where there is no dataset version.
    ``command`` is the command line that made the model, ``remarks`` what a reader of this one model should know.
    """
    sections = [
        _title(spec),
        _section("What it is for", _bullets(intended_use)),
        _section("What it cannot do", _bullets([*limits, *remarks])),
        _section("Data", _data(spec, data)),
        _section("Figures", _figures(evaluation)),
        _section("Thresholds", _thresholds(spec)),
        _section(
            "Licences and sources",
            _table(("What", "Licence", "Source"), ((r.name, r.licence, r.source) for r in spec.rights)),
        ),
        _section("How it was made", _making(spec, command)),
    ]
    return "\n\n".join(sections) + "\n"


def _title(spec: ModelSpec) -> str:
    side, stride = spec.preprocessing.input_size, spec.preprocessing.stride
    shorter = f", or to fewer on the shorter side, a multiple of {stride}" if stride else ""
    return (
        f"# {spec.kind}, {side} px\n\n"
        f"A detector of {_listed(spec.labels)} in photos of cars. It was made on {spec.created_at[:10]} by Dentwatch "
        f"{spec.dentwatch_version}; photos are letterboxed to {side} × {side} pixels{shorter}."
    )


def _data(spec: ModelSpec, data: "DatasetInfo | str | None") -> str:
    if data is None or isinstance(data, str):
        return f"Dataset version `{spec.dataset_version}`. {data or ''}".strip()
    split_rows = (
        (split, f"{photos:,}", f"{data.vehicles_by_split.get(split, 0):,}", _counts(data.boxes_by_split.get(split, {})))
        for split, photos in sorted(data.photos_by_split.items())
    )
    return (
        f"Dataset version `{spec.dataset_version}`: {data.photos:,} photos of {data.vehicles:,} vehicles, "
        f"{data.annotated:,} of them annotated, {data.undamaged:,} of these without damage. Each vehicle is in one "
        f"split only. Sources: {_counts(data.sources)}. "
        f"Consents to the use of photos: {in_words(spec.consents) or 'not recorded'}.\n\n"
        f"{_table(('Split', 'Photos', 'Vehicles', 'Boxes'), split_rows)}"
    )


def _figures(evaluation: Mapping[str, Mapping[str, Figure]] | None) -> str:
    if not evaluation:
        return "This model was not evaluated: nothing is known about how well it does."
    splits = list(evaluation)
    names = list(dict.fromkeys(name for figures in evaluation.values() for name in figures))
    rows = (
        (name, *(str(evaluation[split][name]) if name in evaluation[split] else "–" for split in splits))
        for name in names
    )
    return (
        "In brackets: the 95 % interval, where one was computed.\n\n"
        + _table(("Figure", *splits), rows)
        + "\n\nThresholds are chosen on val, so the figures on val that depend on them are optimistic; test decides."
    )


def _thresholds(spec: ModelSpec) -> str:
    rows = ((label, f"{value:.3f}") for label, value in spec.thresholds.items())
    return (
        f"{_table(('Label', 'Lowest score that is answered'), rows)}\n\n"
        f"Of two boxes of one label that overlap by more than {spec.nms_iou:g} (IoU) the weaker is dropped; at most "
        f"{spec.max_detections} are answered per photo."
    )


def _making(spec: ModelSpec, command: str) -> str:
    parity = ", ".join(f"{name} {value:.2g}" for name, value in spec.parity.items())
    facts = (
        ("Command", f"`{command}`" if command else ""),
        ("Run", spec.run_id),
        ("Commit", spec.commit),
        ("Largest difference between the exported and the trained network", parity),
    )
    return _bullets(f"{name}: {value or 'not recorded'}" for name, value in facts)


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'unnamed'} {count:,}" for name, count in counts.items()) or "none"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
