"""How many synthetic photos a second two processes make: ``python benchmarks/synthetic.py [COUNT]``.

Prints photos per second at 640 px after the processes have started (what a long run sees) and all in. On a machine that
is busy with something else only the last line says anything: the processor time that a photo takes.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from dentwatch.data.synthetic import generate

GOAL = 15.0
WORKERS = 2


def main(count: int) -> None:
    """Generate ``count`` photos and print the rates."""
    finished: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        generate(
            Path(folder) / "set",
            count,
            seed=1,
            workers=WORKERS,
            on_progress=lambda done, _count: finished.append((time.perf_counter(), done)),
        )
        whole = time.perf_counter() - start
    # The first results wait for the processes to start and to import NumPy and OpenCV.
    (first, before), (last, after) = finished[len(finished) // 5], finished[-1]
    steady = (after - before) / (last - first)
    print(f"{count} photos of 640 px on {WORKERS} processes")
    print(f"steady: {steady:.1f} photos/s (goal {GOAL:.0f}: {'met' if steady >= GOAL else 'missed'})")
    print(f"all in: {count / whole:.1f} photos/s")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    each = (used.ru_utime + used.ru_stime) / count
    print(
        f"processor time, start-up included: {each * 1000:.0f} ms per photo, so {WORKERS / each:.1f} photos/s at most"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 240)
