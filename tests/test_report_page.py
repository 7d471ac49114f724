"""The pages that people read: complete in one file, true to the figures, and right in a real browser."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluation_cases import found, judged, mark, outcome, random_outcomes, stored

from dentwatch.errors import DataError
from dentwatch.records.annotations import Box
from dentwatch.records.photos import PhotoStore
from dentwatch.training.evaluation.charts import Axis, Series, line_chart, nice_step, span_bar
from dentwatch.training.evaluation.comparison import compare, write_comparison
from dentwatch.training.evaluation.matching import PhotoOutcome
from dentwatch.training.evaluation.pictures import DrawnBox, Picture
from dentwatch.training.evaluation.repairs import gains
from dentwatch.training.evaluation.report import share, write_report
from dentwatch.training.evaluation.result import EvaluationResult

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

Photos = tuple[list[PhotoOutcome], PhotoStore]
"""What was judged, and the store of its drawn photos."""

TRAINING = [(epoch, {"train/loss": 3 / (epoch + 1), "val/ap50": epoch / 30}) for epoch in range(10)]


class Page(HTMLParser):
    """What a page refers to, what it shows, and whether its elements are closed in order."""

    VOID = ("meta", "br", "input", "link", "img", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.classes: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action", "srcset", "data", "poster"):
                self.references.append(value or "")
            if name == "class":
                self.classes += (value or "").split()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    return stored(random_outcomes(31, photos=24, noise=4), tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def page(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluationResult, Path]:
    result = judged(photos[0])
    out = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    return result, write_report(result, out, photos[1], TRAINING, "A word of warning.")


@pytest.fixture(scope="module")
def comparison(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = [judged(photos[0]), judged(photos[0], "dentwatch/2", scratch=0.9, dent=0.8)]
    return write_comparison(results, tmp_path_factory.mktemp("both") / "comparison.html", photos[1])


def test_the_page_needs_nothing_but_itself(page: tuple[EvaluationResult, Path], comparison: Path) -> None:
    for path in (page[1], comparison):
        text = path.read_text(encoding="utf-8")
        read = Page(text)
        assert read.open == []
        assert all(reference.startswith(("data:", "#")) for reference in read.references)
        assert "<script" not in text
        without_data = re.sub(r"data:[^\"]*", "", text)
        assert "//" not in without_data, "an address of another place"
        assert "url(" not in without_data and "@import" not in without_data


def test_the_page_says_what_was_measured(page: tuple[EvaluationResult, Path]) -> None:
    result, path = page
    words = Page(path.read_text(encoding="utf-8")).words
    for expected in (
        "dentwatch/1 on val",
        "24 photos of 8 vehicles",
        "A word of warning.",
        f"{result.figures['ap50'].value:.3f}",
        share(result.figures["recall"].value),
        f"{result.truths:,}",
        "95 % intervals from 60 resamples of the 8 vehicles",
        "0123456789ab",
        "Losses",
        "Speed was not measured.",
        f"boxes where nothing is annotated, left out {gains(result.outcomes(), result.labels)['nothing']:.3f}",
    ):
        assert expected in words


def test_the_figures_can_be_taken_along(page: tuple[EvaluationResult, Path]) -> None:
    result, path = page
    [document] = re.findall(r'href="data:application/json;base64,([^"]+)"', path.read_text(encoding="utf-8"))
    taken = json.loads(base64.b64decode(document))
    assert taken["figures"]["ap50"]["value"] == result.figures["ap50"].value
    assert "photos" not in taken


def test_pictures_are_small_jpegs_with_the_boxes_of_their_photo(page: tuple[EvaluationResult, Path]) -> None:
    text = page[1].read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    assert len(pictures) > 20
    assert all(base64.b64decode(one).startswith(b"\xff\xd8\xff") for one in pictures)
    assert page[1].stat().st_size < 3_000_000
    kinds = set(Page(text).classes)
    assert {"right", "wrong", "missed", "found", "beside"} <= kinds


def test_names_are_shown_as_they_are_and_never_run(tmp_path: Path) -> None:
    evil = '<img src=x onerror="alert(1)">.jpg'
    result = judged([outcome([mark("dent", 0, 0)], [found("dent", 0.9, 0, 0)], name=evil)], "<b>model</b>")
    text = write_report(result, tmp_path / "report.html", None).read_text(encoding="utf-8")
    assert evil not in text and "<b>model</b>" not in text
    assert evil in Page(text).words


@pytest.mark.parametrize(
    ("marks", "detections", "sentence"),
    [
        ([], [], "nothing can be said about what the model finds"),
        ([mark("dent", 0, 0)], [], "it marks nothing"),
        ([], [found("dent", 0.9, 0, 0)], "nothing can be said about what the model finds"),
    ],
)
def test_a_page_is_written_even_if_there_is_nothing_to_show(
    tmp_path: Path, marks: list, detections: list, sentence: str
) -> None:
    path = write_report(judged([outcome(marks, detections)]), tmp_path / "report.html", None)
    read = Page(path.read_text(encoding="utf-8"))
    assert sentence in read.words
    assert read.open == []
    assert "nan" not in read.words.lower().split()


def test_a_photo_that_is_gone_leaves_its_boxes(tmp_path: Path) -> None:
    result = judged([outcome([mark("dent", 0, 0)], [found("dent", 0.9, 300, 300)])])
    words = Page(write_report(result, tmp_path / "report.html", None).read_text(encoding="utf-8")).words
    assert "photo not available" in words


def test_the_comparison_says_what_is_better_worse_and_unclear(photos: Photos, comparison: Path) -> None:
    first, second = judged(photos[0]), judged(photos[0], "dentwatch/2", scratch=0.9, dent=0.8)
    changes = compare(first, second)
    assert changes["ap50"].direction == "unclear"
    assert changes["ap50"].difference.value == 0.0
    assert changes["recall"].direction == "worse"
    assert changes["false_negative_rate"].direction == "worse"
    assert changes["false_per_photo"].direction == "better"
    read = Page(comparison.read_text(encoding="utf-8"))
    assert "dentwatch/2 against dentwatch/1: AP50 is not clearly different" in read.words
    assert {"better", "worse", "unclear"} <= set(read.classes)


def test_models_judged_on_different_photos_are_not_compared(tmp_path: Path) -> None:
    first, second = judged(random_outcomes(1)), judged(random_outcomes(2), "dentwatch/2")
    with pytest.raises(DataError, match="dentwatch/1 was evaluated on val of cdcdcdcdcdcd"):
        write_comparison([first, second], tmp_path / "comparison.html", None)
    with pytest.raises(DataError, match="only one"):
        write_comparison([first], tmp_path / "comparison.html", None)
    assert not (tmp_path / "comparison.html").exists()


def test_charts_place_values_where_they_belong() -> None:
    axis = Axis("x", 0.1, 10, log=True)
    assert axis.place(1) == pytest.approx(0.5)
    assert (axis.place(0), axis.place(1000)) == (0, 1)
    assert axis.marks() == pytest.approx((0.1, 0.3, 1, 3, 10))
    assert Axis("x", 0, 1).marks() == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert [nice_step(value) for value in (0.03, 0.7, 4, 120)] == pytest.approx([0.05, 1, 5, 200])
    chart = line_chart([Series("a<b", [0, 1], [0, 1])], Axis("x"), Axis("y"), title='"quoted"')
    assert "a&lt;b" in chart and "&#34;quoted&#34;" in chart
    assert span_bar(None, None, None) == ""


def test_words_stand_inside_the_picture() -> None:
    picture = Picture(None, Box(0, 0, 640, 480), (), "photo")
    for box in (Box(0, 0, 10, 10), Box(600, 0, 40, 480), Box(0, 470, 640, 10), Box(-20, -20, 700, 600)):
        for kind in ("right", "missed"):
            words = picture.words(DrawnBox(box, kind, "dent"))
            assert 0 <= words.x <= 640
            assert 0 < words.y < 480
    assert picture.words(DrawnBox(Box(600, 0, 40, 40), "right", "dent")).anchor == "end"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it to open the pages in a browser")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_pages_are_right_in_a_browser(
    page: tuple[EvaluationResult, Path], comparison: Path, width: int, scheme: str
) -> None:
    """No errors, no requests, nothing wider than the screen, pictures shown, boxes that can be switched off."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the playwright package is missing")

    with playwright.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            for path in (page[1], comparison):
                tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
                trouble: list[str] = []
                requests: list[str] = []
                tab.on("console", lambda message, into=trouble: into.append(message.text))
                tab.on("pageerror", lambda error, into=trouble: into.append(str(error)))
                tab.on("request", lambda request, into=requests: into.append(request.url))
                tab.goto(path.as_uri())
                assert trouble == []
                assert [one for one in requests if not one.startswith("data:")] == [path.as_uri()]
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
                assert tab.locator("svg.picture image").first.bounding_box()["width"] > 100
                box = tab.locator("svg.picture g.wrong, svg.picture g.right").first
                assert box.is_visible()
                tab.locator("#show-detections").uncheck()
                assert not box.is_visible()
                light = tab.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
                assert (light > 128) == (scheme == "light")
        finally:
            browser.close()
