"""What could be done about a drift without a training: the champion with another preprocessing or other photo rules."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.decoding import decode
from dentwatch.data.enhancement import brightness
from dentwatch.data.statistics import PhotoStatistics, photo_statistics
from dentwatch.loop.photo_rules import Stricter, is_spoken_of, stricter_rules
from dentwatch.records.annotations import PhotoRecord
from dentwatch.records.model_bundle import (
    CARD_NAME,
    SPEC_NAME,
    Adaptation,
    Enhancement,
    ModelBundle,
)
from dentwatch.records.photos import PhotoStore
from dentwatch.records.quality_limits import QUALITY_NAME

_BRIGHTENED = ("dark",)  # causes that brightening may mend
_LOOKED_AT = 100  # photos that say how dark is dark, and which a rule refuses
_COMPARED = 8  # photos on which an exported file is held against its network
_GAMMAS, _CLAHES, _EXPOSURES = (1.5, 2.2, 3.0), (2.0, 4.0), (0.1, 0.18)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A remedy: its name, and what makes the champion a version with it in an empty folder.

    One that works ``everywhere`` changes what the model says of photos as taken, too.
    """

    name: str
    make: Callable[[Path], ModelBundle]
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """Whom a remedy is for: the champion, the drift, and annotated photos as taken and as the drift makes them."""

    champion: ModelBundle
    drift: Adaptation
    records: Sequence[PhotoRecord]
    taken: PhotoStore
    drifted: PhotoStore
    max_pixels: int

    def photos(self, store: PhotoStore, count: int = _LOOKED_AT) -> Iterator[NDArray[np.uint8]]:
        """The first of the photos, RGB ``(H, W, 3)``."""
        for record in self.records[:count]:
            yield decode(store.get(record.photo_id), max_pixels=self.max_pixels).rgb


def brightened(scene: Scene) -> list[Candidate]:
    """Gamma, CLAHE and other exposures for photos darker than most as taken are; for darkness only."""
    if scene.drift.cause not in _BRIGHTENED:
        return []
    medians = [np.median([brightness(rgb) for rgb in scene.photos(store)]) for store in (scene.taken, scene.drifted)]
    below = round(float(sum(medians) / 2), 1)
    amounts = {"gamma": _GAMMAS, "clahe": _CLAHES, "exposure": _EXPOSURES, "exposure-denoised": _EXPOSURES}
    kinds = [Enhancement(kind=kind, amount=amount, below=below) for kind, each in amounts.items() for amount in each]
    return [Candidate(f"{how.kind} {how.amount:g}", _brightening(scene, how)) for how in kinds]


def enlarged(scene: Scene, latency_ratio: float) -> list[Candidate]:
    """The largest input of the same network that ``latency_ratio`` times the champion's time per photo leaves room for.

    The time grows with the pixels. None for a model that was kept without its network's parameters.
    """
    from dentwatch.training.detectors import available

    spec = scene.champion.spec
    kind = available().get(spec.detector)
    if kind is None or scene.champion.weights_path is None:
        return []
    size = spec.preprocessing.input_size
    larger = int(size * latency_ratio**0.5) // kind.stride * kind.stride
    if larger <= size:
        return []
    return [Candidate(f"an input of {larger} pixels", _enlarging(scene, larger), everywhere=True)]


def asking_again(scene: Scene, most_asked_again: float) -> list[Candidate]:
    """Stricter photo rules, see :func:`~dentwatch.loop.photo_rules.stricter_rules`."""
    if not is_spoken_of(scene.drift.cause):
        return []
    taken, drifted = ([_statistics(rgb) for rgb in scene.photos(store)] for store in (scene.taken, scene.drifted))
    found = []
    for stricter in stricter_rules(scene.champion, scene.drift.cause, taken, drifted, most_asked_again):
        limit = stricter.limit
        name = f"the photo rule {limit.reason.replace('_', ' ')} ({limit.statistic} {limit.side} {limit.limit:.3g})"
        found.append(Candidate(name, _with_rules(scene, stricter)))
    return found


def _brightening(scene: Scene, how: Enhancement) -> Callable[[Path], ModelBundle]:
    preprocessing = scene.champion.spec.preprocessing.model_copy(update={"enhancement": how})
    said = f"Photos with a mean luma below {how.below:g} are brightened first ({how.kind}, {how.amount:g})."
    return lambda folder: _version(scene, folder, said, preprocessing=preprocessing)


def _enlarging(scene: Scene, size: int) -> Callable[[Path], ModelBundle]:
    preprocessing = scene.champion.spec.preprocessing.model_copy(update={"input_size": size})
    said = f"Photos are seen at {size} pixels; the network learnt at {scene.champion.spec.preprocessing.input_size}."

    def make(folder: Path) -> ModelBundle:
        from dentwatch.training.enlarging import enlarge

        parity = enlarge(scene.champion, size, list(scene.photos(scene.taken, _COMPARED)), folder)
        return _version(scene, folder, said, preprocessing=preprocessing, parity=parity)

    return make


def _with_rules(scene: Scene, stricter: Stricter) -> Callable[[Path], ModelBundle]:
    limit = stricter.limit
    drift = scene.drift.model_copy(update={"asked_again": stricter.asked_again})
    said = f"Photos whose {limit.statistic} is {limit.side} {limit.limit:.3g} are not relied on ({limit.reason})."

    def make(folder: Path) -> ModelBundle:
        stricter.limits.save(folder / QUALITY_NAME)
        return _version(scene, folder, said, adapted_to=drift)

    return make


def _version(scene: Scene, folder: Path, said: str, **changes: Any) -> ModelBundle:
    """The champion with ``changes`` of its spec; what ``folder`` holds already takes the place of the champion's."""
    there = {path.name for path in folder.iterdir()} | {SPEC_NAME}
    for path in scene.champion.folder.iterdir():
        if path.is_file() and path.suffix != ".py" and path.name not in there:
            shutil.copy2(path, folder)
    ModelBundle.write_spec(folder, scene.champion.spec.model_copy(update={"adapted_to": scene.drift, **changes}))
    card = folder / CARD_NAME
    card.write_text(f"{card.read_text(encoding='utf-8').rstrip()}\n\n## Preprocessing\n\n{said}\n", encoding="utf-8")
    return ModelBundle.load(folder)


def _statistics(rgb: NDArray[np.uint8]) -> PhotoStatistics:
    return photo_statistics(rgb, (rgb.shape[1], rgb.shape[0]))
