"""A photo that was submitted for another vehicle before: the same file, or one that looks the same, also mirrored.

The same file is found in the database by its id. Look-alikes are found in an index of perceptual hashes in memory,
which every process keeps for itself and brings up to date from the database, so that what others have kept is found,
too. The index only proposes: what is answered is read from the database.
"""

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, bindparam, func, or_, select

from dentwatch.data.statistics import PhotoStatistics
from dentwatch.records.tables import inspection_photos, inspections
from dentwatch.serving.hash_bands import HashBands

MIN_CONTRAST = 20.0
"""Contrast (standard deviation of luma, 0–255) below which a photo is not compared by its looks.

What such a photo shows is a gradient, and gradients look alike: ``docs/vehicles.md`` has the figures.
"""
_WINDOW = 1000  # newest inspections among which a missing number may still be on its way from another process
_PATIENCE_S = 3600.0  # how long an inspection that is missing or under way is asked for again
_BATCH = 20_000  # inspections read at a time
_MOST = 20  # earlier submissions named for one photo
_PLACES = 1 << 16  # an entry of the index is number × _PLACES + position

# Made once: every inspection asks, and making a statement costs more than having it answered.
_LAST = select(func.max(inspections.c.number))
_PHOTOS = select(
    inspections.c.number,
    inspections.c.status,
    inspection_photos.c.position,
    inspection_photos.c.perceptual_hash,
    inspection_photos.c.vehicle_id,
).outerjoin_from(inspections, inspection_photos, inspection_photos.c.inspection_id == inspections.c.id)
_NEWER = _PHOTOS.where(inspections.c.number.between(bindparam("first"), bindparam("last")))
_THESE = _PHOTOS.where(inspections.c.number.in_(bindparam("numbers", expanding=True)))
_OTHERS = (
    select(
        inspections.c.number,
        inspection_photos.c.inspection_id,
        inspection_photos.c.position,
        inspection_photos.c.vehicle_id,
    )
    .join_from(inspection_photos, inspections, inspections.c.id == inspection_photos.c.inspection_id)
    .where(inspection_photos.c.vehicle_id != bindparam("vehicle_id"))
    .order_by(inspections.c.number, inspection_photos.c.position)
)
_SAME_FILE = _OTHERS.where(inspection_photos.c.photo_id == bindparam("photo_id")).limit(_MOST)


@dataclass(frozen=True, slots=True)
class Reuse:
    """An earlier submission of a photo for another vehicle.

    ``kind`` is ``exact`` (the same file) or ``near`` (looks the same); ``distance`` is the number of bits, of 64, in
    which the perceptual hashes differ, ``mirrored`` whether they do so after mirroring. Whose it was is None where the
    reader may not know.
    """

    inspection_id: str | None
    position: int | None
    vehicle_id: str | None
    kind: Literal["exact", "near"]
    distance: int = 0
    mirrored: bool = False


def is_distinctive(statistics: PhotoStatistics) -> bool:
    """Whether a photo shows enough to be compared by its looks; keep no perceptual hash of one that does not."""
    return statistics.contrast >= MIN_CONTRAST


class ReuseIndex:
    """Finds photos of other vehicles whose hashes differ in at most ``distance`` bits.

    A photo of which no vehicle is known is neither indexed nor looked for: nobody can say that the vehicle is another.
    Threads may share an index; every process makes its own. The connections that it is given are of one database; what
    they raise goes through.
    """

    def __init__(self, distance: int) -> None:
        self._bands = HashBands(distance)
        self._reading = threading.Lock()  # one refresh at a time
        self._changing = (
            threading.Lock()
        )  # held while the hashes change or are searched, never while the database is read
        self._newest = 0
        self._awaited: dict[int, float] = {}  # inspections that are missing or under way, since when

    def __len__(self) -> int:
        return len(self._bands)

    def refresh(self, connection: Connection) -> int:
        """Take in what was kept since the last time, by any process; the number of photos that are new.

        The first call reads all.
        """
        with self._reading:
            before = len(self._bands)
            now = time.monotonic()
            self._awaited = {number: since for number, since in self._awaited.items() if now - since < _PATIENCE_S}
            waiting = sorted(self._awaited)
            for start in range(0, len(waiting), _WINDOW):
                self._take(connection.execute(_THESE, {"numbers": waiting[start : start + _WINDOW]}), now)
            self._take_newer(connection, now)
            return len(self._bands) - before

    def find(
        self, connection: Connection, photo_id: str, own_hash: int | None, mirrored: int | None, vehicle_id: str | None
    ) -> list[Reuse]:
        """Earlier submissions of a photo for other vehicles: same files first, then the most alike; 20 at most.

        ``own_hash`` and ``mirrored`` are its ``perceptual_hashes``, None to look for the same file only.
        """
        if vehicle_id is None:
            return []
        near: dict[int, tuple[int, bool]] = {}
        with self._changing:
            for value, is_mirrored in ((own_hash, False), (mirrored, True)):
                if value is not None:
                    for entry, bits in self._bands.find(value, _digest(vehicle_id), _MOST):
                        near[entry] = min(near.get(entry, (bits, is_mirrored)), (bits, is_mirrored))
        same = connection.execute(_SAME_FILE, {"photo_id": photo_id, "vehicle_id": vehicle_id})
        found = [_reuse(row, "exact") for row in same.mappings()]
        alike = _rows(connection, vehicle_id, photo_id, near)
        found += sorted(alike, key=lambda reuse: reuse.distance)
        return found[:_MOST]

    def _take_newer(self, connection: Connection, now: float) -> None:
        """Read the inspections that are newer than the newest that was read."""
        last = connection.scalar(_LAST) or 0
        while self._newest < last:
            first, end = self._newest + 1, min(last, self._newest + _BATCH)
            seen = self._take(connection.execute(_NEWER, {"first": first, "last": end}), now)
            # PostgreSQL gives numbers out before it commits, so a lower one may become visible after a higher one.
            self._awaited |= dict.fromkeys(set(range(max(first, last - _WINDOW), end + 1)) - seen, now)
            self._newest = end

    def _take(self, rows: Iterable[Any], now: float) -> set[int]:
        """Index the photos of inspections; returns the inspections' numbers."""
        seen = set()
        hashes, vehicles, entries = [], [], []
        for number, status, position, value, vehicle in rows:
            seen.add(number)
            if status == "pending":  # its hashes come when it is done
                self._awaited.setdefault(number, now)
                continue
            self._awaited.pop(number, None)
            if value is not None and vehicle is not None:
                hashes.append(value)
                vehicles.append(_digest(vehicle))
                entries.append(number * _PLACES + position)
        with self._changing:
            self._bands.add(hashes, vehicles, entries)
        return seen


def _rows(connection: Connection, vehicle_id: str, photo_id: str, near: dict[int, tuple[int, bool]]) -> Iterable[Reuse]:
    """What the index proposed, as the database has it; the same file is left out."""
    if not near:
        return []
    places = [
        and_(inspections.c.number == entry // _PLACES, inspection_photos.c.position == entry % _PLACES)
        for entry in near
    ]
    wanted = _OTHERS.where(inspection_photos.c.photo_id != photo_id, or_(*places))
    return [
        _reuse(row, "near", *near[row["number"] * _PLACES + row["position"]])
        for row in connection.execute(wanted, {"vehicle_id": vehicle_id}).mappings()
    ]


def _reuse(row: RowMapping, kind: Literal["exact", "near"], distance: int = 0, mirrored: bool = False) -> Reuse:
    return Reuse(row["inspection_id"], row["position"], row["vehicle_id"], kind, distance, mirrored)


def _digest(vehicle_id: str) -> int:
    """64 bits that stand for a vehicle in the index: eight bytes instead of a string."""
    return int.from_bytes(hashlib.blake2b(vehicle_id.encode(), digest_size=8).digest(), "little")
