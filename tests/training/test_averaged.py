"""Several networks that answer as one: what they say together, how they are trained, kept and started from."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from training_command import SMALL, Finished, command, dentwatch, environment

from dentwatch.errors import TrainingError
from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engine import Engine
from dentwatch.serving.engines import simplified
from dentwatch.serving.engines.onnx_runtime import OnnxRuntime
from dentwatch.serving.models import starter
from dentwatch.training.detectors import check, create, of_model
from dentwatch.training.detectors.averaged import Averaged
from dentwatch.training.detectors.contract import Detector
from dentwatch.training.enlarging import enlarge
from dentwatch.training.export import export_onnx
from dentwatch.training.starting_weights import load_weights

SIDE = 64
PAIR = (*SMALL, "--set", "members=2")


def _networks(count: int) -> list[Detector]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(create("yolo", "nano", HEADLINE_LABELS, SIDE).eval())
    return made


class _Says(Detector):
    """A network that has always the same to say."""

    def __init__(self, boxes: list[list[float]], scores: list[list[float]]) -> None:
        super().__init__("only", HEADLINE_LABELS, SIDE)
        self.name, self.said = "says", (torch.tensor([boxes]).float(), torch.tensor([scores]))  # type: ignore[misc]

    def loss(self, images: Tensor, targets: object) -> dict[str, Tensor]:
        raise NotImplementedError

    def load_library_weights(self, folder: Path) -> object:  # type: ignore[override]
        raise NotImplementedError

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.said


def test_scores_and_boxes_are_averaged_place_by_place() -> None:
    sure = _Says([[0, 0, 10, 10], [0, 0, 1, 1]], [[0.9, 0.1], [0.0, 0.0]])
    less = _Says([[4, 4, 20, 20], [3, 3, 5, 5]], [[0.4, 0.3], [0.5, 0.0]])
    boxes, scores = Averaged([sure, less])(torch.zeros(1, 3, SIDE, SIDE))
    assert scores[0, 0] == pytest.approx([0.6, np.sqrt(0.03)], abs=1e-5)
    assert boxes[0, 0] == pytest.approx([2, 2, 15, 15])
    assert scores[0, 1] == pytest.approx([0, 0], abs=1e-3)  # one of them is sure that there is nothing
    assert boxes[0, 1] == pytest.approx([1.5, 1.5, 3, 3])


def test_a_network_averaged_with_itself_says_what_it_says() -> None:
    [network] = _networks(1)
    photo = torch.rand(1, 3, SIDE, SIDE) * 255
    with torch.no_grad():
        (due, likely), (boxes, scores) = network(photo), Averaged([network, network, network])(photo)
    assert torch.allclose(boxes, due, atol=1e-3)
    assert torch.allclose(scores, likely, atol=1e-5)


def test_the_file_equals_the_networks_also_simplified(tmp_path: Path) -> None:
    photos = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    pair = Averaged(_networks(2)).eval()
    export_onnx(pair, tmp_path / "model.onnx", photos)  # raises where they differ
    preprocessing = starter().spec.preprocessing.model_copy(update={"input_size": SIDE})
    ModelBundle.write_spec(tmp_path, starter().spec.model_copy(update={"preprocessing": preprocessing, "members": 2}))
    exported = ModelBundle.load(tmp_path)
    assert simplified.write(exported, tmp_path / "simplified.onnx")
    fast = OnnxRuntime(exported, path=tmp_path / "simplified.onnx", name=simplified.NAME)
    for found, due in zip(fast.run(photos), Engine(exported).run(photos), strict=True):
        assert np.allclose(found, due, atol=1e-3)


def test_networks_whose_answers_cannot_be_averaged_are_refused_before_any_work() -> None:
    check("yolo-lite", None, HEADLINE_LABELS, SIDE, members=3)
    with pytest.raises(TrainingError, match="faster-rcnn say cannot be averaged") as caught:
        check("faster-rcnn", None, HEADLINE_LABELS, SIDE, members=2)
    assert "yolo, yolo-lite" in (caught.value.hint or "")


def test_each_network_starts_from_its_own_of_an_earlier_model(tmp_path: Path) -> None:
    first, second = _networks(2)
    kept = {name: value.contiguous() for name, value in Averaged([first, second]).state_dict().items()}
    save_file(kept, tmp_path / "weights.safetensors")
    for member, due in ((0, first), (1, second), (2, first)):
        torch.manual_seed(9)
        network = create("yolo", "nano", HEADLINE_LABELS, SIDE)
        load_weights(network, tmp_path / "weights.safetensors", "a model", member)
        assert all(torch.equal(value, due.state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.timeout(900)
def test_a_run_of_two_networks_that_was_killed_in_the_second_ends_as_if_it_had_not_been(
    stocked: Path, finished: Finished, tmp_path: Path
) -> None:
    folder = stocked / "runs" / "pair"
    process = subprocess.Popen(
        command("train", "--name", "pair", *PAIR),
        env=environment(stocked),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (folder / "member-2" / "last.ckpt").exists():
        time.sleep(0.01)
    process.kill()
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    before = (folder / "member-1" / "last.ckpt").stat().st_mtime_ns
    ended = dentwatch("train", "--resume", "pair", home=stocked)
    assert ended.returncode == 0, ended.stderr
    assert (folder / "member-1" / "last.ckpt").stat().st_mtime_ns == before  # what was done is not done again
    assert "Network 2 of 2" in ended.stderr
    assert "dentwatch/1 — 2 × yolo nano, 8 epochs" in ended.stdout

    made = ModelBundle.load(folder / "model")
    assert made.weights_path is not None
    pair = load_file(made.weights_path)
    alone = load_file(finished.home / "runs" / "first" / "model" / "weights.safetensors")
    assert all(torch.equal(pair[f"networks.0.{name}"], value) for name, value in alone.items())
    assert any(not torch.equal(pair[f"networks.1.{name}"], value) for name, value in alone.items())
    assert isinstance(of_model(made.spec, SIDE), Averaged)
    enlarge(made, 2 * SIDE, [np.zeros((120, 160, 3), np.uint8)], tmp_path)

    shown = json.loads(dentwatch("models", "show", "1", "--json", home=stocked).stdout)
    assert shown["spec"]["members"] == 2
    again = dentwatch("train", "--name", "again", *SMALL, "--weights", "1", "--epochs", "1", home=stocked)
    assert again.returncode == 0, again.stderr  # one network goes on from the first of two


def test_cross_validation_of_several_networks_is_refused(stocked: Path, refusal: Callable[..., str]) -> None:
    assert "Cross-validation judges single networks" in refusal("train", "--folds", "2", *PAIR, home=stocked)
