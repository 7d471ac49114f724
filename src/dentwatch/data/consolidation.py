"""From examined photos to the rows of a dataset version: duplicates merged, look-alikes noted, splits assigned."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dentwatch.data.ingest_report import IngestReport
from dentwatch.data.merging import merge, preferred_first
from dentwatch.data.near_duplicates import near_pairs
from dentwatch.data.splitting import LookAlikes, split_of_group, split_of_vehicle
from dentwatch.data.staging import Staging
from dentwatch.records.annotations import PhotoRecord, Split
from dentwatch.records.canonical import record_from_plain, record_to_plain
from dentwatch.records.datasets import DatasetVersion
from dentwatch.records.set_aside import SetAside
from dentwatch.settings import DataSettings


class Consolidation:
    """Turns what an ingest staged into rows, in four steps that each need the one before.

    The result depends on what was staged and on the version before, never on the order in which photos came.
    """

    def __init__(
        self, staging: Staging, settings: DataSettings, report: IngestReport, *, frozen_test: bool = False
    ) -> None:
        self._staging = staging
        self._database = staging.database
        self._settings = settings
        self._report = report
        self._frozen_test = frozen_test

    def run(self, base: DatasetVersion | None, *, update: bool) -> None:
        """Take all steps; :meth:`rows` then gives the rows."""
        if base is not None:
            self._staging.put_rows((record_to_plain(record), True) for record in base.photos())
        self._merge_duplicates(update)
        look_alikes = self._note_look_alikes()
        self._assign_splits(look_alikes)
        self._check_splits()

    def rows(self) -> Iterator[PhotoRecord]:
        """The rows of the version to be, by photo id."""
        self._database.execute(
            "INSERT OR IGNORE INTO remarks SELECT DISTINCT photo_id, 'annotations_set_aside' FROM set_aside"
            " WHERE kind = 'annotation' AND photo_id IS NOT NULL"
        )
        query = (
            "SELECT content, rows.split, (SELECT json_group_array(note) FROM remarks WHERE photo_id = rows.photo_id)"
            " FROM rows ORDER BY photo_id"
        )
        for content, split, notes in self._database.execute(query):
            plain = json.loads(content)
            plain["split"] = split
            plain["notes"] = sorted(set(plain["notes"]) - {"annotations_set_aside"} | set(json.loads(notes)))
            yield record_from_plain(plain)

    def _merge_duplicates(self, update: bool) -> None:
        for group in self._staging.candidates():
            before = self._staging.row(group[0]["photo_id"])
            row, known = before, before is not None
            for copy in preferred_first(group):
                stated, adds = SetAside(**copy.pop("stated")), copy.pop("adds")
                if row is None:
                    row = copy
                    self._report.new += 1
                    continue
                merged = merge(row, copy, adds=adds, update=update and before is not None)
                if merged is None:
                    self._set_aside_contradiction(row, stated)
                    continue
                self._count_copy(row, copy, known)
                row, known = merged, False  # a known photo counts once, further copies of it are duplicates
            if row is not None and row != before:
                self._report.updated += before is not None
                self._staging.put_rows([(row, before is not None)])

    def _count_copy(self, row: dict[str, Any], copy: dict[str, Any], known: bool) -> None:
        self._report.known += known
        self._report.duplicates += not known
        if row["split"] and copy["split"] and row["split"] != copy["split"]:
            self._report.split_conflicts.add(
                f"{copy['name']} is the same photo as {row['name']} but stated to be in {copy['split']},"
                f" not {row['split']}."
            )

    def _set_aside_contradiction(self, row: dict[str, Any], stated: SetAside) -> None:
        detail = f"The same photo is known as {row['name']} ({row['source']}) with other annotations."
        self._staging.drop_annotation_entries(stated)
        self._staging.add_set_aside(replace(stated, detail=detail))
        self._report.contradictions.add(f"{stated.name}: {detail}")

    def _note_look_alikes(self) -> LookAlikes:
        """Note near duplicates on new photos, and link the vehicles that share them."""
        hashes, mirrored, vehicles, kept = self._hashes()
        look_alikes = LookAlikes()
        distance = self._settings.near_duplicate_distance
        for i, j, is_mirrored in near_pairs(hashes, mirrored, vehicles, kept == 0, distance):
            self._note_pair(i, j, is_mirrored, look_alikes)
        return look_alikes

    def _hashes(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
        """Hash, mirrored hash, vehicle (as a number) and whether it is kept, of every photo; 32 bytes each."""
        self._database.execute(
            "CREATE TEMP TABLE hashed AS SELECT photo_id, vehicle, own, mirrored, kept,"
            " DENSE_RANK() OVER (ORDER BY vehicle) AS number"
            " FROM rows JOIN figures USING (photo_id) ORDER BY photo_id"
        )
        self._database.execute("CREATE TEMP TABLE pairs (one TEXT, other TEXT)")
        count = self._database.execute("SELECT COUNT(*) FROM hashed").fetchone()[0]
        query = self._database.execute("SELECT own, mirrored, number, kept FROM hashed ORDER BY rowid")
        columns = np.fromiter((value for row in query for value in row), np.int64, 4 * count).reshape(count, 4).T.copy()
        return columns[0].view(np.uint64), columns[1].view(np.uint64), columns[2], columns[3]

    def _note_pair(self, i: int, j: int, is_mirrored: bool, look_alikes: LookAlikes) -> None:
        query = "SELECT photo_id, vehicle, kept FROM hashed WHERE rowid = ?"
        (one, vehicle, kept), (other, other_vehicle, other_kept) = (
            self._database.execute(query, (number + 1,)).fetchone() for number in (i, j)
        )
        apart = vehicle != other_vehicle
        for photo_id, stands in ((one, kept), (other, other_kept)):
            if not stands:
                self._staging.remark(photo_id, "near_duplicate_elsewhere" if apart else "near_duplicate")
                if is_mirrored:
                    self._staging.remark(photo_id, "near_duplicate_mirrored")
        if apart:
            look_alikes.link(vehicle, other_vehicle)
            self._database.execute("INSERT INTO pairs VALUES (?, ?)", (one, other))

    def _assign_splits(self, look_alikes: LookAlikes) -> None:
        execute = self._database.execute
        execute("INSERT INTO vehicles SELECT vehicle, MIN(split), 'kept' FROM rows WHERE kept GROUP BY vehicle")
        frozen = self._frozen_test and self._has_test()
        self._take_stated_splits()
        shares = self._settings.val_share, 0.0 if frozen else self._settings.test_share
        insert = "INSERT OR IGNORE INTO vehicles VALUES (?, ?, 'look-alike')"
        for group in look_alikes.groups():
            marks = ((vehicle, self._split_of(vehicle)) for vehicle in group)
            known = {vehicle: split for vehicle, split in marks if split is not None}
            split = split_of_group(group, known, *shares)
            if frozen and split == "test":
                split = "val"  # it looks like a photo of test: nothing may be learnt from it
            self._database.executemany(insert, ((vehicle, split) for vehicle in group))
        self._database.create_function("split_of_vehicle", 1, lambda vehicle: split_of_vehicle(vehicle, *shares))
        execute("INSERT OR IGNORE INTO vehicles SELECT DISTINCT vehicle, split_of_vehicle(vehicle), 'hash' FROM rows")
        execute(
            "UPDATE rows SET split = (SELECT split FROM vehicles WHERE vehicles.vehicle = rows.vehicle) WHERE NOT kept"
        )
        self._report.split_origins.update(dict(execute("SELECT origin, COUNT(*) FROM vehicles GROUP BY origin")))

    def _take_stated_splits(self) -> None:
        """Vehicles without a split take the one that their photos state most often; of equals train, val, test."""
        self._database.execute(
            "INSERT INTO vehicles SELECT vehicle, stated, 'stated' FROM (SELECT vehicle, stated, ROW_NUMBER() OVER ("
            " PARTITION BY vehicle ORDER BY COUNT(*) DESC, INSTR('train val test', stated)) AS place"
            " FROM rows WHERE NOT kept AND stated IS NOT NULL AND vehicle NOT IN (SELECT vehicle FROM vehicles)"
            " GROUP BY vehicle, stated) WHERE place = 1"
        )

    def _has_test(self) -> bool:
        return self._database.execute("SELECT 1 FROM vehicles WHERE split = 'test' LIMIT 1").fetchone() is not None

    def _split_of(self, vehicle: str) -> Split | None:
        found = self._database.execute("SELECT split FROM vehicles WHERE vehicle = ?", (vehicle,)).fetchone()
        return found[0] if found else None

    def _check_splits(self) -> None:
        """Report stated splits that could not be kept, and look-alikes that stated splits tear apart."""
        conflicts = (
            "SELECT photo_id, vehicle, stated, split, content FROM rows"
            " WHERE NOT kept AND stated IS NOT NULL AND stated != split ORDER BY photo_id"
        )
        for photo_id, vehicle, stated, split, content in self._database.execute(conflicts):
            name = json.loads(content)["name"]
            self._staging.remark(photo_id, "split_conflict")
            self._report.split_conflicts.add(
                f"{name} is stated to be in {stated}, but its vehicle {vehicle} is in {split}."
            )
        leaks = (
            "SELECT a.content, a.split, b.content, b.split FROM pairs"
            " JOIN rows a ON a.photo_id = one JOIN rows b ON b.photo_id = other"
            " WHERE a.split != b.split ORDER BY one, other"
        )
        for one, split, other, other_split in self._database.execute(leaks):
            name, other_name = (json.loads(content)["name"] for content in (one, other))
            self._report.leaks.add(f"{name} in {split} looks like {other_name} in {other_split}.")
        notes = self._database.execute(
            "SELECT note, COUNT(*) FROM remarks GROUP BY note UNION ALL SELECT value, COUNT(*) FROM rows,"
            " json_each(rows.content, '$.notes') WHERE NOT kept GROUP BY value"
        )
        for note, count in notes:
            self._report.notes[note] += count
