"""A model's graph with steps put together that ONNX Runtime carries out one by one; its boxes stay the same.

YOLOX begins with turning red, green and blue round, dealing out the pixels of every 2 × 2 to channels ("focus"), and
convolving those: one convolution of twice the size and stride does all of it. At the end of its backbone are maxima
over windows of three sizes: those of a large window are maxima of the maxima of a smaller one.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.records.model_bundle import ModelBundle

NAME = "onnxruntime-simplified"

_WHOLE = (0, 1)
_QUARTERS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_NO_END = 1 << 30  # exporters write 2³¹ − 1 or 2⁶³ − 1, or as much below zero


def write(bundle: ModelBundle, path: Path) -> bool:
    """Write the bundle's graph, simplified and for one photo at a time, to ``path``.

    False, and no file, where there is nothing to simplify.
    """
    import onnx

    model = onnx.load(bundle.onnx_path)
    if not simplify(model):
        return False
    # What follows from the number of photos is then known, and not worked out again with each.
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, path)
    return True


def simplify(model: Any) -> bool:
    """Simplify ``model``, an ``onnx.ModelProto``, in place; whether there was anything to simplify."""
    graph = _Graph(model.graph)
    changes = [_fold(graph, node) for node in model.graph.node if node.op_type == "Conv"]
    changes += [_chain(*pair) for pair in graph.neighbouring_pools()]
    if not any(changes):
        return False
    graph.drop_unused()  # ONNX Runtime would carry it out all the same
    return True


class _Graph:
    """A graph whose values are looked up by name."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._weights = {weight.name: weight for weight in graph.initializer}
        self._makers = {output: node for node in graph.node for output in node.output}

    def maker(self, value: str, kind: str) -> Any | None:
        """The node of this kind that makes ``value``."""
        node = self._makers.get(value)
        return node if node is not None and node.op_type == kind else None

    def constant(self, value: str) -> NDArray[Any] | None:
        """What ``value`` is, where that does not depend on the photo."""
        from onnx import numpy_helper

        if value in self._weights:
            return np.asarray(numpy_helper.to_array(self._weights[value]))
        node = self.maker(value, "Constant")
        tensor = None if node is None else _attributes(node).get("value")  # numbers may also stand there by themselves
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def give_weight(self, conv: Any, weight: NDArray[Any]) -> None:
        """Let ``conv`` have another weight than it shares with others, perhaps."""
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.ascontiguousarray(weight), f"{conv.input[1]}/simplified")
        self._graph.initializer.append(tensor)
        self._weights[tensor.name] = tensor
        conv.input[1] = tensor.name

    def drop_unused(self) -> None:
        """Take out what no output depends on."""
        needed = {output.name for output in self._graph.output}
        kept = []
        for node in reversed(self._graph.node):  # makers stand before those who need them
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        del self._graph.node[:]
        self._graph.node.extend(reversed(kept))

    def neighbouring_pools(self) -> Iterator[tuple[Any, Any, int]]:
        """Max pools of one input, in pairs of a smaller and the next larger, and the window from one to the other."""
        pools: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        for node in self._graph.node:
            if node.op_type == "MaxPool" and (side := _window(node)):
                pools[node.input[0]].append((side, node))
        for found in pools.values():
            for (small, smaller), (large, larger) in pairwise(found):
                if small < large:
                    yield smaller, larger, large - small + 1


@dataclass(frozen=True, slots=True)
class _Cut:
    """What Slices take of ``value``: the first place and the step along each axis, up to the end."""

    value: str
    along: dict[int, tuple[int, int]]


def _cut(graph: _Graph, value: str) -> _Cut:
    along: dict[int, tuple[int, int]] = {}
    while (node := graph.maker(value, "Slice")) is not None and len(node.input) == 5:
        constants = [graph.constant(name) for name in node.input[1:]]
        starts, ends, axes, steps = ([] if one is None else one.tolist() for one in constants)
        if not axes or any(abs(end) < _NO_END for end in ends) or along.keys() & set(axes):
            break
        along |= {axis: (start, step) for start, axis, step in zip(starts, axes, steps, strict=True)}
        value = node.input[0]
    return _Cut(value, along)


def _fold(graph: _Graph, conv: Any) -> bool:
    """Let ``conv`` take from the whole picture what is dealt out to channels before it."""
    joined, weight, given = graph.maker(conv.input[0], "Concat"), graph.constant(conv.input[1]), _attributes(conv)
    if joined is None or _attributes(joined)["axis"] != 1 or not _is_plain(given) or weight is None or weight.ndim != 4:
        return False
    cuts = [_cut(graph, value) for value in joined.input]
    starts = [(cut.along.get(2, _WHOLE)[0], cut.along.get(3, _WHOLE)[0]) for cut in cuts]
    turned = {1: (-1, -1)} if 1 in cuts[0].along else {}
    dealt_out = [_Cut(cuts[0].value, {2: (row, 2), 3: (column, 2)} | turned) for row, column in starts]
    outputs, channels, height, width = weight.shape
    if cuts != dealt_out or sorted(starts) != _QUARTERS or channels % 4 or given.get("group", 1) != 1:
        return False
    whole = np.zeros((outputs, channels // 4, 2 * height, 2 * width), weight.dtype)
    for (row, column), part in zip(starts, np.split(weight, 4, axis=1), strict=True):
        whole[:, :, row::2, column::2] = part
    graph.give_weight(conv, whole[:, ::-1] if turned else whole)
    conv.input[0] = cuts[0].value
    _set(conv, kernel_shape=whole.shape[2:], strides=(2, 2), pads=[2 * pad for pad in given.get("pads", (0,) * 4)])
    return True


def _chain(smaller: Any, larger: Any, side: int) -> bool:
    """Let ``larger`` take maxima over ``side`` × ``side`` of those that ``smaller`` has found."""
    larger.input[0] = smaller.output[0]
    _set(larger, kernel_shape=(side, side), pads=[side // 2] * 4)
    return True


def _window(pool: Any) -> int:
    """The side of a max pool's window that is square and stays centred on its pixel; 0 for any other."""
    given = _attributes(pool)
    side = given["kernel_shape"][0]
    centred = list(given["kernel_shape"]) == [side, side] and list(given.get("pads", ())) == [side // 2] * 4
    return side if side % 2 and centred and _is_plain(given) and len(pool.output) == 1 else 0


def _is_plain(given: dict[str, Any]) -> bool:
    """Whether a window moves by one pixel at a time and has no gaps, with padding that is stated in numbers."""
    steps = [*given.get("strides", ()), *given.get("dilations", ())]
    return set(steps) <= {1} and not given.get("ceil_mode") and given.get("auto_pad", b"NOTSET") == b"NOTSET"


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _set(node: Any, **values: Any) -> None:
    from onnx import helper

    kept = [attribute for attribute in node.attribute if attribute.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, list(value)) for name, value in values.items())])
