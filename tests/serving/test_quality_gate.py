"""The quality gate names what is wrong with a photo, says what to do about it, and never changes its mind for the worse
photo."""

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from rectangles import rectangle_graph, write_bundle

from dentwatch.data.statistics import photo_statistics
from dentwatch.data.synthetic import Camera, render
from dentwatch.errors import ModelError
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.model_versions import digest_of
from dentwatch.records.quality_limits import QUALITY_NAME, QUALITY_REASONS, QualityLimit, QualityLimits, QualityReason
from dentwatch.serving.quality_gate import ADVICE, DEFAULT_LIMITS, QualityGate

Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def gate() -> QualityGate:
    """The gate with the limits that ship."""
    return QualityGate(QualityLimits.load(DEFAULT_LIMITS))


@cache
def taken(camera: Camera, index: int = 8, size: int = 640) -> Photo:
    """A photo of a synthetic car, taken with ``camera``."""
    return render(seed=7, index=index, size=size, camera=camera).rgb


def reasons(gate: QualityGate, rgb: Photo) -> set[QualityReason]:
    return {fault.reason for fault in gate.check(photo_statistics(rgb)).reasons}


@pytest.mark.parametrize("index", range(0, 40, 8))
def test_an_ordinary_photo_is_reliable(gate: QualityGate, index: int) -> None:
    quality = gate.check(photo_statistics(taken(Camera(), index)))
    assert quality.reliable, quality
    assert quality.reasons == ()


def test_what_is_wrong_is_named(gate: QualityGate) -> None:
    assert "too_dark" in reasons(gate, taken(Camera(stops=-8)))
    assert "too_bright" in reasons(gate, taken(Camera(stops=6)))
    assert "blurred" in reasons(gate, taken(Camera(defocus=12)))
    assert "too_small" in reasons(gate, taken(Camera(), size=64))


@pytest.mark.parametrize("level", [60, 120, 200])
def test_a_picture_of_a_wall_is_empty(gate: QualityGate, level: int) -> None:
    shade = np.linspace(0.9, 1.0, 640)[None, :, None] * np.ones((480, 1, 3))
    grain = np.random.default_rng(level).normal(0, 2, shade.shape)
    assert "empty" in reasons(gate, (level * shade + grain).clip(0, 255).astype(np.uint8))


def test_a_lens_cap_is_unreliable(gate: QualityGate) -> None:
    black = np.random.default_rng(0).normal(0, 2, (480, 640, 3)).clip(0, 255).astype(np.uint8)
    assert {"too_dark", "empty"} & reasons(gate, black)
    assert reasons(gate, np.zeros((480, 640, 3), np.uint8))


def test_a_dark_photo_is_not_called_blurred_nor_a_blurred_one_dark(gate: QualityGate) -> None:
    assert "blurred" not in reasons(gate, taken(Camera(stops=-6)))
    assert not {"too_dark", "too_bright", "too_small"} & reasons(gate, taken(Camera(defocus=8)))


def test_a_darker_photo_never_becomes_reliable_again(gate: QualityGate) -> None:
    verdicts = [gate.check(photo_statistics(taken(Camera(stops=-stops)))).reliable for stops in range(0, 13, 2)]
    assert verdicts[0]
    assert not verdicts[-1]
    assert verdicts == sorted(verdicts, reverse=True)


def test_a_limit_has_one_good_side(gate: QualityGate) -> None:
    for limit in gate.limits.limits:
        span = np.linspace(limit.limit - 2, limit.limit + 2, 41)
        judged = [limit.is_beyond(float(value)) for value in (span if limit.side == "above" else span[::-1])]
        assert judged == sorted(judged), limit.reason
        assert set(judged) == {False, True}


def test_every_reason_tells_the_photographer_what_to_do(gate: QualityGate) -> None:
    assert set(ADVICE) == set(QUALITY_REASONS) == set(get_args(QualityReason))
    quality = gate.check(photo_statistics(taken(Camera(stops=-8))))
    assert quality.reasons
    for fault in quality.reasons:
        assert fault.advice == ADVICE[fault.reason]
        assert fault.detail.endswith(".")
        assert "{" not in fault.detail
        assert fault.value != fault.limit
    assert quality.model_dump(mode="json")["reasons"][0]["reason"] == quality.reasons[0].reason


def test_the_limits_that_ship_say_what_they_were_measured_on() -> None:
    limits = QualityLimits.load(DEFAULT_LIMITS)
    assert {limit.reason for limit in limits.limits} >= {"too_dark", "too_bright", "blurred", "too_small", "empty"}
    assert limits.model.startswith("starter/")
    assert limits.photos >= 200
    assert limits.false_refusals <= limits.most_refused
    for limit in limits.limits:
        assert limit.low is not None
        assert limit.high is not None
        assert limit.low <= limit.limit <= limit.high
        assert limit.beyond.value is not None
        assert limit.within.value is not None
        assert limit.beyond.value < limits.tolerance < limit.within.value


def with_limit(limits: QualityLimits, **changes: object) -> QualityLimits:
    """``limits`` with the first changed and the others gone."""
    first: QualityLimit = limits.limits[0].model_copy(update=changes)
    return limits.model_copy(update={"limits": (first,)})


def test_a_model_brings_limits_of_its_own(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "model", rectangle_graph())
    shipped = QualityLimits.load(DEFAULT_LIMITS)
    assert QualityGate.of(bundle).limits == shipped
    before = digest_of(bundle.folder)

    own = with_limit(shipped, limit=99.5)
    own.save(bundle.folder / QUALITY_NAME)
    assert QualityGate.of(ModelBundle.load(bundle.folder)).limits == own
    assert digest_of(bundle.folder) != before  # they are part of the model version


def test_damaged_limits_are_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "model", rectangle_graph())
    (bundle.folder / QUALITY_NAME).write_text("{}")
    with pytest.raises(ModelError, match="no quality limits"):
        QualityGate.of(bundle)
    with pytest.raises(ModelError, match="cannot be read"):
        QualityLimits.load(tmp_path / "absent.json")
    with pytest.raises(ModelError, match="not measured: smell"):
        QualityGate(with_limit(QualityLimits.load(DEFAULT_LIMITS), statistic="smell"))


def test_limits_for_statistics_at_another_scale_are_refused() -> None:
    other = QualityLimits.load(DEFAULT_LIMITS).model_copy(update={"statistics_side": 123})
    with pytest.raises(ModelError, match="at 123 px"):
        QualityGate(other)


def test_a_photo_exactly_at_a_limit_is_reliable() -> None:
    limit = QualityLimits.load(DEFAULT_LIMITS).limits[0]
    assert not limit.is_beyond(limit.limit)
