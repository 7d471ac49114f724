"""What is new since an earlier inspection is said only where the earlier photos show the place without damage."""

from dataclasses import replace

import cv2
import numpy as np
from views_of import Matrix, Picture, box_through, moved, panel, seen, seen_from

from dentwatch.records.annotations import Box
from dentwatch.serving.changes import Change, VehicleChanges, changes_between

PLACE = Box(200, 210, 70, 50)
NEARBY = moved(dx=30, dy=-15, zoom=1.1)


def scratched(rgb: Picture, box: Box = PLACE) -> Picture:
    """The panel with a damage that was not there: a patch of its own texture."""
    left, top, right, bottom = (int(v) for v in box.xyxy)
    hurt = rgb.copy()
    patch = cv2.resize(panel(99)[:240, :240], (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    hurt[top:bottom, left:right] = patch
    return hurt


def later_photo(rgb: Picture, camera: Matrix = NEARBY) -> Picture:
    return seen_from(rgb, camera, 77)


def only(changes: VehicleChanges) -> Change:
    [change] = changes.changes
    return change


def test_damage_on_a_place_that_was_whole_is_new() -> None:
    before, box = panel(3), box_through(NEARBY, PLACE)
    changes = changes_between([seen(before)], [seen(later_photo(scratched(before)), ("scratch", box))])
    change = only(changes)
    assert (change.status, change.reason, change.label) == ("new", None, "scratch")
    assert change.earlier == ()
    [sighting] = change.later
    assert sighting.photo == 0
    assert sighting.detection.x == round(box.x, 3)
    assert changes.overlapping == ((0, 0),)


def test_damage_that_was_there_is_known() -> None:
    hurt, box = scratched(panel(3)), box_through(NEARBY, PLACE)
    change = only(changes_between([seen(hurt, ("scratch", PLACE))], [seen(later_photo(hurt), ("scratch", box))]))
    assert change.status == "known"
    assert [sighting.photo for sighting in (*change.earlier, *change.later)] == [0, 0]


def test_repaired_damage_is_gone() -> None:
    whole = panel(3)
    change = only(changes_between([seen(scratched(whole), ("scratch", PLACE))], [seen(later_photo(whole))]))
    assert (change.status, change.later) == ("gone", ())
    assert len(change.earlier) == 1


def test_a_place_that_nobody_photographed_is_not_comparable() -> None:
    """The earlier photo shows the left half of the panel, the damage is on its right edge."""
    away = moved(dx=200)
    box = Box(400, 200, 50, 50)
    change = only(
        changes_between([seen(seen_from(panel(3), away, 5))], [seen(scratched(panel(3), box), ("dent", box))])
    )
    assert (change.status, change.reason) == ("not_comparable", "not_seen")


def test_another_vehicle_is_not_comparable() -> None:
    changes = changes_between([seen(panel(1), ("dent", PLACE))], [seen(panel(2), ("scratch", PLACE))])
    assert [(c.status, c.reason, c.label) for c in changes.changes] == [
        ("not_comparable", "not_seen", "scratch"),
        ("not_comparable", "not_seen", "dent"),
    ]
    assert changes.overlapping == ()


def test_a_photo_from_far_away_does_not_prove_that_a_small_damage_is_new() -> None:
    far, near = moved(zoom=0.7), moved(zoom=1.8)
    before = seen(seen_from(panel(3), far, 4))
    after = seen(seen_from(scratched(panel(3)), near, 6), ("scratch", box_through(near, PLACE)))
    change = only(changes_between([before], [after]))
    assert (change.status, change.reason) == ("not_comparable", "too_small")


def test_damage_where_other_damage_was_is_not_called_new() -> None:
    large = Box(150, 160, 180, 150)
    changes = changes_between(
        [seen(panel(3), ("dent", large))], [seen(later_photo(scratched(panel(3)), moved()), ("scratch", PLACE))]
    )
    found = [(change.label, change.status, change.reason) for change in changes.changes]
    assert found[0] == ("scratch", "not_comparable", "other_damage_there")


def test_damage_that_the_earlier_photo_shows_but_the_model_missed_is_not_called_new() -> None:
    hurt, box = scratched(panel(3), Box(180, 180, 120, 100)), box_through(NEARBY, Box(180, 180, 120, 100))
    change = only(changes_between([seen(hurt)], [seen(later_photo(hurt), ("scratch", box))]))
    assert (change.status, change.reason) == ("not_comparable", "looks_the_same")


def test_an_unreliable_photo_proves_nothing() -> None:
    before = replace(seen(panel(3)), features=None)
    change = only(changes_between([before], [seen(scratched(panel(3)), ("scratch", PLACE))]))
    assert (change.status, change.reason) == ("not_comparable", "not_seen")


def test_one_damage_in_two_later_photos_is_one_change() -> None:
    whole, cameras = panel(3), (moved(), moved(dx=40, zoom=1.2))
    after = [
        seen(seen_from(scratched(whole), camera, n), ("scratch", box_through(camera, PLACE)))
        for n, camera in enumerate(cameras)
    ]
    change = only(changes_between([seen(seen_from(whole, moved(dx=10), 8))], after))
    assert change.status == "new"
    assert [sighting.photo for sighting in change.later] == [0, 1]


def test_nothing_to_compare_has_no_changes() -> None:
    assert changes_between([], []).changes == ()
    assert changes_between([seen(panel(1))], [seen(panel(1))]).changes == ()


def test_the_document_goes_through_json() -> None:
    changes = changes_between([seen(panel(1), ("dent", PLACE))], [seen(np.zeros((50, 60, 3), np.uint8))])
    assert VehicleChanges.model_validate_json(changes.model_dump_json()) == changes
