"""Registered models load through MLflow alone, without torch and without unpickling, and answer about photos."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from PIL import Image

from dentwatch import settings
from dentwatch.records.registry import Registry
from dentwatch.serving.pyfunc import PhotoModel, _load_pyfunc

_WITHOUT_TORCH = """
import json, pickle, sys
from pathlib import Path

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "lightning", "libreyolo"}:
            raise ImportError(f"{name} is forbidden here")

def refuse(*_, **__):
    raise AssertionError("nothing may be unpickled")

sys.meta_path.insert(0, Forbidden())
import cloudpickle, mlflow.pyfunc, pandas
pickle.load = pickle.loads = pickle.Unpickler = cloudpickle.load = cloudpickle.loads = refuse
model = mlflow.pyfunc.load_model("models:/dentwatch@champion")
photo = Path(sys.argv[1]).read_bytes()
answers = {
    "list": model.predict([photo, b"not a photo"]),
    "frame": model.predict(pandas.DataFrame({"photo": [photo]})),
    "low": model.predict([photo], params={"min_score": 0.01}),
    "inputs": str(model.metadata.signature.inputs),
}
print(json.dumps(answers))
"""


def _red_photo() -> bytes:
    """128 × 128 pixels, twice the tiny model's input, red enough for a scratch score of 0.9."""
    buffer = io.BytesIO()
    Image.new("RGB", (2 * tiny_model.SIDE, 2 * tiny_model.SIDE), (230, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


SCRATCH = {"label": "scratch", "score": round(230 / 255, 6), "x": 16.0, "y": 32.0, "width": 64.0, "height": 64.0}
DENT = {**SCRATCH, "label": "dent", "score": round(20 / 255, 6)}


def test_champion_answers_through_mlflow_without_torch(home: Path, tmp_path: Path) -> None:
    registry = Registry(settings.load())
    registry.register(tiny_model.write_bundle(tmp_path / "model"))
    registry.promote(1, "why", "ada")
    (tmp_path / "red.png").write_bytes(_red_photo())

    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, tmp_path / "red.png"],
        env={**os.environ, "MLFLOW_TRACKING_URI": settings.load().tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["list"][0] == {"detections": [SCRATCH]}
    assert "not a photo" in answers["list"][1]["error"]
    assert answers["frame"] == [{"detections": [SCRATCH]}]
    assert answers["low"] == [{"detections": [SCRATCH, DENT]}]
    assert answers["inputs"] == "[binary (required)]"
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture
def model(home: Path, tmp_path: Path) -> PhotoModel:
    return _load_pyfunc(str(tiny_model.write_bundle(tmp_path / "model").folder))


def test_photos_come_as_bytes_base64_or_paths(model: PhotoModel, tmp_path: Path) -> None:
    photo = _red_photo()
    (tmp_path / "red.png").write_bytes(photo)
    text = base64.b64encode(photo)
    forms: list[Any] = [photo, bytearray(photo), text.decode(), text, tmp_path / "red.png"]
    assert model.predict(forms) == [{"detections": [SCRATCH]}] * len(forms)
    assert model.predict(photo) == [{"detections": [SCRATCH]}]


def test_text_is_never_taken_for_a_path(model: PhotoModel, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(_red_photo())
    for text in (str(tmp_path / "red.png"), "é"):
        (answer,) = model.predict([text])
        assert "Base64" in answer["error"]


def test_bad_photos_do_not_spoil_the_others(model: PhotoModel, tmp_path: Path) -> None:
    bad, good, missing, number = model.predict([b"", _red_photo(), tmp_path / "none.jpg", 7])
    assert good == {"detections": [SCRATCH]}
    assert "none.jpg" in missing["error"]
    assert "int" in number["error"]
    assert bad["error"]
