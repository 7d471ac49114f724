"""An embedding tells what kind of picture a photo is, and not how it was taken."""

import cv2
import numpy as np
import pytest
from test_degradation import STREET

from dentwatch.data.degradation import jpeg, low_light, over_exposure, veil
from dentwatch.data.embedding import EMBEDDING_SIZE, packed, photo_embedding, unpacked
from dentwatch.data.shrinking import shrink

RNG = np.random.default_rng(0)
OTHERS = {
    "upside down": np.ascontiguousarray(STREET[::-1]),
    "a close-up": cv2.resize(STREET[:120, :160], (640, 480), interpolation=cv2.INTER_CUBIC),
    "a wall": np.full((480, 640, 3), 128, np.uint8),
    "a document": np.repeat(np.where(np.arange(480) // 6 % 2, 250, 40).astype(np.uint8)[:, None, None], 640, 1).repeat(
        3, 2
    ),
}
SAME = {
    "two stops darker, with noise": low_light(STREET, 2, RNG),
    "half a stop brighter": over_exposure(STREET, 0.5, RNG),
    "blurred": cv2.GaussianBlur(STREET, (0, 0), 2),
    "in haze": veil(STREET, 0.5, RNG),
    "compressed": jpeg(STREET, 20, RNG),
    "in warm light": np.clip(STREET * [1.15, 1, 0.8], 0, 255).astype(np.uint8),
    "from another camera": cv2.resize(STREET, (1280, 960), interpolation=cv2.INTER_CUBIC),
}


def distance(other: np.ndarray) -> float:
    return float(np.linalg.norm(photo_embedding(other) - photo_embedding(STREET)))


@pytest.mark.parametrize("how", SAME)
def test_the_same_picture_taken_otherwise_stays_near(how: str) -> None:
    assert distance(SAME[how]) < 0.5 * min(map(distance, OTHERS.values()))


def test_it_has_a_fixed_size_and_is_kept_in_two_bytes_a_number() -> None:
    embedding = photo_embedding(STREET)
    assert embedding.shape == (EMBEDDING_SIZE,)
    assert len(packed(embedding)) == 2 * EMBEDDING_SIZE
    np.testing.assert_allclose(unpacked(packed(embedding)), embedding, atol=0.01)
    with pytest.raises(ValueError, match="54 numbers"):
        unpacked(b"\0\0")


def test_a_half_at_hand_gives_the_same_numbers() -> None:
    np.testing.assert_array_equal(photo_embedding(STREET, shrink(STREET, 2)), photo_embedding(STREET))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (640, 4), (96, 96)])
def test_odd_photos_have_finite_numbers(size: tuple[int, int]) -> None:
    for level in (0, 255):
        assert np.isfinite(photo_embedding(np.full((*size, 3), level, np.uint8))).all()
