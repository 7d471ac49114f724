"""A network that learns from another one besides the annotations: the loss, the run, and who may not teach whom."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_cars import labelled_photos
from torch import Tensor
from training_command import SMALL, Finished, dentwatch

from dentwatch.records.labels import HEADLINE_LABELS
from dentwatch.records.model_bundle import ModelBundle, Rights
from dentwatch.training.detectors import create
from dentwatch.training.detectors.averaged import Averaged
from dentwatch.training.detectors.contract import Detector, Target
from dentwatch.training.detectors.imitation import imitation
from dentwatch.training.fitting import fit
from dentwatch.training.run_folder import RunFolder
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.teacher import Teacher

SIDE = 64


def _network(seed: int, detector: str = "yolo") -> Detector:
    torch.manual_seed(seed)
    return create(detector, None, HEADLINE_LABELS, SIDE)


def _photos(count: int = 2) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5)) * 255


def _outputs(boxes: list[float], objectness: float, labels: list[float]) -> Tensor:
    """One place's: centre, width and height, and logits."""
    return torch.tensor([[[*boxes, objectness, *labels]]])


def test_who_says_the_same_has_nothing_to_learn() -> None:
    own = _outputs([20, 30, 10, 6], 0.4, [-0.3, -2.0])
    scores = own[..., 4:5].sigmoid() * own[..., 5:].sigmoid()
    parts = imitation(own, (torch.tensor([[[15.0, 27, 25, 33]]]), scores))
    assert [float(part) for part in parts.values()] == pytest.approx([0, 0], abs=1e-5)


def test_the_loss_is_the_divergence_of_the_scores_and_the_overlap_of_the_boxes() -> None:
    own = _outputs([20, 30, 10, 6], 100.0, [0.0, -30.0])  # scores 0.5 and 0
    said = torch.tensor([[[15.0, 27, 25, 30]]]), torch.tensor([[[0.8, 0.0]]])  # the upper half of the box
    parts = imitation(own, said)
    divergence = 0.8 * torch.log(torch.tensor(0.8 / 0.5)) + 0.2 * torch.log(torch.tensor(0.2 / 0.5))
    assert float(parts["teacher_score"]) == pytest.approx(float(divergence), abs=1e-4)  # the scores' sum is below 1
    assert float(parts["teacher_box"]) == pytest.approx(5 * 0.8 * (1 - 0.5**2), abs=1e-4)


def test_places_where_nobody_finds_anything_hardly_count() -> None:
    own = _outputs([20, 30, 10, 6], 0.4, [-0.3, -2.0])
    said = torch.tensor([[[0.0, 0, 1, 1]]]), torch.zeros(1, 1, 2)
    assert float(imitation(own, said)["teacher_box"]) == pytest.approx(0, abs=1e-4)


def test_the_share_divides_the_loss_between_annotations_and_teacher() -> None:
    student, images = _network(0).train(), _photos(1)
    targets = [Target(torch.tensor([[8.0, 8, 40, 40]]), torch.tensor([1]), torch.zeros(0, 4))]
    with torch.no_grad():
        said = _network(1).eval()(images)
        plain = student.loss(images, targets)
    for share in (0.0, 0.25, 1.0):
        with torch.no_grad():
            parts = student.taught_loss(images, targets, said, share)
        for name, part in plain.items():
            assert float(parts[name]) == pytest.approx((1 - share) * float(part), rel=1e-4)
        assert (float(parts["teacher_score"]) > 0) is (share > 0)


def test_a_student_comes_to_say_what_its_teacher_says() -> None:
    student, images = _network(0).train(), _photos()
    teacher = Teacher(Averaged([_network(1).eval(), _network(2).eval()]), Rights(name="", licence="", source=""))
    said = teacher.says(images)
    nothing = [Target(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))] * len(images)
    optimizer = torch.optim.Adam(student.parameters(), 3e-3)
    far = []
    for _ in range(12):
        parts = student.taught_loss(images, nothing, said, 1.0)
        loss = parts["teacher_score"] + parts["teacher_box"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        far.append(float(loss.detach()))
    assert far[-1] < 0.7 * far[0]
    assert all(parameter.grad is None for parameter in teacher.network.parameters())


class _CutError(Exception):
    """A fit is cut off."""


def test_a_taught_fit_goes_on_as_if_it_had_not_been_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields: dict[str, Any] = {"input_size": SIDE, "epochs": 2, "batch_size": 2, "precision": "32", "loader_workers": 0}
    settings = RunSettings(detector="yolo", teacher="1", **fields)

    def fitted(folder: Path) -> Detector:
        photos, val = labelled_photos(folder / "train", 4), labelled_photos(folder / "val", 3, first=40)
        teacher = Teacher(_network(1).eval(), Rights(name="", licence="", source=""))
        return fit(_network(0), settings, photos, val, folder, teacher=teacher).network

    whole = fitted(tmp_path / "whole").state_dict()
    says, asked = Teacher.says, []

    def cut(teacher: Teacher, images: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(len(images))
        if len(asked) == 3:  # in the second epoch
            raise _CutError
        return says(teacher, images)

    with monkeypatch.context() as patched, pytest.raises(_CutError):
        patched.setattr(Teacher, "says", cut)
        fitted(tmp_path / "cut")
    resumed = fitted(tmp_path / "cut").state_dict()
    assert whole.keys() == resumed.keys()  # the teacher is no part of the network
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.timeout(900)
def test_a_run_learns_from_an_earlier_model_and_keeps_its_rights(stocked: Path, finished: Finished) -> None:
    first = finished.home / "runs" / "first" / "model"
    taught = dentwatch("train", "--name", "taught", *SMALL, "--set", f"teacher={first}", "--json", home=stocked)
    assert taught.returncode == 0, taught.stderr
    model = ModelBundle.load(stocked / "runs" / "taught" / "model")
    assert [right.name for right in model.spec.rights] == [
        "photos and annotations",
        f"Dentwatch yolo nano, model {first}",
    ]
    options = ("--set", "teacher=champion", "--epochs", "1", "--devices", "2", "--batch-size", "2")
    again = dentwatch("train", "--name", "again", *SMALL, *options, home=stocked)
    assert again.returncode == 0, again.stderr
    record = RunFolder(stocked / "runs" / "again").record()
    assert record is not None and record.settings.teacher == "dentwatch/1"  # whoever is champion later


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--labels", "dent"), "it knows scratch, dent, and dent are to be learnt"),
        (("--detector", "faster-rcnn"), "only yolo and yolo-lite can learn from a model"),
        (("--folds", "2"), "judges on photos that a network has not seen"),
        (("--set", "teacher=17"), "17"),
    ],
)
def test_who_cannot_teach_is_refused_before_any_work(
    refusal: Callable[..., str], arguments: tuple[str, ...], said: str, stocked: Path
) -> None:
    complaint = refusal("train", *SMALL, "--set", "teacher=starter", *arguments, home=stocked)
    assert said in complaint and "Decoding" not in complaint
