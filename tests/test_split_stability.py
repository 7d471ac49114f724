"""Whatever comes, in whatever portions: no vehicle is in two splits, and none that is in one ever leaves it."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.ingest import Ingest
from dentwatch.data.splitting import split_of_vehicle
from dentwatch.data.validation import Examined
from dentwatch.records.annotations import SPLITS
from dentwatch.records.datasets import DatasetStore
from dentwatch.records.photo_figures import PhotoFigures
from dentwatch.settings import Settings


class Unseen(Ingest):
    """An ingest whose photos are only names; photos with one number in their name look alike."""

    def _examined(self, photos: Iterable[IncomingPhoto]) -> Iterator[tuple[IncomingPhoto, Examined]]:
        for photo in photos:
            photo_id = hashlib.sha256(photo.name.encode()).hexdigest()
            looks = int(np.random.default_rng(int(photo.name.split("/")[1])).integers(0, 2**63))
            stated = {
                "kind": "photo",
                "reason": "contradiction",
                "detail": "",
                "photo_id": photo_id,
                "name": photo.name,
            }
            candidate = {
                **{"photo_id": photo_id, "name": photo.name, "vehicle": photo.vehicle, "split": photo.split},
                **{"width": 9, "height": 9, "annotated": True, "annotations": [], "notes": [], "stated": stated},
                **dict.fromkeys(("source", "licence", "consent"), ""),
            }
            yield (
                photo,
                Examined(photo_id, candidate, PhotoFigures(photo_id, looks, 2**64 - 1 - looks, {"luma_mean": 1.0})),
            )


PHOTOS = st.lists(
    st.builds(
        lambda number, look, vehicle, split: IncomingPhoto(
            f"{number}/{look}", bytes, vehicle=f"car {vehicle}", split=split
        ),
        *(st.integers(0, 30), st.integers(0, 8), st.integers(0, 9), st.sampled_from([None, None, *SPLITS])),
    ),
    max_size=15,
)


@profile(max_examples=20, deadline=None)
@given(st.lists(PHOTOS, min_size=1, max_size=3))
def test_vehicles_stay_where_they_are(portions: list[list[IncomingPhoto]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings, splits = Settings(home=Path(folder)), dict[str, str]()
        for portion in portions:
            report = Unseen(settings).run(portion)
            if report.version is None:
                continue
            now: dict[str, set[str]] = {}
            for row in DatasetStore(settings.dataset_store_url).get("latest").photos():
                now.setdefault(row.vehicle, set()).add(row.split)
            assert all(len(found) == 1 for found in now.values())
            assert {vehicle: now[vehicle] for vehicle in splits} == {
                vehicle: {split} for vehicle, split in splits.items()
            }
            splits = {vehicle: next(iter(found)) for vehicle, found in now.items()}
            assert report.split_origins.total() == len(splits)


@profile(max_examples=15, deadline=None)
@given(PHOTOS, st.randoms(use_true_random=False))
def test_the_version_does_not_depend_on_the_order(photos: list[IncomingPhoto], chance: object) -> None:
    ids = set()
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            report = Unseen(Settings(home=Path(folder))).run(photos)
            ids.add(report.version.id if report.version else None)
        chance.shuffle(photos)  # type: ignore[attr-defined]
    assert len(ids) == 1


def test_vehicles_without_a_word_about_them_follow_their_hash(tmp_path: Path) -> None:
    Unseen(Settings(home=tmp_path)).run(IncomingPhoto(f"{n}/{n}", bytes, vehicle=f"car {n // 2}") for n in range(60))
    for row in DatasetStore(str(tmp_path / "datasets")).get("latest").photos():
        assert row.split == split_of_vehicle(row.vehicle, 0.15, 0.15)
