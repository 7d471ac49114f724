"""Photos that look alike are found, however they were saved, and nothing is missed by the index."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dentwatch.data.decoding import decode
from dentwatch.data.near_duplicates import near_pairs
from dentwatch.data.perceptual_hash import perceptual_hashes


def picture(seed: int, width: int = 400, height: int = 300) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def resaved(pixels: NDArray[np.uint8], quality: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue(), max_pixels=10**8).rgb


def apart(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("seed", range(8))
def test_a_photo_saved_again_keeps_its_hash(seed: int) -> None:
    own, mirrored = perceptual_hashes(picture(seed))
    again, _ = perceptual_hashes(resaved(picture(seed), 40, (200, 150)))
    assert apart(own, again) <= 4
    flipped, _ = perceptual_hashes(resaved(np.ascontiguousarray(picture(seed)[:, ::-1]), 60, (400, 300)))
    assert apart(mirrored, flipped) <= 4
    stranger, _ = perceptual_hashes(picture(seed + 100))
    assert apart(own, stranger) > 10


def test_flat_photos_have_a_hash() -> None:
    black, white = (perceptual_hashes(np.full((50, 50, 3), level, np.uint8)) for level in (0, 255))
    assert all(0 <= value < 2**64 for value in (*black, *white))


def all_with_all(
    hashes: NDArray[np.uint64], mirrored: NDArray[np.uint64], new: NDArray[np.bool_], distance: int
) -> set[tuple[int, int]]:
    pairs = set()
    for i in range(len(hashes)):
        for j in range(i + 1, len(hashes)):
            bits = min(apart(int(hashes[i]), int(hashes[j])), apart(int(hashes[i]), int(mirrored[j])))
            if bits <= distance and (new[i] or new[j]):
                pairs.add((i, j))
    return pairs


@profile(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(2, 60))
def test_the_index_finds_what_comparing_all_with_all_finds(seed: int, distance: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**64, count, np.uint64)
    for i in range(1, count):  # close relatives of earlier hashes, all different
        if generator.random() < 0.6:
            flips = generator.choice(64, generator.integers(1, distance + 3), replace=False)
            hashes[i] = hashes[generator.integers(0, i)] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64))
    hashes = np.unique(hashes)
    generator.shuffle(hashes)
    mirrored = hashes ^ np.uint64(0xAAAA_AAAA_AAAA_AAAA)
    new = generator.random(len(hashes)) < 0.7
    found = {(i, j) for i, j, _ in near_pairs(hashes, mirrored, np.arange(len(hashes)), new, distance)}
    assert found == all_with_all(hashes, mirrored, new, distance)


def test_equal_hashes_meet_their_own_vehicle_and_others_without_all_meeting_all() -> None:
    hashes, vehicles = np.full(1000, 7, np.uint64), np.arange(1000) % 10
    pairs = [(i, j) for i, j, _ in near_pairs(hashes, ~hashes, vehicles, np.ones(1000, bool), 4)]
    assert len(pairs) < 3000
    own = {photo for pair in pairs if vehicles[pair[0]] == vehicles[pair[1]] for photo in pair}
    others = {photo for pair in pairs if vehicles[pair[0]] != vehicles[pair[1]] for photo in pair}
    assert len(own) == len(others) == 1000


def test_known_photos_are_not_paired_with_each_other() -> None:
    hashes = np.array([1, 1, 3, 1], np.uint64)
    new = np.array([False, False, False, True])
    assert {(i, j) for i, j, _ in near_pairs(hashes, ~hashes, np.arange(4), new, 1)} == {(0, 3), (1, 3), (2, 3)}


def test_none_and_one() -> None:
    for count in (0, 1):
        hashes = np.zeros(count, np.uint64)
        assert list(near_pairs(hashes, ~hashes, np.arange(count), np.ones(count, bool), 4)) == []


def test_the_hash_of_a_picture_never_changes() -> None:
    # Near duplicates are part of a dataset version's name, so every machine must find the same ones.
    y, x = np.mgrid[0:300, 0:401]
    pixels = np.stack([(x * x // 60 + y) % 256, (3 * x + y * y // 90) % 256, (x * y // 70) % 256], -1).astype(np.uint8)
    assert [f"{value:016x}" for value in perceptual_hashes(pixels)] == ["77ffee8afe800001", "fe5d44aa902aaaab"]


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (31, 33), (96, 96), (129, 3000)])
def test_photos_of_any_size_have_a_hash(size: tuple[int, int]) -> None:
    pixels = np.asarray(picture(3, size[1], size[0]))
    own, mirrored = perceptual_hashes(pixels)
    flipped, _ = perceptual_hashes(np.ascontiguousarray(pixels[:, ::-1]))
    assert 0 <= own < 2**64
    assert apart(mirrored, flipped) <= (4 if min(size) >= 96 else 64)
