"""A model card says what was measured, and says so when nothing was."""

import tiny_model

from dentwatch.records.dataset_info import DatasetInfo
from dentwatch.records.model_bundle import Rights
from dentwatch.records.model_card import Figure, write_card

DATA = DatasetInfo(
    id="5d1f00aa33bb",
    created="2026-11-23T12:00:00+00:00",
    photos=1200,
    annotated=1100,
    undamaged=40,
    boxes=2300,
    vehicles=300,
    photos_by_split={"train": 900, "test": 300},
    vehicles_by_split={"train": 220, "test": 80},
    boxes_by_split={"train": {"scratch": 1500, "dent": 300}, "test": {"scratch": 400, "dent": 100}},
    sources={"lot": 1200},
)


def test_card_has_every_section_and_figure() -> None:
    evaluation = {
        "val": {"ap50": Figure(0.4)},
        "test": {"ap50": Figure(0.3123, 0.27, 0.355), "recall_dent": Figure(0.25)},
    }
    card = write_card(
        tiny_model.spec(run_id="r1", consents={"": 50, "owner agreed": 1150}),
        evaluation=evaluation,
        data=DATA,
        command="dentwatch train --size nano",
    )
    titles = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert titles == [
        "What it is for",
        "What it cannot do",
        "Data",
        "Figures",
        "Thresholds",
        "Licences and sources",
        "How it was made",
    ]
    for line in (
        "# yolo nano, 64 px",
        "| Figure | val | test |",
        "| ap50 | 0.400 | 0.312 (0.270 – 0.355) |",
        "| recall_dent | – | 0.250 |",
        "| train | 900 | 220 | scratch 1,500, dent 300 |",
        "| scratch | 0.300 |",
        "| tiny photos | CC0-1.0 | made for the tests |",
        "- Command: `dentwatch train --size nano`",
        "- Run: r1",
        "- Largest difference between the exported and the trained network: boxes 0.01, scores 1e-06",
    ):
        assert line in card.splitlines()
    assert "1,200 photos of 300 vehicles" in card
    assert "Consents to the use of photos: owner agreed 1,150, none stated 50." in card
    assert card.endswith("\n")


def test_card_admits_what_is_not_known() -> None:
    card = write_card(
        tiny_model.spec(commit=""), data="Photos that Dentwatch drew.", remarks=["It never saw a real car."]
    )
    assert "This model was not evaluated" in card
    assert "Photos that Dentwatch drew." in card
    assert "- It never saw a real car." in card
    assert "- Command: not recorded" in card
    assert "- Commit: not recorded" in card
    assert "Consents to the use of photos: not recorded." in write_card(tiny_model.spec(), data=DATA)


def test_names_with_bars_do_not_break_tables() -> None:
    rights = (Rights(name="a|b", licence="CC BY 4.0"),)
    assert "| a\\|b | CC BY 4.0 |  |" in write_card(tiny_model.spec(rights=rights))
