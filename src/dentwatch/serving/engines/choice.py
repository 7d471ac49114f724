"""Which engine runs a model: the fastest one whose boxes on the check photos are the reference's.

ONNX Runtime with 32 bits is the reference. The same with a simplified graph, which has less to do, must not be clearly
slower; another engine must be clearly faster (:data:`LEADS`), so that chance does not decide. The worker processes of a
service agree, because the first one writes down what it has chosen.
"""

import fcntl
import logging
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from dentwatch.errors import MissingExtraError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.serving.engines import int8, onnx_runtime, openvino, simplified
from dentwatch.serving.engines.check_photos import check_images
from dentwatch.serving.engines.contract import Answer, Network
from dentwatch.serving.engines.onnx_runtime import OnnxRuntime
from dentwatch.serving.engines.openvino import OpenVino
from dentwatch.serving.engines.parity import BOX_TOLERANCE, SCORE_TOLERANCE, agreement, difference
from dentwatch.settings import ServingSettings

LEADS = {simplified.NAME: 1.05, openvino.NAME: 0.9, int8.NAME: 0.9}
"""Most time that an engine may take, as a share of the best one's so far, to be chosen for its speed."""
LEAST_AGREEMENT = 0.99
"""Least F1 of the boxes of 8 bits against those of 32."""

_log = logging.getLogger(__name__)


@dataclass
class _Trial:
    """An engine's answers about the check photos, one by one as photos are answered, and its times in seconds."""

    network: Network
    answers: list[Answer] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def look(self, photo: NDArray[np.uint8]) -> None:
        """Answer about another photo ``(1, H, W, 3)``."""
        start = time.perf_counter()
        self.answers.append(self.network.run(photo))
        self.seconds.append(time.perf_counter() - start)

    @property
    def answer(self) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """About all photos; photos of another shape have another number of candidates."""
        return [boxes for [boxes], _ in self.answers], [scores for _, [scores] in self.answers]

    @property
    def milliseconds(self) -> float:
        """The median time of a photo."""
        return statistics.median(self.seconds) * 1000


def check(settings: ServingSettings) -> None:
    """Raise :class:`MissingExtraError` for an engine that the settings ask for and that is not installed."""
    if settings.engine == openvino.NAME and not openvino.is_installed():
        raise MissingExtraError(
            "The setting serving.engine asks for OpenVINO, which is not installed.",
            "Run `pip install 'dentwatch[openvino]'`, or set DENTWATCH_SERVING__ENGINE=auto.",
        )


def choose(bundle: ModelBundle, settings: ServingSettings, folder: Path | None = None) -> Network:
    """The engine for ``bundle``, loaded and logged with the figures.

    Processes that give the same ``folder`` and settings get the same one. Raises :class:`ModelError` for a model that
    the reference cannot load, and what :func:`check` raises. Another engine that cannot load it is not chosen.
    """
    check(settings)
    if not (others := _others(settings)):
        return OnnxRuntime(bundle, settings.threads)
    with _place(folder) as place, _written(bundle, place) as chosen:
        if name := chosen.read():
            return _loaded(name, bundle, settings, place)
        network = _best(bundle, settings, others, place)
        chosen.write(network.name)
    return network


def is_open(bundle: ModelBundle, settings: ServingSettings, folder: Path) -> bool:
    """Whether :func:`choose` would have to compare engines."""
    if not _others(settings):
        return False
    with _place(folder) as place, _written(bundle, place) as chosen:
        return not chosen.read()


def write_down_reference(bundle: ModelBundle, folder: Path) -> None:
    """Let all processes that share ``folder`` run ``bundle`` with the reference, where nothing is written yet."""
    with _place(folder) as place, _written(bundle, place) as chosen:
        if not chosen.read():
            chosen.write(onnx_runtime.NAME)


def _others(settings: ServingSettings) -> list[str]:
    """The engines that are tried besides the reference."""
    tried = {
        simplified.NAME: settings.engine == "auto",
        openvino.NAME: settings.engine in ("auto", openvino.NAME) and openvino.is_installed(),
        int8.NAME: settings.int8,
    }
    return [name for name, is_tried in tried.items() if is_tried]


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dentwatch-engine-") as own:
        yield Path(own)


@contextmanager
def _written(bundle: ModelBundle, place: Path) -> Iterator[TextIO]:
    """Where it is written which engine runs ``bundle``; whoever else asks waits until the block ends."""
    with (place / f"{bundle.fingerprint}.engine").open("a+") as chosen:
        fcntl.flock(chosen, fcntl.LOCK_EX)
        chosen.seek(0)
        yield chosen


def _loaded(name: str, bundle: ModelBundle, settings: ServingSettings, place: Path) -> Network:
    if name == openvino.NAME:
        return OpenVino(bundle, settings.threads)
    if name == onnx_runtime.NAME:
        return OnnxRuntime(bundle, settings.threads)
    return OnnxRuntime(bundle, settings.threads, path=_graph_path(name, bundle, place), name=name)


def _graph_path(name: str, bundle: ModelBundle, place: Path) -> Path:
    return place / f"{bundle.fingerprint}.{name}.onnx"


def _best(bundle: ModelBundle, settings: ServingSettings, others: Sequence[str], place: Path) -> Network:
    photos = check_images(bundle.spec.preprocessing)
    reference = _tried(OnnxRuntime(bundle, settings.threads), photos)
    best, figures = reference, [f"{reference.network.name} {reference.milliseconds:.1f} ms"]
    for name in others:
        try:
            if not _is_made(name, bundle, place, photos):
                continue
            trial = _tried(_loaded(name, bundle, settings, place), photos)
            refusal = _refusal(name, reference, trial, bundle)
        except Exception as error:  # another engine's troubles, of whatever kind, are no reason not to serve
            refusal = f"it fails: {type(error).__name__}: {onnx_runtime.told(error)}"
        if refusal:
            _log.warning("The engine %s is not used for %s: %s.", name, bundle.name, refusal)
            continue
        figures.append(f"{name} {trial.milliseconds:.1f} ms")
        if name == settings.engine or trial.milliseconds <= LEADS[name] * best.milliseconds:
            best = trial
    _log.info("The engine of %s is %s (%s a photo).", bundle.name, best.network.name, ", ".join(figures))
    return best.network


def _is_made(name: str, bundle: ModelBundle, place: Path, photos: Sequence[NDArray[np.uint8]]) -> bool:
    """Write the graph that an engine runs instead of the bundle's; False where it would be the same."""
    path = _graph_path(name, bundle, place)
    if name == simplified.NAME:
        return simplified.write(bundle, path)
    if name == int8.NAME:
        int8.quantise(bundle, photos, path)
    return True


def _tried(network: Network, photos: Sequence[NDArray[np.uint8]]) -> _Trial:
    trial = _Trial(network)
    for photo in photos:
        trial.look(photo[None])
    return trial


def _refusal(name: str, reference: _Trial, trial: _Trial, bundle: ModelBundle) -> str:
    """Why the engine of ``trial`` is not to be used; empty where it may be."""
    for one, other in zip(reference.answers, trial.answers, strict=True):
        due, found = ([part.shape for part in answer] for answer in (one, other))
        if found != due:
            return f"it answers in the shapes {found} instead of {due}"
    if name == int8.NAME:
        alike = agreement(reference.answer, trial.answer, bundle.spec)
        return "" if alike >= LEAST_AGREEMENT else f"its boxes are others (F1 {alike:.2f} against 32 bits)"
    gaps = difference(reference.answer, trial.answer)
    if gaps["boxes"] <= BOX_TOLERANCE and gaps["scores"] <= SCORE_TOLERANCE:
        return ""
    return f"its boxes differ by {gaps['boxes']:.3g} pixels and its scores by {gaps['scores']:.3g}"
