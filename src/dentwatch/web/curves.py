"""What a model version gains and loses with its thresholds: precision against recall, as the loop has measured it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup

from dentwatch.errors import DataError, DatasetError
from dentwatch.loop import evaluations
from dentwatch.records.annotations import Split
from dentwatch.records.model_bundle import ModelSpec
from dentwatch.settings import Settings
from dentwatch.training.evaluation.charts import Axis, Series, line_chart
from dentwatch.training.evaluation.result import RESULT_NAME, EvaluationResult

_DATASETS = 20  # the newest, on which it may have been measured
_SPLITS: tuple[Split, ...] = ("test", "val")
_ALL, _IOU = "all", 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """The operating points of a label ("all" for one threshold over all), by falling score."""

    label: str
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """The lines of a model version over ``photos`` photos of a dataset version; ``beside`` is another model's for all.

    A detection is right from an IoU of 0.5.
    """

    dataset_version: str
    split: str
    photos: int
    lines: tuple[Line, ...]
    beside_name: str
    beside: Line | None

    def drawing(self) -> Markup:
        """Them as a chart."""
        shown = [
            Series("all damage" if one.label == _ALL else one.label, one.recall, one.precision, colour)
            for colour, one in enumerate(self.lines)
        ]
        if self.beside is not None:
            other = self.beside
            shown.append(Series(f"all damage, {self.beside_name}", other.recall, other.precision, 5, dashed=True))
        title = "Precision against recall, by label"
        return line_chart(shown, Axis("Recall: damages that are found"), Axis("Precision"), title=title)


def measured(settings: Settings, name: str, spec: ModelSpec, beside: tuple[str, ModelSpec] | None) -> Curves | None:
    """The curves of the model ``name``, on the newest dataset version on which the loop has measured it.

    ``beside`` is the model to show with it, where it was measured on the same photos. None where none was.
    """
    for dataset_version, split in _places(settings):
        lines = _lines(settings, name, spec, spec.labels, dataset_version, split)
        if lines is None:
            continue
        photos, of_model = lines
        other = None
        if beside is not None and beside[0] != name:
            found = _lines(settings, *beside, spec.labels, dataset_version, split)
            other = None if found is None else next((one for one in found[1] if one.label == _ALL), None)
        return Curves(dataset_version, split, photos, of_model, beside[0] if beside else "", other)
    return None


def _places(settings: Settings) -> Iterator[tuple[str, Split]]:
    from dentwatch.records.datasets import DatasetStore  # pyarrow comes with it, which not every worker needs

    try:
        newest = DatasetStore(settings.dataset_store_url).newest(_DATASETS)
    except DatasetError:
        return
    yield from ((info.id, split) for info in newest for split in _SPLITS)


def _lines(
    settings: Settings, name: str, spec: ModelSpec, labels: tuple[str, ...], dataset_version: str, split: Split
) -> tuple[int, tuple[Line, ...]] | None:
    folder = evaluations.folder_of(settings.home, name, spec, labels, dataset_version, split)
    try:
        changed = (folder / RESULT_NAME).stat().st_mtime_ns
        return _read(folder, changed)
    except (OSError, DataError):  # not measured, or just being written
        return None


@lru_cache(maxsize=16)
def _read(folder: Path, _changed: int) -> tuple[int, tuple[Line, ...]]:
    result = EvaluationResult.load(folder / RESULT_NAME)
    return result.dataset.photos, tuple(_line(result, label) for label in (_ALL, *result.labels))


def _line(result: EvaluationResult, label: str) -> Line:
    curve = result.curves[f"{label}@{_IOU}"]
    return Line(label, _rounded(curve.recall), _rounded(curve.precision))


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
