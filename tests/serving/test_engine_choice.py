"""The fastest engine whose boxes are the reference's runs a model, and the log says why."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import numpy_helper
from rectangles import SIDE, rectangle_graph, rectangles_rgb, write_bundle
from running_service import serving

from dentwatch.errors import MissingExtraError, ModelError
from dentwatch.records.model_bundle import ModelBundle, Preprocessing
from dentwatch.serving.engine import Engine
from dentwatch.serving.engines import choice, comparison, int8, openvino, simplified
from dentwatch.serving.engines.check_photos import SCENES, check_images
from dentwatch.serving.engines.choice import choose
from dentwatch.serving.engines.comparison import compare_apart
from dentwatch.serving.engines.contract import Answer
from dentwatch.serving.engines.openvino import OpenVino
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE, agreement, difference
from dentwatch.serving.models import starter
from dentwatch.settings import ServingSettings

has_openvino = pytest.mark.skipif(
    not openvino.is_installed(), reason="OpenVINO is not installed: pip install 'dentwatch[openvino]'"
)
EITHER = ServingSettings(engine="auto")
OTHER = ServingSettings(engine="openvino")


@pytest.fixture(autouse=True)
def _log_of_choices(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dentwatch")


def _takes(monkeypatch: pytest.MonkeyPatch, **milliseconds: float) -> None:
    """Let a photo take so long per engine."""
    taken = property(lambda trial: milliseconds[trial.network.name])
    monkeypatch.setattr(choice._Trial, "milliseconds", taken)


@has_openvino
@pytest.mark.parametrize("threads", [1, 2])
def test_openvino_answers_what_the_reference_answers(bundle: ModelBundle, threads: int) -> None:
    for model in (bundle, starter()):
        photos = np.stack(check_images(Preprocessing(input_size=model.spec.preprocessing.input_size))[:2])
        reference, other = Engine(model, threads), Engine(model, threads, OpenVino(model, threads))
        for batch in (photos, photos[:1]):
            gaps = difference(reference.run(batch), other.run(batch))
            assert gaps["boxes"] <= BOX_TOLERANCE
            assert gaps["scores"] <= SCORE_TOLERANCE
    boxes, scores = other.run(photos[:1])
    other.run(photos[1:])
    assert difference((boxes, scores), other.run(photos[:1])) == {"boxes": 0, "scores": 0}  # and what it gave stays


@has_openvino
def test_openvino_does_not_report_to_its_makers(bundle: ModelBundle) -> None:
    OpenVino(bundle)
    assert sys.modules["openvino_telemetry"] is None
    assert "openvino.tools.ovc.telemetry_stub" in sys.modules


@has_openvino
def test_signals_arrive_after_models_of_openvino_have_gone(bundle: ModelBundle) -> None:
    code = """
import faulthandler, gc, os, signal, sys
from pathlib import Path
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines.openvino import OpenVino

faulthandler.enable()  # it has a stack of its own for signals
bundle = ModelBundle.load(Path(sys.argv[1]))
first, second, third = OpenVino(bundle), OpenVino(bundle), OpenVino(bundle)
del first
gc.collect()
del second, third
gc.collect()
arrived = []
signal.signal(signal.SIGUSR1, lambda *_: arrived.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
assert arrived
"""
    subprocess.run([sys.executable, "-c", code, str(bundle.folder)], check=True)


@has_openvino
@pytest.mark.parametrize(("milliseconds", "chosen"), [(8.9, "openvino"), (9.1, "onnxruntime")])
def test_another_engine_is_chosen_when_it_is_clearly_faster(
    milliseconds: float,
    chosen: str,
    bundle: ModelBundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _takes(monkeypatch, onnxruntime=10.0, openvino=milliseconds)
    assert choose(bundle, EITHER).name == chosen
    figures = f"onnxruntime 10.0 ms, openvino {milliseconds} ms a photo"
    assert f"The engine of {bundle.name} is {chosen} ({figures})" in caplog.text


@pytest.mark.parametrize(
    ("milliseconds", "chosen"),
    [(9.5, "onnxruntime-simplified"), (10.4, "onnxruntime-simplified"), (10.6, "onnxruntime")],
)
def test_a_simplified_graph_is_taken_unless_it_is_slower(
    milliseconds: float, chosen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(openvino, "find_spec", lambda _: None)
    _takes(monkeypatch, **{"onnxruntime": 10.0, "onnxruntime-simplified": milliseconds})
    for _ in range(2):  # the second time as another worker process does
        assert choose(starter(), EITHER, tmp_path / "engines").name == chosen
    assert choose(starter(), ServingSettings(engine="onnxruntime")).name == "onnxruntime"


def test_a_simplified_graph_with_other_boxes_is_refused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def spoilt(model: onnx.ModelProto) -> bool:
        weight = model.graph.initializer[0]
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.1), weight.name))
        return True

    monkeypatch.setattr(openvino, "find_spec", lambda _: None)
    monkeypatch.setattr(simplified, "simplify", spoilt)
    assert choose(starter(), EITHER).name == "onnxruntime"
    assert "The engine onnxruntime-simplified is not used for starter" in caplog.text
    assert "its boxes differ by" in caplog.text


@has_openvino
def test_an_engine_that_is_asked_for_is_taken_whatever_its_speed(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    _takes(monkeypatch, onnxruntime=10.0, openvino=99.0)
    assert choose(bundle, OTHER).name == "openvino"
    assert choose(bundle, ServingSettings(engine="onnxruntime")).name == "onnxruntime"


@has_openvino
@pytest.mark.parametrize("settings", [EITHER, OTHER])
def test_an_engine_with_other_boxes_is_refused(
    settings: ServingSettings, bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = OpenVino.run

    def shifted(network: OpenVino, images: np.ndarray) -> Answer:
        boxes, scores = run(network, images)
        return boxes + np.float32(0.1), scores

    monkeypatch.setattr(OpenVino, "run", shifted)
    # The check photos show no pure colours: with no score for their boxes, there would be nothing to compare.
    seen = [rectangles_rgb(SIDE, SIDE, ("dent", 10, 20, 30 + n, 40)) for n in range(3)]
    monkeypatch.setattr(choice, "check_images", lambda _: seen)
    _takes(monkeypatch, onnxruntime=10.0, openvino=1.0)
    assert choose(bundle, settings).name == "onnxruntime"
    assert "The engine openvino is not used" in caplog.text
    assert "its boxes differ by 0.1 pixels" in caplog.text


@has_openvino
def test_an_engine_that_cannot_load_a_model_is_no_reason_not_to_serve(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise ModelError("it knows no such operator.")

    monkeypatch.setattr(choice, "OpenVino", failing)
    assert choose(bundle, OTHER).name == "onnxruntime"
    assert "it fails: ModelError: it knows no such operator" in caplog.text


def test_a_model_that_the_reference_cannot_load_is_an_error(tmp_path: Path) -> None:
    broken = write_bundle(tmp_path / "broken", rectangle_graph())
    broken.onnx_path.write_bytes(broken.onnx_path.read_bytes()[:200])
    with pytest.raises(ModelError, match="cannot be loaded"):
        choose(broken, ServingSettings(int8=True))


@has_openvino
def test_processes_that_share_a_folder_agree(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _takes(monkeypatch, onnxruntime=10.0, openvino=1.0)
    assert choose(bundle, EITHER, tmp_path / "engines").name == "openvino"
    _takes(monkeypatch, onnxruntime=1.0, openvino=10.0)
    assert choose(bundle, EITHER, tmp_path / "engines").name == "openvino"
    assert choose(bundle, EITHER, tmp_path / "elsewhere").name == "onnxruntime"


@has_openvino
def test_a_comparison_apart_is_told_once_and_read_by_all(
    bundle: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        compare_apart(bundle, EITHER, tmp_path)
    assert caplog.text.count(f"The engine of {bundle.name} is ") == 1
    [written] = tmp_path.glob("*.engine")
    monkeypatch.setattr(choice, "_best", lambda *_: pytest.fail("it is known already"))
    assert choose(bundle, EITHER, tmp_path).name == written.read_text()
    compare_apart(bundle, ServingSettings(engine="onnxruntime"), tmp_path / "unused")
    assert not (tmp_path / "unused").exists()  # there was nothing to compare


@has_openvino
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("#!/bin/sh\necho 'no such instruction' >&2; exit 132", "no such instruction"),
        ("#!/bin/sh\nkill -SEGV $$", "SIGSEGV"),
        ("#!/bin/sh\necho 'not what was asked'", "Expecting value"),
        ("#!/bin/sh\nexit 0", "index out of range"),
    ],
)
def test_a_comparison_that_breaks_down_leaves_the_reference(
    program: str,
    said: str,
    bundle: ModelBundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "python").write_text(program)
    (tmp_path / "python").chmod(0o755)
    with monkeypatch.context() as broken:
        broken.setattr(comparison.sys, "executable", str(tmp_path / "python"))
        compare_apart(bundle, OTHER, tmp_path / "engines")
    assert f"the reference runs {bundle.name}" in caplog.text
    assert said in caplog.text
    assert choose(bundle, OTHER, tmp_path / "engines").name == "onnxruntime"


def test_eight_bits_that_move_the_boxes_are_refused(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    settings = ServingSettings(engine="onnxruntime", int8=True)
    assert choose(starter(), settings, tmp_path / "engines").name == "onnxruntime"
    assert "The engine onnxruntime-int8 is not used" in caplog.text
    assert "its boxes are others (F1 0." in caplog.text
    assert list((tmp_path / "engines").glob("*int8.onnx"))  # it was really made


def test_eight_bits_that_keep_the_boxes_are_used_where_they_are_faster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A network whose boxes withstand 8 bits takes long to train, so here the file is that of 32 bits."""
    monkeypatch.setattr(int8, "quantise", lambda bundle, _, path: path.write_bytes(bundle.onnx_path.read_bytes()))
    monkeypatch.setattr(
        choice._Trial, "milliseconds", property(lambda trial: 5.0 if trial.network.name == int8.NAME else 10.0)
    )
    settings = ServingSettings(engine="onnxruntime", int8=True)
    for _ in range(2):  # the second time as another worker process does
        assert choose(starter(), settings, tmp_path / "engines").name == "onnxruntime-int8"


def test_boxes_are_counted_one_to_one_per_label() -> None:
    spec = starter().spec
    boxes = np.array([[[10, 10, 50, 50], [100, 100, 150, 150]]], np.float32)
    scores = np.array([[[0.9, 0.0], [0.0, 0.9]]], np.float32)
    assert agreement((boxes, scores), (boxes, scores), spec) == 1
    assert agreement((boxes, scores), (boxes + 3, scores), spec) == 1  # an IoU of 0.75 and more
    assert agreement((boxes, scores), (boxes + 30, scores), spec) == 0
    assert agreement((boxes, scores), (boxes, scores[..., ::-1]), spec) == 0  # other labels
    one = scores.copy()
    one[0, 1] = 0
    assert agreement((boxes, scores), (boxes, one), spec) == pytest.approx(2 / 3)
    assert agreement((boxes, scores * 0), (boxes, scores * 0), spec) == 0  # nothing shows that they agree


def test_the_check_photos_show_damage() -> None:
    model = starter()
    images = check_images(model.spec.preprocessing)
    assert len(images) == len(SCENES)
    assert {image.shape for image in images} == {(416, 416, 3), (320, 416, 3), (416, 320, 3)}
    engine = Engine(model)
    best = [engine.run(image[None])[1].max() for image in images]
    assert min(best) > 0.3
    assert {image.shape for image in check_images(Preprocessing(input_size=416))} == {(416, 416, 3)}


def test_what_is_asked_for_and_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "find_spec", lambda _: None)
    choice.check(EITHER)
    with pytest.raises(MissingExtraError, match=r"dentwatch\[openvino\]"):
        choice.check(OTHER)


@has_openvino
def test_the_service_says_which_engine_answers(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2, engine="openvino") as service:
        assert service.client.get("/healthz").json()["engine"] == "openvino"
    log = (tmp_path / "log").read_text()
    assert log.count(f"The engine of {bundle.name} is openvino") == 1  # one worker looked, the other one read


@has_openvino
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped")
def test_only_processes_that_run_openvino_have_it_in_memory(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log", workers=2, engine="auto") as service:
        chosen = service.client.get("/healthz").json()["engine"]
        children = psutil.Process(service.process.pid).children(recursive=True)
        mapped = ["libopenvino" in Path(f"/proc/{child.pid}/maps").read_text() for child in children]
    assert sum(mapped) == (2 if chosen == "openvino" else 0)
