"""The engine runs what keeps the contract, and says what is wrong with what does not."""

from pathlib import Path

import numpy as np
import pytest
import tiny_model
from onnx import TensorProto, helper
from rectangles import SIDE, rectangle_graph, rectangles_rgb, uneven_graph, write_bundle

from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle, Preprocessing
from dentwatch.serving.engine import Engine


def _images(count: int) -> np.ndarray:
    return np.stack([rectangles_rgb(SIDE, SIDE, ("dent", 10 * n, 20, 30, 40)) for n in range(count)])


@pytest.mark.parametrize("threads", [1, 2])
def test_any_batch_size_answers_the_same_photo_by_photo(bundle: ModelBundle, threads: int) -> None:
    engine = Engine(bundle, threads)
    images = _images(8)
    single = [engine.run(images[n : n + 1]) for n in range(8)]
    for size in (1, 2, 4, 8):
        boxes, scores = engine.run(images[:size])
        assert (boxes.shape, scores.shape) == ((size, 3, 4), (size, 3, 3))
        assert (boxes.dtype, scores.dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(boxes, np.concatenate([pair[0] for pair in single[:size]]))
        np.testing.assert_array_equal(scores, np.concatenate([pair[1] for pair in single[:size]]))
    assert boxes[3, 1].tolist() == [30, 20, 60, 60]
    assert scores[3].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_no_images_give_no_rows(bundle: ModelBundle) -> None:
    boxes, scores = Engine(bundle).run(np.zeros((0, SIDE, SIDE, 3), np.uint8))
    assert (len(boxes), len(scores)) == (0, 0)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, SIDE, SIDE, 3), np.float32),
        np.zeros((1, 3, SIDE, SIDE), np.uint8),
        np.zeros((SIDE, SIDE, 3), np.uint8),
        np.zeros((1, SIDE + 1, SIDE, 3), np.uint8),
    ],
)
def test_images_of_another_kind_are_refused(bundle: ModelBundle, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=f"images must be uint8 \\(N, {SIDE}, {SIDE}, 3\\)"):
        Engine(bundle).run(images)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    broken = write_bundle(tmp_path / "broken", rectangle_graph())
    broken.onnx_path.write_bytes(broken.onnx_path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"broken/model\.onnx cannot be loaded"):
        Engine(broken)


def test_a_graph_for_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"input images is tensor\(uint8\).*128.*where uint8 \(\?, 256, 256, 3\) is due"
    ):
        Engine(write_bundle(tmp_path / "small", rectangle_graph(side=128)))


_IN_ITS_SHAPE = {"preprocessing": Preprocessing(input_size=SIDE, stride=32)}


def test_a_photo_is_seen_in_its_own_shape_where_the_graph_takes_any(tmp_path: Path) -> None:
    engine = Engine(write_bundle(tmp_path / "free", rectangle_graph("any"), **_IN_ITS_SHAPE))
    for height, width in [(SIDE, SIDE), (SIDE, 32), (96, SIDE)]:
        boxes, _ = engine.run(rectangles_rgb(width, height, ("dent", 3, 20, 17, 40))[None])
        assert boxes[0, 1].tolist() == [3, 20, 20, 60]
    for height, width in [(SIDE, 40), (SIDE + 32, SIDE), (0, SIDE)]:
        with pytest.raises(ValueError, match=r"\(N, 256, 256, 3\), or sides of fewer times 32, not uint8"):
            engine.run(np.zeros((1, height, width, 3), np.uint8))


def test_a_graph_that_takes_a_square_alone_is_refused_where_photos_are_to_be_seen_in_their_shape(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelError, match=r"256, 256, 3\] where uint8 \(\?, any, any, 3\) is due"):
        Engine(write_bundle(tmp_path / "square", rectangle_graph(), **_IN_ITS_SHAPE))


def test_a_graph_with_another_number_of_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"output scores .* where float \(\?, \?, 2\) is due"):
        Engine(write_bundle(tmp_path / "few", rectangle_graph(), labels=("scratch", "dent")))


def test_a_graph_with_other_names_is_refused(tmp_path: Path) -> None:
    graph = rectangle_graph()
    graph.graph.node.append(helper.make_node("Identity", ["boxes"], ["corners"]))
    graph.graph.output[0].CopyFrom(helper.make_tensor_value_info("corners", TensorProto.FLOAT, ["N", 3, 4]))
    with pytest.raises(ModelError, match=r"has the outputs corners, scores where boxes, scores are due"):
        Engine(write_bundle(tmp_path / "renamed", graph))


def test_a_graph_that_answers_in_another_shape_than_it_declares_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"answered boxes \(1, 3, 4\) and scores \(1, 2, 3\)"):
        Engine(write_bundle(tmp_path / "uneven", uneven_graph())).run(_images(1))


def test_an_answer_that_is_no_number_does_not_pass_for_a_photo_without_damage(tmp_path: Path) -> None:
    engine = Engine(tiny_model.write_bundle(tmp_path / "spoilt", model=tiny_model.network(fault="says NaN")))
    dim, bright = (np.full((1, tiny_model.SIDE, tiny_model.SIDE, 3), level, np.uint8) for level in (40, 250))
    assert np.isfinite(engine.run(dim)[1]).all()
    with pytest.raises(ModelError, match="answered with NaN"):
        engine.run(bright)
