"""Whatever is called a photo is answered or refused with a reason, and the service goes on."""

import hashlib
from pathlib import Path

from kills import workers_of
from photo_fuzz import KINDS, fuzzed
from photo_seeds import seeds
from photo_storm import BATCH, Storm
from running_service import serving

from dentwatch.data.decoding import decode, size_of
from dentwatch.errors import PhotoError
from dentwatch.records.model_bundle import ModelBundle

COUNT = 10 * BATCH
LONGEST_SECONDS = 20.0  # for one photo, on a machine that does other things, too


def test_no_spoilt_photo_brings_the_service_down(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
        [worker] = workers_of(service.process.pid)
        storm = Storm()
        assert list(storm.send(service, fuzzed(COUNT)))[-1] == COUNT
        assert storm.wrong == []
        assert workers_of(service.process.pid) == [worker]
        assert service.client.get("/readyz").status_code == 200
    reasons = {reason for _, reason in storm.outcomes}
    assert reasons == {"answered", "not_an_image", "unreadable", "truncated", "decompression_bomb"}
    assert storm.slowest[0] < LONGEST_SECONDS, storm.slowest


def test_a_photo_in_the_middle_of_a_body_is_what_it_is_by_itself() -> None:
    """Photos are read where they lie; nothing of what lies around them may show."""

    def outcome(data: bytes | memoryview) -> object:
        try:
            size: object = size_of(data)
        except PhotoError as error:
            size = error.reason
        try:
            photo = decode(data, max_pixels=10**6, target_side=60)
        except PhotoError as error:
            return size, error.reason, str(error)
        return size, photo.rgb.tobytes(), photo.width, photo.height, photo.scale, photo.orientation, photo.file_format

    photos = [*seeds().values(), *(photo.data for photo in fuzzed(len(KINDS) * 12, seed=3))]
    around = seeds()["jpg-baseline"]
    for data in photos:
        body = memoryview(around + data + around)
        assert outcome(body[len(around) : len(around) + len(data)]) == outcome(data)


def test_the_same_seed_gives_the_same_photos_and_another_one_others() -> None:
    def digests(seed: int) -> list[str]:
        return [hashlib.sha256(photo.data).hexdigest() for photo in fuzzed(len(KINDS) * 2, seed)]

    assert digests(1) == digests(1)
    assert digests(1) != digests(2)


def test_the_photos_that_are_spoilt_were_in_order() -> None:
    refused = {}
    for name, data in seeds().items():
        try:
            assert decode(data, max_pixels=10**6).rgb.size == 96 * 64 * 3
        except PhotoError as error:
            refused[name] = error.reason
    assert refused == {"jpg-12-bit": "unreadable"}  # no decoder here knows it; it is refused in words
