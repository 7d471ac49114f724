"""Suppression keeps what torchvision's own keeps, in a fixed order, and within time."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dentwatch.serving.suppression import MAX_CANDIDATES, suppress


def _scene(seed: int, anchors: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 380, (anchors, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(4, 120, (anchors, 2))], axis=1).astype(np.float32)
    return boxes, rng.random((anchors, classes), dtype=np.float32)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4), iou=st.sampled_from([0.3, 0.5, 0.65]))
def test_keeps_what_torchvision_keeps(seed: int, classes: int, iou: float) -> None:
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    boxes, scores = _scene(seed, 120, classes)
    flat, labels = scores.ravel(), np.tile(np.arange(classes), len(boxes))
    every = np.repeat(boxes, classes, axis=0)
    above = flat >= 0.2
    due = ops.batched_nms(
        torch.from_numpy(every[above]), torch.from_numpy(flat[above]), torch.from_numpy(labels[above]), iou
    ).numpy()[:50]

    kept = suppress(boxes, scores, np.full(classes, 0.2, np.float32), iou, 50)

    np.testing.assert_array_equal(kept.boxes, every[above][due])
    np.testing.assert_array_equal(kept.scores, flat[above][due])
    np.testing.assert_array_equal(kept.labels, labels[above][due])


def test_a_score_equal_to_its_threshold_passes_and_each_label_has_its_own() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scores = np.asarray([[0.5, 0.5], [0.49, 0.2]], np.float32)
    kept = suppress(boxes, scores, np.asarray([0.5, 0.6], np.float32), 0.5, 10)
    assert (kept.labels.tolist(), kept.scores.tolist()) == ([0], [0.5])


def test_one_box_may_carry_two_labels_but_not_the_same_twice() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [0, 0, 10, 10.5]], np.float32)
    scores = np.asarray([[0.9, 0.8], [0.7, 0.6]], np.float32)
    kept = suppress(boxes, scores, np.zeros(2, np.float32), 0.5, 10)
    assert list(zip(kept.labels.tolist(), kept.boxes[:, 3].tolist(), strict=True)) == [(0, 10.0), (1, 10.0)]


def test_equal_scores_come_in_the_order_of_the_anchors_even_at_the_cut() -> None:
    count = MAX_CANDIDATES + 500
    left = np.arange(count, dtype=np.float32) * 10
    boxes = np.stack([left, np.zeros_like(left), left + 8, np.full_like(left, 8)], axis=1)
    scores = np.full((count, 1), 0.5, np.float32)
    scores[-1] = 0.9
    kept = suppress(boxes, scores, np.zeros(1, np.float32), 0.5, 2000)
    assert kept.boxes[:, 0].tolist() == [left[-1], *left[: MAX_CANDIDATES - 1].tolist()]


def test_what_is_empty_or_not_a_number_never_passes() -> None:
    nan = np.nan
    boxes = np.asarray([[5, 5, 5, 9], [9, 9, 3, 12], [nan, 0, 5, 5], [0, 0, np.inf, 5], [0, 0, 5, 5]], np.float32)
    scores = np.asarray([[0.9], [0.9], [0.9], [0.9], [nan]], np.float32)
    kept = suppress(boxes, scores, np.zeros(1, np.float32), 0.5, 10)
    assert kept.boxes.shape == (0, 4)


def test_the_limit_keeps_the_best() -> None:
    boxes, scores = _scene(1, 400, 3)
    floor = np.full(3, 0.001, np.float32)
    all_kept = suppress(boxes, scores, floor, 0.6, 10_000)
    few = suppress(boxes, scores, floor, 0.6, 20)
    np.testing.assert_array_equal(few.boxes, all_kept.boxes[:20])
    assert (np.diff(all_kept.scores) <= 0).all()


def test_a_crowded_scene_takes_a_fraction_of_the_networks_time() -> None:
    boxes, scores = _scene(2, 8400, 7)
    floor = np.full(7, 0.001, np.float32)
    times = []
    for _ in range(5):
        start = time.process_time()
        suppress(boxes, scores, floor, 0.5, 100)
        times.append(time.process_time() - start)
    assert min(times) < 0.05  # 3 ms on the machine this was written on
