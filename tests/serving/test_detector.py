"""Known rectangles come back in pixels of the photo as a person sees it."""

from pathlib import Path

import numpy as np
import pytest
from rectangles import SIDE, Rectangle, as_photo, rectangle_graph, rectangles_rgb, write_bundle

from dentwatch.data.decoding import DecodedPhoto, decode
from dentwatch.records.detections import Detection
from dentwatch.records.model_bundle import ModelBundle, Preprocessing
from dentwatch.serving.detector import Detector


def _decode(rgb: np.ndarray, orientation: int = 1, file_format: str = "PNG", target: int | None = 256) -> DecodedPhoto:
    return decode(as_photo(rgb, orientation, file_format), max_pixels=100_000_000, target_side=target)


def _assert_boxes(detections: list[Detection], rectangles: list[Rectangle], tolerance: float) -> None:
    """Each rectangle was found with its label, every edge within ``tolerance`` pixels of the photo."""
    found = {detection.label: detection.box.xyxy for detection in detections}
    assert found.keys() == {label for label, *_ in rectangles}
    for label, x, y, width, height in rectangles:
        assert found[label] == pytest.approx((x, y, x + width, y + height), abs=tolerance)


@pytest.mark.parametrize(
    ("width", "height"), [(256, 256), (640, 480), (480, 640), (1024, 256), (101, 57), (2000, 1501), (40, 30)]
)
def test_rectangles_come_back_from_any_size(bundle: ModelBundle, tmp_path: Path, width: int, height: int) -> None:
    rectangles = [
        ("scratch", width // 10, height // 10, width // 3, height // 5),
        ("dent", width // 2, height // 2, width // 4, height // 3),
    ]
    photo = _decode(rectangles_rgb(width, height, *rectangles))
    in_its_shape = Preprocessing(input_size=SIDE, stride=32)
    free = write_bundle(tmp_path / "free", rectangle_graph("any"), preprocessing=in_its_shape)
    for model in (bundle, free):
        [detections] = Detector(model).detect([photo])
        _assert_boxes(detections, rectangles, tolerance=1.0 * max(width, height, 256) / 256)


@pytest.mark.parametrize("side", [256, 1024, 2304])
def test_a_jpeg_decoded_at_a_fraction_of_its_size_gives_the_same_boxes(bundle: ModelBundle, side: int) -> None:
    rectangles = [("scratch", side // 8, side // 4, side // 2, side // 16)]
    photo = _decode(rectangles_rgb(side, side * 3 // 4, *rectangles), file_format="JPEG")
    assert photo.scale == {256: 1, 1024: 1 / 4, 2304: 1 / 8}[side]
    [detections] = Detector(bundle).detect([photo])
    _assert_boxes(detections, rectangles, tolerance=1.5 * side / 256)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_answered_upright(bundle: ModelBundle, orientation: int, file_format: str) -> None:
    """The stored pixels are turned so that the EXIF value turns them back; the boxes are those before turning."""
    rectangles = [("scratch", 40, 30, 200, 40), ("dent", 400, 250, 60, 120)]
    upright = rectangles_rgb(640, 400, *rectangles)
    stored = {  # what a viewer does for the value, undone (Exif 2.32, tag 0x0112)
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    photo = _decode(np.ascontiguousarray(stored), orientation, file_format)
    assert (photo.width, photo.height) == (640, 400)
    [detections] = Detector(bundle).detect([photo])
    _assert_boxes(detections, rectangles, tolerance=4.0)


def test_each_photo_gets_its_own_answer(bundle: ModelBundle) -> None:
    scenes = [
        (640, 480, [("scratch", 10 + 20 * n, 30, 50, 60)] if n % 3 else [("dent", 5 * n, 5 * n, 90, 40)])
        for n in range(7)
    ]
    photos = [_decode(rectangles_rgb(width, height, *rectangles)) for width, height, rectangles in scenes]
    answers = Detector(bundle).detect(photos)
    assert len(answers) == len(scenes)
    for detections, (_, _, rectangles) in zip(answers, scenes, strict=True):
        _assert_boxes(detections, rectangles, tolerance=3.0)


def test_no_photos_give_no_answers(bundle: ModelBundle) -> None:
    assert Detector(bundle).detect([]) == []


def test_boxes_are_clipped_to_the_photo_and_those_outside_it_are_dropped(tmp_path, bundle: ModelBundle) -> None:
    """A model that moves its boxes 120 pixels right and 60 down answers partly, or wholly, outside the photo."""
    graph = rectangle_graph()
    from onnx import helper, numpy_helper

    concat = next(node for node in graph.graph.node if node.op_type == "Concat")
    concat.output[0] = "unmoved"
    graph.graph.initializer.append(numpy_helper.from_array(np.asarray([120, 60, 120, 60], np.float32), "move"))
    graph.graph.node.append(helper.make_node("Add", ["unmoved", "move"], ["boxes"]))
    moved = Detector(write_bundle(tmp_path / "moved", graph))
    scene = rectangles_rgb(256, 128, ("scratch", 100, 20, 100, 80), ("dent", 10, 100, 50, 20))
    [detections] = moved.detect([_decode(scene)])
    assert [(found.label, found.box.xyxy) for found in detections] == [("scratch", (220, 80, 256, 128))]


def test_thresholds_are_the_models_own_until_a_minimum_is_given(bundle: ModelBundle) -> None:
    """0.5 for scratch, 0.7 for dent, 0.9 for other; the rectangles here score 0.8 (level 204 of 255)."""
    scene = rectangles_rgb(
        300, 200, ("scratch", 10, 10, 40, 40), ("dent", 80, 10, 40, 40), ("other", 160, 90, 70, 40), level=204
    )
    detector = Detector(bundle)
    photo = _decode(scene)

    def labels(min_score: float | None) -> list[str]:
        return [found.label for found in detector.detect([photo], min_score)[0]]

    assert labels(None) == ["scratch", "dent"]
    assert labels(0.75) == ["scratch", "dent", "other"]
    assert labels(0.85) == []
    # At 0 everything the network says is answered: three boxes, each with its score of 0 for the other labels, too.
    assert len(labels(0.0)) == 9
    assert labels(0.0)[:3] == ["scratch", "dent", "other"]


def test_a_label_without_a_threshold_waits_for_a_minimum(tmp_path) -> None:
    detector = Detector(write_bundle(tmp_path / "partial", rectangle_graph(), thresholds={"scratch": 0.5}))
    photo = _decode(rectangles_rgb(300, 200, ("scratch", 10, 10, 40, 40), ("dent", 80, 10, 40, 40)))
    assert [found.label for found in detector.detect([photo])[0]] == ["scratch"]
    assert [found.label for found in detector.detect([photo], 0.5)[0]] == ["scratch", "dent"]


def test_at_most_the_models_number_of_detections(tmp_path) -> None:
    detector = Detector(write_bundle(tmp_path / "terse", rectangle_graph(), max_detections=2))
    photo = _decode(rectangles_rgb(300, 200, ("scratch", 10, 10, 40, 40), ("dent", 80, 10, 40, 40)))
    assert len(detector.detect([photo], 0.0)[0]) == 2
