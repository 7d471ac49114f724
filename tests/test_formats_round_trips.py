"""What is exported in a format and read again is what it was, whatever the formats in between."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dentwatch.data.formats.export import WRITERS, export
from dentwatch.data.incoming import IncomingPhoto
from dentwatch.data.sources import open_source
from dentwatch.records.annotations import SPLITS, Annotation, Box, PhotoRecord
from dentwatch.records.labels import LABELS


class Photos(dict[str, bytes]):
    """Bytes by photo id."""

    def put(self, data: bytes) -> str:
        photo_id = hashlib.sha256(data).hexdigest()
        self[photo_id] = data
        return photo_id

    def get(self, photo_id: str) -> bytes:  # type: ignore[override]
        return self[photo_id]


def record_of(photo: IncomingPhoto, photos: Photos) -> PhotoRecord:
    """A photo that was read as the record it came from; validation would do no more to a clean photo."""
    assert photo.problems == ()
    return PhotoRecord(
        photo_id=photos.put(photo.read()),
        name=photo.name,
        vehicle=photo.vehicle or "",
        split=photo.split or "train",
        width=photo.width or 0,
        height=photo.height or 0,
        annotated=photo.annotations is not None,
        annotations=tuple(
            Annotation(item.label, item.box, item.original_label, item.annotator) for item in photo.annotations or ()
        ),
        source=photo.source,
        licence=photo.licence or "",
        consent=photo.consent or "",
        notes=photo.notes,
    )


def read_back(folder: Path, format: str, photos: Photos) -> list[PhotoRecord]:
    source = open_source(str(folder))
    annotated = any(folder.rglob("*.xml")) or format != "voc"
    assert source.format == ("yolo" if format == "yolo-roboflow" else format if annotated else "photos")
    found = sorted((record_of(photo, photos) for photo in source.photos()), key=lambda record: record.photo_id)
    assert source.count() == len(found)
    return found


def assert_same(found: Iterable[PhotoRecord], expected: Iterable[PhotoRecord]) -> None:
    found, expected = list(found), sorted(expected, key=lambda record: record.photo_id)
    assert [without_boxes(record) for record in found] == [without_boxes(record) for record in expected]
    for one, other in zip(found, expected, strict=True):
        for mine, theirs in zip(one.annotations, other.annotations, strict=True):
            assert mine.box.xyxy == pytest.approx(theirs.box.xyxy, rel=1e-9, abs=1e-7)


def without_boxes(record: PhotoRecord) -> PhotoRecord:
    return replace(record, annotations=tuple(replace(item, box=Box(0, 0, 0, 0)) for item in record.annotations))


words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), max_size=12).map(str.strip)
some_words = words.filter(bool)
sides = st.integers(1, 20_000)


@st.composite
def annotations_within(draw: st.DrawFn, width: int, height: int) -> Annotation:
    share = st.floats(0, 1, allow_subnormal=False)
    x, y = draw(share) * width, draw(share) * height
    box = Box(x, y, draw(share) * (width - x), draw(share) * (height - y))
    label = draw(st.sampled_from([*LABELS, "né 文"]))
    return Annotation(label, box, draw(st.none() | some_words), draw(st.none() | some_words))


@st.composite
def record_lists(draw: st.DrawFn) -> list[tuple[PhotoRecord, bytes]]:
    """Records as a dataset version may hold them: odd names, equal names, boxes anywhere in the photo."""
    result = []
    for number in range(draw(st.integers(1, 4))):
        data = f"not quite a photo {number}".encode()
        width, height, annotated = draw(sides), draw(sides), draw(st.booleans())
        annotations = st.lists(annotations_within(width, height), max_size=3) if annotated else st.just([])
        folders = draw(st.lists(st.sampled_from(["images", "train", "a b", "é", "labels", "..", "."]), max_size=3))
        usual = ["same.jpg", "same.png", "SAME.JPG", "no ending", ".hidden.jpeg", "ü 1.webp"]
        record = PhotoRecord(
            photo_id=hashlib.sha256(data).hexdigest(),
            name="/".join([*folders, draw(st.sampled_from(usual) | some_words)]),
            vehicle=draw(some_words),
            split=draw(st.sampled_from(SPLITS)),
            width=width,
            height=height,
            annotated=annotated,
            annotations=tuple(draw(annotations)),
            source=draw(words),
            licence=draw(words),
            consent=draw(words),
            notes=tuple(draw(st.lists(some_words, max_size=2))),
        )
        result.append((record, data))
    return result


@pytest.mark.parametrize(("first", "second"), list(product(WRITERS, WRITERS)))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(pairs=record_lists())
def test_nothing_is_lost_from_one_format_to_another(
    first: str, second: str, pairs: list[tuple[PhotoRecord, bytes]]
) -> None:
    records = [record for record, _ in pairs]
    photos = Photos({record.photo_id: data for record, data in pairs})
    with TemporaryDirectory() as folder:
        export(records, photos, Path(folder, "first"), first)
        once = read_back(Path(folder, "first"), first, photos)
        assert_same(once, records)
        export(once, photos, Path(folder, "second"), second)
        assert_same(read_back(Path(folder, "second"), second, photos), records)


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("annotated", list(product((False, True), repeat=3)))
def test_a_photo_named_like_one_in_the_folder_of_a_split_is_not_taken_for_it(
    format: str, annotated: tuple[bool, ...], tmp_path: Path
) -> None:
    photos, records = Photos(), []
    for number, (name, seen) in enumerate(
        zip(("same.jpg", "train/same.jpg", "images/same.jpg"), annotated, strict=True)
    ):
        photo_id = photos.put(f"photo {number}".encode())
        boxes = (Annotation("dent", Box(number, 1, 2, 3)),) if seen else ()
        records.append(PhotoRecord(photo_id, name, f"V{number}", "train", 20, 20, annotated=seen, annotations=boxes))
    export(records, photos, tmp_path / "out", format)
    assert_same(read_back(tmp_path / "out", format, photos), records)


@pytest.fixture(scope="module")
def real(shared: Path) -> Iterator[tuple[list[PhotoRecord], Photos]]:
    """Every 27th of the real photos: 40 with their annotations."""
    photos = Photos()
    incoming = list(open_source(str(shared / "photos" / "bilgi")).photos())[::27]
    yield [record_of(photo, photos) for photo in incoming], photos


@pytest.mark.parametrize("format", WRITERS)
def test_real_photos_survive_every_format(format: str, real: tuple[list[PhotoRecord], Photos], tmp_path: Path) -> None:
    records, photos = real
    exported = export(records, photos, tmp_path / "out", format)
    assert (exported.photos, exported.annotations) == (40, sum(len(record.annotations) for record in records))
    assert_same(read_back(tmp_path / "out", format, photos), records)


@pytest.mark.parametrize("format", WRITERS)
def test_boxes_labels_and_splits_survive_without_the_sidecar(
    format: str, real: tuple[list[PhotoRecord], Photos], tmp_path: Path
) -> None:
    """Other tools do not know the sidecar: what the format itself has a place for is written there too."""
    records, photos = real
    export(records, photos, tmp_path / "out", format)
    (tmp_path / "out" / "dentwatch.jsonl").unlink()
    found = read_back(tmp_path / "out", format, photos)
    assert_same(map(bare, found), map(bare, records))


def bare(record: PhotoRecord) -> PhotoRecord:
    """The record with what every format has a place for."""
    annotations = tuple(Annotation(item.label, item.box) for item in record.annotations)
    size = record.width, record.height
    return PhotoRecord(record.photo_id, "", "", record.split, *size, record.annotated, annotations)
