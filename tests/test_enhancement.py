"""Dark photos are brightened, others stay as they are."""

import numpy as np
import pytest

from dentwatch.data.degradation import over_exposure
from dentwatch.data.enhancement import brightness, enhance
from dentwatch.data.letterbox import letterbox
from dentwatch.records.model_bundle import Enhancement

KINDS = (("gamma", 2.2), ("clahe", 2.0), ("exposure", 0.18), ("exposure-denoised", 0.18))


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.clip(rng.normal(120, 40, (240, 320, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("kind", "amount"), KINDS)
def test_a_dark_photo_is_brightened_and_a_bright_one_stays(photo: np.ndarray, kind: str, amount: float) -> None:
    how = Enhancement.model_validate({"kind": kind, "amount": amount, "below": 70})
    dark = over_exposure(photo, -4, np.random.default_rng(0))
    before = dark.copy()
    enhanced = enhance(dark, how)
    assert (enhanced.shape, enhanced.dtype) == (photo.shape, np.uint8)
    assert brightness(enhanced) > 1.2 * brightness(dark)
    assert (dark == before).all()
    assert enhance(photo, how) is photo


def test_another_exposure_undoes_what_the_light_took(photo: np.ndarray) -> None:
    how = Enhancement(kind="exposure", amount=0.18, below=70)
    enhanced = enhance(over_exposure(photo, -3, np.random.default_rng(0)), how)
    assert abs(brightness(enhanced) - brightness(photo)) < 12


def test_a_black_photo_stays_black() -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    assert not enhance(black, Enhancement(kind="exposure", amount=0.18, below=70)).any()


def test_without_a_wish_nothing_happens(photo: np.ndarray) -> None:
    assert enhance(photo, None) is photo


def test_a_photo_is_brightened_as_it_was_fitted_and_its_border_stays(photo: np.ndarray) -> None:
    seen = []

    def finish(fitted: np.ndarray) -> np.ndarray:
        seen.append(fitted.shape)
        return np.full_like(fitted, 200)

    canvas, _ = letterbox(photo, 64, 114, finish=finish)
    assert seen == [(48, 64, 3)]
    assert (canvas[:48] == 200).all() and (canvas[48:] == 114).all()
    assert (letterbox(photo, 64, 114)[0][:48] != 200).any()
