"""Registered model versions as MLflow sees them: ``mlflow.pyfunc.load_model("models:/dentwatch@champion")``.

MLflow imports this module and hands it the bundle's folder, so a version is read as ONNX and JSON and nothing is
unpickled. ``predict`` takes photos as a list, or as the one column of a data frame; each is

- ``bytes``: the photo itself;
- ``str``, or bytes of it: the photo in Base64, as JSON carries it to ``mlflow models serve``;
- ``pathlib.Path``: a file. Text is never taken for a path: a scoring server would read its own files for anybody.

It answers one dictionary per photo: ``{"detections": [{"label", "score", "x", "y", "width", "height"}, …]}`` in pixels
of the upright original, best score first, or ``{"error": "…"}``; a bad photo does not spoil the others.
"""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dentwatch import settings
from dentwatch.errors import PhotoError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.answers import PhotoFailure
from dentwatch.serving.inspection import Inspector, Photo


class PhotoModel:
    """A model version behind MLflow's ``predict``; raises :class:`dentwatch.errors.ModelError` when it cannot load."""

    def __init__(self, bundle: ModelBundle) -> None:
        active = settings.load()
        self._inspector = Inspector(bundle, threads=active.serving.threads, max_pixels=active.serving.max_pixels)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """One answer per photo of ``data``, in its order; see the module.

        ``params["min_score"]``: the lowest score answered, default the model's operating thresholds.
        """
        min_score = (params or {}).get("min_score")
        photos = [_photo(index, item) for index, item in enumerate(_items(data))]
        return [
            {"error": answer.error}
            if isinstance(answer, PhotoFailure)
            else {"detections": [detection.model_dump() for detection in answer.detections]}
            for answer in self._inspector.inspect(photos, min_score)
        ]


def _load_pyfunc(folder: str) -> PhotoModel:
    """What MLflow calls with the folder of the version's files."""
    return PhotoModel(ModelBundle.load(Path(folder)))


def _items(data: Any) -> Iterable[Any]:
    """The photos in what MLflow hands over: the one column of a data frame, or what was given."""
    if hasattr(data, "columns"):
        if len(data.columns) != 1:
            raise ValueError(f"photos must come in one column, not {len(data.columns)}: {list(data.columns)}")
        return list(data.iloc[:, 0])
    return [data] if isinstance(data, bytes | str | Path) else data


def _photo(index: int, item: Any) -> Photo:
    return Photo(str(item) if isinstance(item, Path) else f"photo {index}", lambda: _bytes(item))


def _bytes(item: Any) -> bytes:
    if isinstance(item, bytes | bytearray | memoryview):
        # MLflow hands over the text of {"inputs": ["…"]} as bytes; no photo consists of Base64 characters alone.
        return _from_base64(bytes(item)) or bytes(item)
    if isinstance(item, Path):
        try:
            return item.read_bytes()
        except OSError as error:
            raise PhotoError("not_found", f"{item} cannot be read: {error.strerror}.") from error
    wanted = "Give bytes, Base64, or a pathlib.Path."
    if not isinstance(item, str):
        raise PhotoError("not_an_image", f"A {type(item).__name__} is no photo.", wanted)
    data = _from_base64(item)
    if data is None:
        raise PhotoError("not_an_image", "The text is no photo in Base64.", wanted)
    return data


def _from_base64(text: str | bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
