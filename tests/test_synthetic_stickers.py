"""Synthetic photos: stickers are distractors. They show, they stay, and no box is theirs."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from dentwatch.data.synthetic import artwork, atlas, parts, render
from dentwatch.data.synthetic import vehicle as vehicles
from dentwatch.data.synthetic.body import Body, greenhouse_outline, lower_outline
from dentwatch.data.synthetic.damage import Damage, Decal, Place, Scratch
from dentwatch.data.synthetic.photo import compose
from dentwatch.data.synthetic.scene import Scene
from dentwatch.data.synthetic.stickers import STICKERED_SHARE, Shell, Sticker, sample_stickers
from dentwatch.data.synthetic.vehicle import Vehicle
from dentwatch.data.synthetic.viewpoint import close_up

SEED, SIZE = 3, 256


@lru_cache(maxsize=1)
def shell() -> Shell:
    rng = np.random.default_rng(1)
    body = Body.sample(rng)
    lower, upper = lower_outline(body), greenhouse_outline(body)
    textures = atlas.draw_atlas(rng, body, lower, upper)
    return Shell(*parts.assemble(rng, body, lower, upper), *textures)


@lru_cache(maxsize=1)
def stickered() -> tuple[tuple[int, Vehicle], ...]:
    """The first five vehicles of the seed that carry stickers, with their numbers."""
    found = []
    for number in range(80):
        vehicle = vehicles.build(SEED, number, 0.2)
        if vehicle.stickers:
            found.append((number, vehicle))
        if len(found) == 5:
            break
    return tuple(found)


def at(vehicle: Vehicle, place: Place, number: int, damages: tuple[Damage, ...] | None = None) -> Scene:
    return Scene(vehicle, close_up(np.random.default_rng(number), place), SIZE, 1.0, damages)


def test_the_promised_share_of_vehicles_carries_one_to_three_stickers() -> None:
    spots = [Place.on(shell().wall.vertices[1900], shell().wall.normals[1900], 0.0)]
    counts = [len(sample_stickers(np.random.default_rng(n), shell(), spots)) for n in range(1500)]
    deviation = (STICKERED_SHARE * (1 - STICKERED_SHARE) / len(counts)) ** 0.5
    assert np.mean(np.array(counts) > 0) == pytest.approx(STICKERED_SHARE, abs=3.5 * deviation)
    assert set(counts) == {0, 1, 2, 3}


def test_stickers_are_3_to_30_centimetres_long() -> None:
    rng = np.random.default_rng(2)
    for name, kind in artwork.KINDS.items():
        for _ in range(20):
            half_a, half_b = kind.sample_size(rng)
            assert 0.03 <= 2 * half_a <= 0.30 and 0.01 < 2 * half_b <= 0.30, name
    assert sum(kind.share for kind in artwork.KINDS.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", list(artwork.KINDS))
def test_artwork_is_foil_with_print_on_it(kind: str) -> None:
    half_a, half_b = artwork.KINDS[kind].sample_size(np.random.default_rng(3))
    picture = artwork.later(np.random.default_rng(4), kind, half_a, half_b)()
    again = artwork.later(np.random.default_rng(4), kind, half_a, half_b)()
    assert np.array_equal(picture, again)
    assert picture.min() >= 0 and picture.max() <= 1
    assert 0.05 < (picture[..., 3] > 0.5).mean() <= 1
    assert picture[0, :, 3].max() < 1 or kind == "stripes", "the foil ends inside its picture"


def test_stickers_show_and_are_never_annotated() -> None:
    seen = 0
    for number, vehicle in stickered():
        for sticker in vehicle.stickers:
            assert isinstance(sticker, Decal) and not isinstance(sticker, Damage)
            plain = replace(vehicle, stickers=())
            with_it, boxes = at(vehicle, sticker.place, number, ()).render()
            without, _ = at(plain, sticker.place, number, ()).render()
            assert boxes == (), "without damage no sticker may have a box"
            seen += int(np.abs(with_it - without).max(2).max() > 0.05)
    assert seen >= 4


def test_only_damage_has_boxes_where_stickers_are_seen_too() -> None:
    """The annotations of a stickered, damaged vehicle are those of its damages one by one."""
    checked = 0
    for number, vehicle in stickered():
        scene = at(vehicle, vehicle.stickers[0].place, number)
        _, whole = scene.render()
        alone = [replace(scene, damages=(damage,)).render()[1] for damage in vehicle.damages]
        assert whole == tuple(annotation for found in alone for annotation in found)
        checked += len(whole)
    assert checked >= 2


def test_stickers_do_not_change_what_else_a_vehicle_is(monkeypatch: pytest.MonkeyPatch) -> None:
    number, before = stickered()[0]
    monkeypatch.setattr(vehicles, "sample_stickers", lambda *_: ())
    after = vehicles.build.__wrapped__(SEED, number, 0.2)
    assert after.stickers == () != before.stickers
    assert np.array_equal(before.mesh.vertices, after.mesh.vertices)
    assert np.array_equal(before.paint.base, after.paint.base)
    assert len(before.damages) == len(after.damages)
    for one, other in zip(before.damages, after.damages, strict=True):
        assert one.label == other.label and one.radius == other.radius
        assert np.array_equal(one.place.point, other.place.point)
        if isinstance(one, Scratch) and isinstance(other, Scratch):
            assert np.array_equal(one.picture, other.picture)


def test_photos_of_a_vehicle_share_its_stickers() -> None:
    number, vehicle = stickered()[0]
    first, second = compose(SEED, 4 * number, SIZE), compose(SEED, 4 * number + 3, SIZE)
    assert first.vehicle.stickers is second.vehicle.stickers
    for one, other in zip(first.vehicle.stickers, vehicle.stickers, strict=True):
        assert np.array_equal(one.place.point, other.place.point)
        assert np.array_equal(one.picture, other.picture)


def test_photos_with_stickers_are_the_same_bytes_again() -> None:
    number, _ = stickered()[1]
    first = [render(SEED, 4 * number + view, SIZE).jpeg for view in range(2)]
    vehicles.build.cache_clear()
    assert first == [render(SEED, 4 * number + view, SIZE).jpeg for view in range(2)]


def test_a_scratch_lies_on_the_sticker_that_it_crosses() -> None:
    def red(rows: int, columns: int) -> np.ndarray:
        return np.full((rows, columns, 4), (0.6, 0.0, 0.0, 1.0), np.float32)

    def green(rows: int, columns: int) -> np.ndarray:
        return np.full((rows, columns, 4), (0.0, 0.6, 0.0, 1.0), np.float32)

    number, vehicle = next(
        (n, v) for n, v in stickered() if any(abs(sticker.place.normal[2]) < 0.5 for sticker in v.stickers)
    )
    place = vehicle.spots[0]
    sticker = Sticker(place, 0.15, 0.15, lambda: red(64, 64))
    scratch = Scratch(place, 0.12, 0.04, lambda: green(32, 64))
    painted = replace(vehicle, stickers=(sticker,), damages=(scratch,))
    pose = replace(at(painted, place, number).pose, target=tuple(float(value) for value in place.point))
    clean, _ = Scene(painted, pose, SIZE, 1.0, ()).render()
    crossed, (annotation,) = Scene(painted, pose, SIZE, 1.0).render()
    middle = SIZE // 2
    assert clean[middle, middle, 0] > 2 * clean[middle, middle, 1]
    assert crossed[middle, middle, 1] > 2 * crossed[middle, middle, 0]
    left, top, right, bottom = (int(value) for value in annotation.box.xyxy)
    changed = np.abs(clean - crossed).max(2) > 0.05
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert (
        np.abs(np.array([left, top, right - 1, bottom - 1]) - [columns[0], rows[0], columns[-1], rows[-1]]).max() <= 2
    )
