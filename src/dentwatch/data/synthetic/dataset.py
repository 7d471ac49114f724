"""A COCO data set of synthetic photos, made by several processes."""

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import cv2

from dentwatch.data.processes import deaf_to_ctrl_c
from dentwatch.data.synthetic.photo import PHOTOS_PER_VEHICLE, UNDAMAGED_SHARE, SyntheticPhoto, compose, render
from dentwatch.data.synthetic.vehicle import VEHICLES_PER_PLACE
from dentwatch.errors import SettingsError, SourceError
from dentwatch.records.annotations import Annotation

LABELS = ("scratch", "dent")
LICENCE = "Apache-2.0"
CONSENT = "not needed: synthetic"


@dataclass(frozen=True, slots=True)
class _Order:
    """What every process needs to know to make its photos."""

    folder: Path
    seed: int
    size: int
    photos_per_vehicle: int
    undamaged_share: float
    stops: float | None
    quality: int | None


def generate(
    out: Path,
    count: int,
    seed: int = 0,
    size: int = 640,
    photos_per_vehicle: int = PHOTOS_PER_VEHICLE,
    undamaged_share: float = UNDAMAGED_SHARE,
    stops: float | None = None,
    quality: int | None = None,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``count`` photos to ``out/images`` and COCO annotations to ``out/annotations.json``, which is returned.

    Photos are ``size`` × ``size`` pixels. ``stops`` and ``quality`` fix exposure and JPEG quality, which are otherwise
    drawn for each photo. The bytes depend on ``seed`` and the options, never on ``count`` or ``workers``.
    ``on_progress(done, count)`` is called as photos are written. The annotations are written last and at once, so a
    folder that has them is complete.

    Raises :class:`SettingsError` for options that cannot be used, :class:`SourceError` if ``out`` holds something else.
    """
    if count < 1 or workers < 1:
        raise SettingsError(f"Cannot make {count} photos with {workers} workers.", "Both must be at least 1.")
    if quality is not None and not 1 <= quality <= 100:
        raise SettingsError(f"The JPEG quality is {quality}.", "It must lie between 1 and 100.")
    if stops is not None and not -12 <= stops <= 6:
        raise SettingsError(f"The exposure is {stops} stops.", "It must lie between -12 and 6.")
    compose(seed, count - 1, size, photos_per_vehicle, undamaged_share)  # tells bad options before any work
    order = _Order(out / "images", seed, size, photos_per_vehicle, undamaged_share, stops, quality)
    _prepare(out)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    vehicles = [range(start, min(start + photos_per_vehicle, count)) for start in range(0, count, photos_per_vehicle)]
    with _pool(workers) as run:
        for number, records in run(_make, [(order, vehicle) for vehicle in vehicles]):
            for (index, name, vehicle_id), found in records:
                images.append(_image(order, index, name, vehicle_id))
                annotations += _annotations(index, found, len(annotations) + 1)
            if on_progress:
                on_progress(min(count, (number + 1) * photos_per_vehicle), count)
    document = _document(order, count, images, annotations)
    temporary = out / "annotations.json.part"
    temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
    temporary.replace(out / "annotations.json")
    return out / "annotations.json"


def _prepare(out: Path) -> None:
    """Make the folders; a data set of ours that is there already is replaced, anything else is left alone."""
    annotations = out / "annotations.json"
    if out.exists() and not out.is_dir():
        raise SourceError(f"{out} is a file.", "Name a folder for the synthetic photos.")
    present = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if present - {"images", "annotations.json", "annotations.json.part"}:
        raise SourceError(
            f"The folder {out} holds other files.", "Name an empty or new folder for the synthetic photos."
        )
    annotations.unlink(missing_ok=True)
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("synthetic-*.jpg"):
        old.unlink()


Record = tuple[tuple[int, str, str], tuple[Annotation, ...]]


def _make(task: tuple[_Order, range]) -> list[Record]:
    """Render and write the photos of one vehicle."""
    order, indices = task
    records: list[Record] = []
    for index in indices:
        photo = _render(order, index)
        name = f"synthetic-{order.seed}-{index:06d}.jpg"
        (order.folder / name).write_bytes(photo.jpeg)
        records.append(((index, name, photo.vehicle), photo.annotations))
    return records


def _render(order: _Order, index: int) -> SyntheticPhoto:
    return render(
        order.seed,
        index,
        order.size,
        photos_per_vehicle=order.photos_per_vehicle,
        undamaged_share=order.undamaged_share,
        stops=order.stops,
        quality=order.quality,
    )


def _each(function: Callable[[Any], Any], tasks: list[Any]) -> list[Any]:
    return [function(task) for task in tasks]


def _start_worker() -> None:
    cv2.setNumThreads(1)


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., Iterable[tuple[int, list[Record]]]]]:
    """A numbered, ordered map over processes, or over this one alone."""
    if workers == 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield lambda function, tasks: enumerate(map(function, tasks))
        finally:
            cv2.setNumThreads(threads)
        return
    # Spawned, not forked: a fork copies the locks of OpenCV's and MLflow's threads as they happen to stand.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:

        def run(function: Callable[..., Any], tasks: list[Any]) -> Iterable[tuple[int, Any]]:
            places = (tasks[start : start + VEHICLES_PER_PLACE] for start in range(0, len(tasks), VEHICLES_PER_PLACE))
            with deaf_to_ctrl_c():  # this starts the processes
                results = [pool.submit(_each, function, place) for place in places]
            return enumerate(chain.from_iterable(result.result() for result in results))

        try:
            yield run
        except KeyboardInterrupt:  # nothing of what they are making is of use, so nobody waits for it
            for process in active_children():
                process.terminate()
            raise


def _image(order: _Order, index: int, name: str, vehicle: str) -> dict[str, Any]:
    return {
        "id": index + 1,
        "file_name": name,
        "width": order.size,
        "height": order.size,
        "vehicle_group": vehicle,
        "licence": LICENCE,
        "consent": CONSENT,
    }


def _annotations(index: int, found: tuple[Annotation, ...], first: int) -> list[dict[str, Any]]:
    return [
        {
            "id": first + number,
            "image_id": index + 1,
            "category_id": LABELS.index(annotation.label) + 1,
            "bbox": [annotation.box.x, annotation.box.y, annotation.box.width, annotation.box.height],
            "area": annotation.box.width * annotation.box.height,
            "iscrowd": 0,
        }
        for number, annotation in enumerate(found)
    ]


def _document(
    order: _Order, count: int, images: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "info": {
            "description": "Synthetic photos of cars with scratches and dents, made by Dentwatch",
            "seed": order.seed,
            "command": command(order, count),
            "options": {key: value for key, value in asdict(order).items() if key != "folder"},
        },
        "licenses": [{"id": 1, "name": LICENCE, "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "categories": [{"id": number + 1, "name": label} for number, label in enumerate(LABELS)],
        "images": images,
        "annotations": annotations,
    }


def command(order: _Order, count: int) -> str:
    """The command line that makes the same photos again."""
    options: dict[str, float | int | None] = {
        "count": count,
        "seed": order.seed,
        "size": order.size,
        "photos-per-vehicle": order.photos_per_vehicle,
        "undamaged-share": order.undamaged_share,
        "stops": order.stops,
        "quality": order.quality,
    }
    words = [f"--{name} {value}" for name, value in options.items() if value is not None]
    return f"dentwatch data generate {shlex.quote(os.fspath(order.folder.parent.name))} " + " ".join(words)
