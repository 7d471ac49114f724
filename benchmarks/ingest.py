"""What an ingest costs beside the bare work, and that its memory does not grow with the number of photos.

Run it on a quiet machine::

    python benchmarks/ingest.py                  # 10,000 photos of about 200 KB, three rounds; some 4 GB of disk
    python benchmarks/ingest.py --count 1000     # quicker
    python benchmarks/ingest.py --rows 10000 100000 1000000 --count 0

The bare work is what nobody can avoid: two processes that read, hash, decode and write the same photos. It and the
ingest (two processes as well, with validation, statistics, perceptual hashes, duplicates, splits and a durable dataset
version) run in turns, so that both meet the same state of the machine.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.data.validation import Examined
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.settings import Settings

WIDTH, HEIGHT = 1600, 1200
PER_VEHICLE = 20


def main() -> None:
    """Run both measurements and print them."""
    parser = argparse.ArgumentParser(description="Measure the ingest against the bare work.")
    parser.add_argument("--count", type=int, default=10_000, help="photos for the comparison (0: skip it)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of bare work and ingest in turns")
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000], help="rows for the memory")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; default: the temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.count:
            compare(Path(folder), options.count, options.rounds)
        for rows in options.rows:
            measure_memory(Path(folder), rows)


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processor time in this process and its children."""

    wall: float
    processor: float


class Clock:
    """Measures from when it is made; processor time is the fairer figure on a machine that others use as well."""

    def __init__(self) -> None:
        self._wall, self._times = time.perf_counter(), os.times()

    def cost(self) -> Cost:
        """The cost up to now; children count once they have ended."""
        processor = sum(os.times()[:4]) - sum(self._times[:4])
        return Cost(time.perf_counter() - self._wall, processor)


def make_photos(folder: Path, count: int) -> None:
    """``count`` different JPEG files of about 200 KB with COCO annotations; photos of a vehicle look alike."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(count):
        if number % PER_VEHICLE == 0:
            coarse = generator.integers(40, 216, (24, 32, 3), np.uint8)
            picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.int16)
            grain = cv2.resize(generator.normal(0, 9, (HEIGHT // 2, WIDTH // 2, 1)), (WIDTH, HEIGHT))
            picture = np.clip(picture + grain[..., None], 0, 255).astype(np.uint8)
            data = simplejpeg.encode_jpeg(picture, quality=64, colorsubsampling="420")
        # A comment segment after the start marker makes every file, and so every hash, its own.
        comment = f"photo {number:08}".encode()
        unique = data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
        name = f"{number:08}.jpg"
        (folder / name).write_bytes(unique)
        vehicle = f"car {number // PER_VEHICLE}"
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, "vehicle": vehicle})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [100, 100, 80, 20]})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "scratch"}]}
    (folder / "annotations.json").write_text(json.dumps(document))


def bare_work(paths: list[tuple[Path, Path]]) -> None:
    """Read, hash, decode and write photos; nothing else."""
    for path, out in paths:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        simplejpeg.decode_jpeg(data, "RGB")
        (out / digest).write_bytes(data)


def run_bare(photos: Path, out: Path) -> Cost:
    """What the bare work costs in two processes."""
    out.mkdir()
    paths = [(path, out) for path in sorted(photos.glob("*.jpg"))]
    clock = Clock()
    pool = multiprocessing.get_context("spawn").Pool(2)
    for _ in pool.imap_unordered(bare_work, (paths[i : i + 8] for i in range(0, len(paths), 8))):
        pass
    pool.close()
    pool.join()
    cost = clock.cost()
    shutil.rmtree(out)
    return cost


def run_ingest(photos: Path, home: Path, count: int) -> Cost:
    """What the ingest costs with two processes, from opening the source to the durable version."""
    clock = Clock()
    report = Ingest(Settings(home=home), workers=2).run(open_source(str(photos)).photos())
    cost = clock.cost()
    assert report.new == count, report
    shutil.rmtree(home)
    return cost


def compare(folder: Path, count: int, rounds: int) -> None:
    """Print bare work, ingest and their ratio for every round, and the median ratio."""
    photos = folder / "photos"
    make_photos(photos, count)
    size = sum(path.stat().st_size for path in photos.glob("*.jpg")) / count
    print(f"{count:,} photos of {size / 1000:.0f} KB, {WIDTH} × {HEIGHT}; {multiprocessing.cpu_count()} cores")
    ratios = []
    for number in range(rounds):
        bare = run_bare(photos, folder / "bare")
        full = run_ingest(photos, folder / "home", count)
        ratios.append((full.wall / bare.wall, full.processor / bare.processor))
        print(
            f"round {number + 1}: bare {bare.wall:.1f} s ({bare.processor:.1f} s of processor),"
            f" ingest {full.wall:.1f} s ({full.processor:.1f} s), {count / full.wall:.0f} photos/s;"
            f" ratio {ratios[-1][0]:.2f} ({ratios[-1][1]:.2f} of processor)",
            flush=True,
        )
    wall, processor = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"ingest ÷ bare work, median: {wall:.2f} of time, {processor:.2f} of processor time (promised: at most 1.5)")
    shutil.rmtree(photos)


class RowsOnly(Ingest):
    """An ingest of rows without photos: everything but the examination, which looks at one photo at a time."""

    def _examined(self, photos: Iterable[IncomingPhoto]) -> Iterator[tuple[IncomingPhoto, Examined]]:
        generator = np.random.default_rng(0)
        for photo in photos:
            photo_id = hashlib.sha256(photo.name.encode()).hexdigest()
            box = {"label": "scratch", "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}
            candidate = {
                "photo_id": photo_id,
                "name": photo.name,
                "vehicle": photo.vehicle,
                "split": None,
                "width": WIDTH,
                "height": HEIGHT,
                "annotated": True,
                "annotations": [{**box, "original_label": None, "annotator": None}] * 3,
                "source": "rows",
                "licence": "",
                "consent": "",
                "notes": [],
                "stated": {"kind": "photo", "reason": "", "detail": "", "photo_id": photo_id, "name": photo.name},
            }
            own, mirrored = (int(value) for value in generator.integers(0, 2**64, 2, np.uint64))
            figures = PhotoFigures(photo_id, own, mirrored, dict.fromkeys(STATISTIC_NAMES, 0.5))
            yield photo, Examined(photo_id, candidate, figures)


def ingest_rows(home: Path, rows: int) -> None:
    """Ingest rows and print this process's peak memory and time."""
    photos = (IncomingPhoto(f"{n:09}.jpg", bytes, vehicle=f"car {n // PER_VEHICLE}") for n in range(rows))
    started = time.perf_counter()
    report = RowsOnly(Settings(home=home)).run(photos)
    seconds = time.perf_counter() - started
    assert report.new == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows:>9,} manifest rows: peak memory {peak:,.0f} MiB, {seconds:.1f} s", flush=True)


def measure_memory(folder: Path, rows: int) -> None:
    """Ingest rows in a process of its own, whose peak memory is then theirs alone."""
    home = folder / f"rows-{rows}"
    process = multiprocessing.get_context("spawn").Process(target=ingest_rows, args=(home, rows))
    process.start()
    process.join()
    assert process.exitcode == 0
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
