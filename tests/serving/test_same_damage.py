"""The same damage in several photos counts once, and only where the photos can be shown to overlap."""

import json
import pickle
from itertools import combinations
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from views_of import SIZE, box_through, moved, panel, seen, seen_from

from dentwatch.data.decoding import decode
from dentwatch.data.synthetic import render
from dentwatch.records.annotations import Box
from dentwatch.records.detections import Detection
from dentwatch.serving.same_damage import DamageView, group_damages, worth_comparing
from dentwatch.serving.seen_photo import SeenPhoto
from dentwatch.serving.views import VIEW_SIDE, ViewFeatures, features_of, register

SCRATCH = Box(150, 190, 60, 30)
DENT = Box(280, 250, 70, 60)
CAMERAS = {
    "aside": moved(dx=90, dy=-40),
    "closer": moved(zoom=2.0),
    "farther": moved(zoom=0.6, dx=20),
    "tilted": moved(tilt=0.0008, zoom=1.1),
    "turned": moved(turn=25),
    "lying": moved(turn=90),
}


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
def test_one_panel_from_two_places_has_its_damages_once(camera: np.ndarray) -> None:
    before = panel(3)
    damages = ("scratch", SCRATCH), ("dent", DENT)
    there = [(label, box_through(camera, box)) for label, box in damages]
    groups = group_damages([seen(before, *damages), seen(seen_from(before, camera, 9), *there)])
    assert groups.damages == 2
    assert [group.label for group in groups.groups] == ["scratch", "dent"]
    assert all([view.photo for view in group.views] == [0, 1] for group in groups.groups)
    assert (groups.overlapping, groups.unproven) == (((0, 1),), ())


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS.keys())
def test_the_registration_is_where_the_camera_was(camera: np.ndarray) -> None:
    rgb = panel(4)
    found = register(features_of(rgb), features_of(seen_from(rgb, camera, 5)))
    assert found is not None
    scale = VIEW_SIDE / SIZE
    grid = np.array([(x, y) for x in range(200, 281, 40) for y in range(200, 281, 40)], np.float64)
    truth = cv2.perspectiveTransform(grid[None], camera)[0]
    assert np.abs(found.project(grid * scale) / scale - truth).max() < 2.5
    assert np.abs(found.reversed().project(truth * scale) / scale - grid).max() < 2.5


def test_two_vehicles_never_share_a_damage() -> None:
    photos = [seen(panel(seed), ("scratch", SCRATCH)) for seed in range(10, 18)]
    groups = group_damages(photos)
    assert groups.damages == len(photos)
    assert groups.overlapping == ()
    assert groups.unproven == tuple(combinations(range(len(photos)), 2))


def test_a_mirrored_photo_is_no_other_view() -> None:
    rgb = panel(5)
    assert register(features_of(rgb), features_of(np.ascontiguousarray(rgb[:, ::-1]))) is None


def test_labels_and_places_keep_damages_apart() -> None:
    rgb, again = panel(6), seen_from(panel(6), moved(dx=10), 3)
    elsewhere = Box(SCRATCH.x + 80, SCRATCH.y, SCRATCH.width, SCRATCH.height)
    groups = group_damages([seen(rgb, ("scratch", SCRATCH)), seen(again, ("dent", SCRATCH), ("scratch", elsewhere))])
    assert groups.damages == 3
    assert groups.overlapping == ((0, 1),)


def test_no_damage_shows_twice_in_one_photo() -> None:
    rgb = panel(7)
    shifted = Box(SCRATCH.x + 15, SCRATCH.y, SCRATCH.width, SCRATCH.height)
    groups = group_damages(
        [seen(rgb, ("scratch", SCRATCH), ("scratch", shifted)), seen(seen_from(rgb, moved(), 2), ("scratch", SCRATCH))]
    )
    assert [group.views for group in groups.groups] == [
        (DamageView(0, 0), DamageView(1, 0)),
        (DamageView(0, 1),),
    ]


def test_a_chain_of_views_links_its_ends() -> None:
    cameras = [moved(dx=-120), moved(), moved(dx=120)]
    rgb = panel(8)
    photos = [
        seen(seen_from(rgb, c, n), ("dent", box_through(c, Box(200, 200, 80, 70)))) for n, c in enumerate(cameras)
    ]
    [group] = group_damages(photos).groups
    assert [view.photo for view in group.views] == [0, 1, 2]


def test_what_fits_the_ground_says_nothing_about_the_panel() -> None:
    """Both photos share their lower third; above it are two different panels."""
    ground = panel(20)
    one, other = panel(21), panel(22)
    one[320:], other[320:] = ground[320:], ground[320:]
    box = Box(200, 60, 60, 40)
    groups = group_damages([seen(one, ("scratch", box)), seen(other, ("scratch", box))])
    assert groups.overlapping == ((0, 1),)
    assert groups.damages == 2


def test_photos_that_are_not_compared_are_unproven() -> None:
    blank = np.full((300, 400, 3), 128, np.uint8)
    unread = SeenPhoto(None, 400, 300, [Detection("dent", 0.9, DENT)])
    groups = group_damages([seen(blank, ("dent", DENT)), unread, seen(panel(1)), seen(panel(2), ("scratch", DENT))])
    assert groups.damages == 3
    assert (groups.overlapping, groups.unproven) == ((), ((0, 1),))


def test_an_inspection_without_photos_or_damage_has_none() -> None:
    assert group_damages([]).groups == ()
    assert group_damages([seen(panel(1))]).damages == 0


def test_only_photos_that_share_a_label_are_worth_comparing() -> None:
    scratch, dent = Detection("scratch", 0.9, SCRATCH), Detection("dent", 0.9, DENT)
    assert worth_comparing([[scratch], [dent], [], [scratch, dent]]) == [True, True, False, True]
    assert worth_comparing([[scratch, scratch], [dent], []]) == [False, False, False]


def test_features_come_back_from_bytes_and_pickles() -> None:
    rgb = panel(2)
    own, other = features_of(rgb), features_of(seen_from(rgb, moved(zoom=1.3), 4))
    for copy in (ViewFeatures.from_bytes(own.to_bytes()), pickle.loads(pickle.dumps(own))):
        assert (copy.width, copy.height) == (own.width, own.height)
        first, second = register(own, other), register(copy, other)
        assert first is not None and second is not None
        assert np.array_equal(first.homography, second.homography)
    for damaged in (b"", own.to_bytes()[:-1], own.to_bytes() + b"\0"):
        with pytest.raises(ValueError, match="bytes are"):
            ViewFeatures.from_bytes(damaged)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (2000, 3), (97, 131), (640, 480)])
def test_photos_of_any_shape_have_features(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    features = features_of(rgb)
    assert max(features.width, features.height) <= VIEW_SIDE
    assert features.points.shape == (len(features.descriptors), 2)
    register(features, features)


def test_a_reduced_decode_registers_with_the_whole_photo() -> None:
    large = cv2.resize(panel(9), (1920, 1920), interpolation=cv2.INTER_CUBIC)
    _, data = cv2.imencode(".jpg", large[..., ::-1])
    whole, reduced = (decode(data.tobytes(), max_pixels=10**8, target_side=side).rgb for side in (None, 640))
    assert whole.shape[0] > reduced.shape[0]
    found = register(features_of(whole), features_of(reduced))
    assert found is not None
    assert np.abs(found.homography / found.homography[2, 2] - np.eye(3)).max() < 0.5


def test_synthetic_vehicles_are_told_apart() -> None:
    photos = [render(3, index, size=320) for index in range(12)]  # three vehicles in one place
    features = [features_of(photo.rgb) for photo in photos]
    wrong = [
        (i, j)
        for i, j in combinations(range(len(photos)), 2)
        if photos[i].vehicle != photos[j].vehicle and register(features[i], features[j])
    ]
    assert wrong == []


def test_real_vehicles_are_told_apart(shared: Path) -> None:
    folder = shared / "photos" / "bilgi"
    images = json.loads((folder / "annotations.json").read_text())["images"]
    chosen = Random(0).sample(images, 24)
    features = [
        features_of(decode((folder / "images" / image["file_name"]).read_bytes(), max_pixels=10**8).rgb)
        for image in chosen
    ]
    strangers = [
        (i, j)
        for i, j in combinations(range(len(chosen)), 2)
        if chosen[i]["vehicle_group"] != chosen[j]["vehicle_group"]
    ]
    assert len(strangers) > 200
    assert [pair for pair in strangers if register(features[pair[0]], features[pair[1]])] == []
