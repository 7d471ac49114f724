"""A condition report says everything an inspection found, to a buyer, whatever the inspection holds."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pypdf import PageObject, PdfReader
from rectangles import Rectangle, as_photo, rectangles_rgb

from dentwatch.errors import PhotoError
from dentwatch.serving.condition_report import render
from dentwatch.serving.report_input import (
    Accuracy,
    CostRange,
    Figure,
    ReportDamage,
    ReportInput,
    ReportPhoto,
    ReportPrice,
)
from dentwatch.serving.report_pictures import picture
from dentwatch.serving.typesetting import typeset

INSPECTION = "0b8f6c1e-2f0e-4c55-9f4b-6f5f8f1d2a10"
SCRATCH: Rectangle = ("scratch", 100, 80, 60, 30)
PRICE = ReportPrice(
    "EUR", 1420, 3150, "prices/1f0c9a", expected=2010, note="The figures are those of the detected damage."
)


def damage(label: str = "scratch", score: float = 0.83, **changes: object) -> ReportDamage:
    """The damage of :data:`SCRATCH`."""
    return replace(ReportDamage(label, score, *map(float, SCRATCH[1:]), severity="minor"), **changes)


def photo(*damages: ReportDamage, name: str = "left.jpg", **changes: object) -> ReportPhoto:
    data = as_photo(rectangles_rgb(400, 300, SCRATCH), file_format="JPEG")
    whole = ReportPhoto(name, sha256(data).hexdigest(), lambda: data, 400, 300, damages)
    return replace(whole, **changes)


def report(*photos: ReportPhoto, **changes: object) -> ReportInput:
    created = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    return replace(ReportInput(INSPECTION, created, "dentwatch/3", "0.1.0", photos, "VIN-1"), **changes)


def pages_of(pdf: bytes) -> list[str]:
    """What each page says, with single spaces and without the marks at which long words may break."""
    texts = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    return [re.sub(r"\s+", " ", text.replace("\u200b", "")) for text in texts]


def text_of(made: ReportInput) -> str:
    return " ".join(pages_of(render(made)))


def test_a_damage_is_shown_with_everything_known_about_it() -> None:
    found = damage(cost=CostRange(60, 1180), severity_note="its box is cut off by the photo's edge")
    text = text_of(report(photo(found), price=PRICE, listing_id="L-7"))
    for said in (
        *("VIN-1", "L-7", "31 January 2026, 12:30 UTC", "Scratch", "minor", "60 × 30 px", "1.5 %", "high (83 %)"),
        *("EUR 60 – 1 180", "Its box is cut off by the photo's edge.", "400 × 300 px"),
    ):
        assert said in text, said


def test_the_price_is_an_interval_with_its_currency_and_table() -> None:
    text = text_of(report(photo(damage()), price=PRICE))
    assert "EUR 1 420 – 3 150" in text
    assert "with a probability of 80 %" in text
    assert "on average EUR 2 010" in text
    assert "prices/1f0c9a" in text
    assert "The figures are those of the detected damage." in text


def test_what_the_typesetter_needed_ends_with_it() -> None:
    render(report(photo(damage())))
    assert "typst" not in sys.modules  # its compiler keeps hundreds of megabytes of the documents before


def test_a_document_that_cannot_be_set_raises(tmp_path: Path) -> None:
    (tmp_path / "wrong.typ").write_text("#panic()")
    with pytest.raises(subprocess.CalledProcessError):
        typeset(tmp_path / "wrong.typ")


def test_without_a_price_no_price_is_spoken_of() -> None:
    text = text_of(report(photo(damage(cost=CostRange(60, 180)))))
    assert "price" not in text.lower()
    assert "cost" not in text.lower()


def test_a_price_that_nobody_knows_is_said_to_be_unknown() -> None:
    text = text_of(report(photo(warnings=("Too dark.",)), price=replace(PRICE, low=None, high=None, expected=None)))
    assert "Not known No photo could be judged." in text
    assert "EUR" not in text


def test_the_summary_counts_by_label_and_severity() -> None:
    dents = [damage("dent", 0.5, severity=severity) for severity in ("severe", "severe", None)]
    text = text_of(report(photo(damage(), *dents)))
    assert "Damage Minor Severe Not rated All Scratch 1 – – 1 Dent – 2 1 3" in text


def test_what_several_photos_show_has_one_number_and_counts_once() -> None:
    first, second = (damage(group="g", cost=CostRange(60, 180)) for _ in range(2))
    text = text_of(report(photo(first), photo(damage("dent"), second), price=PRICE))
    assert "Visible damage 2 Seen 3 times".lower() in text.lower()
    assert "Counted in photo 1" in text
    assert text.count("Cost if real EUR 60 – 180") == 1


def test_unreliable_photos_say_why() -> None:
    text = text_of(report(photo(damage(), warnings=("It is too dark.",)), photo(warnings=("It is blurred.",)), photo()))
    assert "This photo is unreliable. It is too dark." in text
    assert "Unreliable. It is blurred." in text
    assert "1 of 3 could be judged" in text


def test_photos_that_could_not_be_read_are_listed_with_the_reason() -> None:
    bad = ReportPhoto("notes.txt", "ab" * 32, lambda: b"", error="The file is not a photo in a known format.")
    text = text_of(report(bad))
    assert "1 notes.txt The file is not a photo in a known format." in text
    assert "No photo could be judged, so nothing can be said" in text


def test_a_photo_that_is_gone_does_not_spoil_the_report() -> None:
    def gone() -> bytes:
        raise PhotoError("missing", "The store does not hold it.")

    text = text_of(report(photo(damage(), read=gone), photo(read=lambda: b"no photo", name="b.jpg"), photo(damage())))
    assert "The photo cannot be shown. The store does not hold it." in text
    assert "The file is not a photo in a known format." in text


def test_the_report_says_where_it_comes_from_and_what_it_is_not() -> None:
    shown = photo(damage())
    text = text_of(report(shown))
    for said in (
        INSPECTION,
        "dentwatch/3",
        "0.1.0",
        shown.photo_id,
        "not the appraisal of an expert",
        "It misses damage",
    ):
        assert said in text, said


def test_accuracy_is_told_where_it_is_known() -> None:
    figures = (Figure("Damages that it finds", 0.382, 0.334, 0.431), Figure("Findings that are damage", 0.579))
    text = text_of(report(photo(damage()), accuracy=Accuracy("372 photos of 93 cars", figures)))
    assert "Measured on 372 photos of 93 cars" in text
    assert "Damages that it finds 38 % 33 % – 43 %" in text
    assert "How often" not in text_of(report(photo(damage())))


@pytest.mark.parametrize(
    "hostile",
    [
        '#panic("no") #read("/etc/passwd")',
        "*bold* _it_ `raw` $x^2$ @ref <label> = heading // comment /* \\ #let x = 1",
        '"; #sys.version "',
        "]] }} ${7*7} {{7*7}} #[",
        "Škoda Ωμέγα Лада",
    ],
)
def test_what_clients_write_is_never_markup(hostile: str) -> None:
    shown = photo(damage(hostile, severity=hostile, severity_note=hostile), name=hostile, warnings=(hostile,))
    failed = ReportPhoto(hostile, "ab" * 32, lambda: b"", error=hostile)
    made = report(shown, failed, vehicle_id=hostile, listing_id=hostile, model=hostile, dentwatch_version=hostile)
    text = text_of(made)
    told = re.sub(r"\s+", "", text)
    assert told.count(re.sub(r"\s+", "", hostile)) >= 5
    assert "root:" not in text


@pytest.mark.parametrize("hidden", ["a\x00b", "a\x1b[31mb", "a\u202eb", "a\ud800b", "a\r\n\tb"])
def test_characters_that_nobody_sees_are_left_out(hidden: str) -> None:
    pdf = render(report(photo(damage(), name=hidden), vehicle_id=hidden))
    reader = PdfReader(io.BytesIO(pdf))
    assert re.fullmatch(r"Condition report: a [\[31mb ]*b?", str(reader.metadata and reader.metadata.title))


@pytest.mark.parametrize("name", ["x" * 200, "0123456789-" * 40, "Wagen " * 60])
def test_long_names_stay_on_the_page(name: str) -> None:
    pdf = render(report(photo(damage(), name=name), photo(name=name), vehicle_id=name[:200], listing_id=name[:200]))
    for page in PdfReader(io.BytesIO(pdf)).pages:
        assert _rightmost(page) < float(page.mediabox.width) - 50  # margins of 20 mm are 57 points


def _rightmost(page: PageObject) -> float:
    """Where the text ends that reaches farthest to the right, points, if letters were as narrow as 0.35 em."""
    ends: list[float] = []

    def visit(text: str, _: list[float], matrix: list[float], __: object, size: float) -> None:
        if lines := text.replace("\u200b", "").strip().splitlines():
            ends.append(matrix[4] + 0.35 * size * max(map(len, lines)))

    page.extract_text(visitor_text=visit)
    return max(ends)


@pytest.mark.parametrize("name", ["你好", "🚗 car", "سيارة"])
def test_scripts_without_a_font_do_not_stop_the_report(name: str) -> None:
    reader = PdfReader(io.BytesIO(render(report(photo(damage(), name=name), vehicle_id=name))))
    assert reader.metadata is not None
    assert reader.metadata.title == f"Condition report: {name}"


def test_many_photos_and_many_damages() -> None:
    photos = [photo(*[damage(score=0.9 - n / 50) for n in range(n % 4)], name=f"{n}.jpg") for n in range(1, 41)]
    pages = pages_of(render(report(*photos)))
    text = " ".join(pages)
    assert all(f"Photo {n} " in text for n in range(1, 41))
    assert all(f"Page {n} of {len(pages)}" in page for n, page in enumerate(pages, 1))
    assert all("Condition report VIN-1" in page for page in pages[1:])


def test_no_photos_at_all() -> None:
    assert "0 of 0" in text_of(report())


def test_the_same_input_gives_the_same_bytes() -> None:
    made = report(photo(damage()), photo(), price=PRICE)
    assert render(made) == render(made)


def test_the_pdf_is_accessible_and_says_what_it_is() -> None:
    pdf = render(report(photo(damage()), photo()))
    reader = PdfReader(io.BytesIO(pdf))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == ("Condition report: VIN-1", "Dentwatch 0.1.0")
    assert reader.metadata.creation_date == datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    assert next(entry["/Title"] for entry in reader.outline if isinstance(entry, dict)) == "Summary"
    used = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    fonts = {font["/BaseFont"] for font in used}
    assert fonts
    assert all(re.match(r"/[A-Z]{6}\+", name) for name in fonts)  # embedded subsets: no font of the machine is needed


def test_where_a_photo_was_taken_does_not_travel() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    buffer = io.BytesIO()
    Image.fromarray(rectangles_rgb(400, 300, SCRATCH)).save(buffer, "JPEG", exif=exif)
    assert b"SECRETCAMERA" in buffer.getvalue()
    pictures = picture(buffer.getvalue(), [damage()], 10**8)
    for one in (pictures.photo, *pictures.crops):
        assert b"Exif" not in one.jpeg
    assert b"SECRETCAMERA" not in render(report(photo(damage(), read=buffer.getvalue)))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(400, 300), (300, 400), (3000, 2250)])
def test_boxes_and_crops_lie_on_the_damage(size: tuple[int, int], orientation: int) -> None:
    width, height = size
    x, y, w, h = width // 4, height // 3, width // 8, height // 10
    upright = rectangles_rgb(width, height, ("scratch", x, y, w, h))
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # the camera stored it turned; EXIF says how to turn it back
    data = as_photo(np.ascontiguousarray(np.rot90(upright, turns)), orientation, "JPEG")
    made = picture(data, [damage(x=float(x), y=float(y), width=float(w), height=float(h))], 10**8)
    assert made.photo.aspect == pytest.approx(height / width)
    for one in (made.photo, *made.crops):
        pixels = np.asarray(Image.open(io.BytesIO(one.jpeg))).astype(int)
        rows, columns = np.nonzero((pixels[..., 0] > 180) & (pixels[..., 1] < 80))
        high, wide = pixels.shape[:2]
        left, top, across, down = one.boxes[0]
        bounds = (columns.min() / wide, rows.min() / high, (columns.max() + 1) / wide, (rows.max() + 1) / high)
        assert bounds == pytest.approx((left, top, left + across, top + down), abs=0.02)


@pytest.mark.parametrize("box", [(0, 0, 400, 300), (0, 0, 1, 1), (399, 299, 1, 1), (0, 0, 400, 2), (190, 0, 4, 300)])
def test_boxes_of_any_shape_get_a_crop(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = map(float, box)
    [crop] = picture(photo().read(), [damage(x=x, y=y, width=width, height=height)], 10**8).crops
    assert Image.open(io.BytesIO(crop.jpeg)).size == (480, 360)
