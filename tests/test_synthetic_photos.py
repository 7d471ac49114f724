"""Synthetic photos: what a box, a stop and a seed promise."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dentwatch.data.synthetic import Camera, render
from dentwatch.data.synthetic.damage import Dent, Place, Scratch
from dentwatch.data.synthetic.paint import Paint
from dentwatch.data.synthetic.photo import compose
from dentwatch.data.synthetic.scene import SHARE, VISIBLE, Scene
from dentwatch.data.synthetic.strokes import sample_scratch
from dentwatch.errors import SettingsError

SIZE = 256
PERFECT = Camera(full_well=1e6, read_noise=0, vignetting=0, quality=100)


def scene(index: int, seed: int = 5, size: int = SIZE) -> Scene:
    return compose(seed, index, size)


def srgb(linear: np.ndarray) -> np.ndarray:
    """The sRGB transfer function, written independently of the camera's table; highlights above 0.6 are compressed."""
    shoulder = np.where(linear < 0.6, linear, 0.6 + 0.4 * (1 - np.exp(-(linear - 0.6) / 0.4)))
    return np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055) * 255


def changes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The largest change (H, W) of a channel, in sRGB bytes."""
    return np.abs(srgb(before) - srgb(after)).max(2)


def extent(changed: np.ndarray, threshold: float) -> tuple[int, int, int, int]:
    """Extent of the pixels that changed, among their neighbours at least two more."""
    mask = changed >= threshold
    padded = np.pad(mask.astype(int), 1)
    height, width = mask.shape
    count = sum(padded[y : y + height, x : x + width] for y in range(3) for x in range(3))
    rows, columns = np.nonzero(mask & (count >= 3))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_same_seed_and_index_give_the_same_bytes_in_any_order() -> None:
    first = [render(5, index, SIZE).jpeg for index in (0, 1, 9)]
    again = [render(5, index, SIZE).jpeg for index in (9, 1, 0)]
    assert first == again[::-1]
    assert len(set(first)) == 3
    assert render(6, 0, SIZE).jpeg != first[0]


def test_a_photo_is_rgb_of_the_size_asked_for() -> None:
    photo = render(5, 0, 200)
    assert photo.rgb.shape == (200, 200, 3)
    assert photo.rgb.dtype == np.uint8
    assert photo.rgb.std() > 5


def test_boxes_are_what_each_damage_changes() -> None:
    """Each box is checked against pictures rendered with that damage alone and with none."""
    checked = 0
    for index in range(0, 40, 3):
        whole = scene(index)
        clean, none = replace(whole, damages=()).render()
        assert none == ()
        for damage in whole.vehicle.damages:
            alone, found = replace(whole, damages=(damage,)).render()
            if not found:
                assert np.array_equal(alone, clean), "damage without a box must not show"
                continue
            assert found[0].label == damage.label
            changed = changes(clean, alone)
            strong = np.percentile(changed[changed >= VISIBLE], 95)
            threshold = max(VISIBLE, SHARE * strong)
            # The camera's table rounds to bytes: the box lies between the extents just below and above the threshold.
            left, top, right, bottom = found[0].box.xyxy
            outer, inner = extent(changed, threshold - 2.5), extent(changed, threshold + 2.5)
            assert outer[0] <= left <= inner[0] and outer[1] <= top <= inner[1]
            assert inner[2] <= right <= outer[2] and inner[3] <= bottom <= outer[3]
            checked += 1
    assert checked >= 15


def test_boxes_lie_inside_the_photo_and_are_not_empty() -> None:
    boxes = [annotation.box for index in range(0, 40, 2) for annotation in render(8, index, SIZE).annotations]
    assert boxes
    for box in boxes:
        left, top, right, bottom = box.xyxy
        assert 0 <= left < right <= SIZE and 0 <= top < bottom <= SIZE


def test_boxes_do_not_depend_on_the_camera() -> None:
    for index in range(4):
        dark = render(5, index, SIZE, Camera(stops=-4, defocus=3, motion=8, quality=20))
        assert dark.annotations == render(5, index, SIZE).annotations


def test_a_stop_halves_the_mean_linear_light() -> None:
    radiance, _ = scene(0).render()
    radiance = np.minimum(radiance, 0.9)  # below clipping
    means = [
        float(replace(PERFECT, stops=stops).expose(radiance, np.random.default_rng(1)).mean())
        for stops in (0.0, -1.0, -2.0, -3.0)
    ]
    ratios = np.divide(means[:-1], means[1:])
    assert ratios == pytest.approx([2, 2, 2], rel=0.01)


def test_shot_noise_grows_with_the_root_of_the_light() -> None:
    camera = Camera(full_well=1000, read_noise=0, vignetting=0)
    deviations = []
    for level in (0.1, 0.4):
        flat = np.full((200, 200, 3), level, np.float32)
        deviations.append(float(camera.expose(flat, np.random.default_rng(2)).std()))
    assert deviations[0] == pytest.approx((0.1 / 1000) ** 0.5, rel=0.05)
    assert deviations[1] / deviations[0] == pytest.approx(2, rel=0.05)


def test_noise_of_the_channels_is_not_the_same() -> None:
    flat = np.full((128, 128, 3), 0.3, np.float32)
    noise = Camera(vignetting=0).expose(flat, np.random.default_rng(3)).reshape(-1, 3)
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.05


@pytest.mark.parametrize("field, value", [("defocus", 3.0), ("motion", 9.0)])
def test_blur_takes_sharpness_but_no_light(field: str, value: float) -> None:
    radiance, _ = scene(1).render()
    sharp = PERFECT.expose(radiance, np.random.default_rng(0))
    blurred = replace(PERFECT, **{field: value}).expose(radiance, np.random.default_rng(0))
    assert blurred.mean() == pytest.approx(sharp.mean(), rel=0.03)
    assert cv2.Laplacian(blurred, cv2.CV_32F).std() < 0.6 * cv2.Laplacian(sharp, cv2.CV_32F).std()


def test_white_balance_and_vignetting_do_what_they_say() -> None:
    flat = np.full((101, 101, 3), 0.2, np.float32)
    warm = replace(PERFECT, red=1.5, blue=0.5).expose(flat, np.random.default_rng(0)).mean((0, 1))
    assert warm / warm[1] == pytest.approx([1.5, 1, 0.5], rel=0.01)
    dim = replace(PERFECT, vignetting=0.4).expose(flat, np.random.default_rng(0))
    assert dim[0, 0].mean() / dim[50, 50].mean() == pytest.approx(0.6, abs=0.02)


def test_a_better_quality_costs_more_bytes() -> None:
    assert len(render(5, 0, SIZE, quality=95).jpeg) > 1.5 * len(render(5, 0, SIZE, quality=40).jpeg)


def test_negative_stops_make_the_photo_darker() -> None:
    assert render(5, 2, SIZE, stops=-3).rgb.mean() < 0.5 * render(5, 2, SIZE, stops=0).rgb.mean()


def test_a_dent_bends_normals_and_with_them_the_reflections() -> None:
    place = Place.on(np.zeros(3, np.float32), np.array([0, 1, 0], np.float32), 0.0)
    rng = np.random.default_rng(4)
    for _ in range(20):
        dent = Dent.sample(rng, place)
        points = np.zeros((3, 500), np.float32)
        points[0], points[2] = rng.uniform(-dent.radius, dent.radius, (2, 500))
        normals = np.tile(place.normal[:, None], (1, 500))
        tilted = dent.tilt(points, normals)
        assert np.allclose((tilted**2).sum(0), 1, atol=1e-4)
        assert np.degrees(np.arccos(np.clip((tilted * normals).sum(0), -1, 1))).max() > 3
        far = points + np.array([[3 * dent.radius], [0], [0]], np.float32)
        assert np.allclose(dent.tilt(far, normals), normals), "a dent ends somewhere"


def test_the_slope_of_a_dent_is_the_derivative_of_its_height() -> None:
    """Slopes are integrated back to the depth along a line through the middle."""
    place = Place.on(np.zeros(3, np.float32), np.array([0, 1, 0], np.float32), 0.0)
    dent = next(d for d in (Dent.sample(np.random.default_rng(n), place) for n in range(99)) if len(d.lobes) == 1)
    lobe = dent.lobes[0]
    a = np.linspace(-lobe.radius_a, 0, 2001, dtype=np.float32)
    slope, _ = lobe.slope(a, np.zeros_like(a))
    assert np.trapezoid(slope, a) == pytest.approx(-lobe.depth, rel=0.01)


def test_scratches_cover_something_and_differ_from_the_paint() -> None:
    rng = np.random.default_rng(6)
    place = Place.on(np.zeros(3, np.float32), np.array([0, 1, 0], np.float32), 0.0)
    for _ in range(30):
        paint = Paint.sample(rng)
        scratch = sample_scratch(rng, place, paint)
        assert isinstance(scratch, Scratch)
        alpha = scratch.picture[..., 3]
        assert alpha.max() > 0.2 and alpha.min() >= 0 and alpha.max() <= 1
        assert np.abs(scratch.picture[..., :3][alpha > 0.2] - (paint.base + paint.metal)).max() > 0.02


def test_photos_of_a_vehicle_share_paint_body_and_damage() -> None:
    first, second, other = scene(0), scene(3), scene(4)
    assert first.vehicle.name == second.vehicle.name != other.vehicle.name
    assert first.vehicle.paint is second.vehicle.paint
    assert first.vehicle.damages is second.vehicle.damages
    assert first.pose != second.pose


def test_the_share_of_undamaged_vehicles_is_kept() -> None:
    damaged = [bool(compose(9, index * 4, 64).vehicle.damages) for index in range(16)]
    assert 0.0 < 1 - np.mean(damaged) <= 0.42
    assert not compose(9, 0, 64, undamaged_share=1.0).vehicle.damages
    assert all(compose(9, index * 4, 64, undamaged_share=0.0).vehicle.damages for index in range(5))


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"index": -2}, {"size": 10}, {"photos_per_vehicle": 0}, {"undamaged_share": 1.5}, {"stops": 40.0}],
)
def test_bad_options_are_named(options: dict[str, float]) -> None:
    arguments = {"seed": 1, "index": 0, "size": 64, **options}
    with pytest.raises(SettingsError) as error:
        render(**arguments)  # type: ignore[arg-type]
    name = next(iter(options)).replace("_", " ")
    assert name in error.value.message
    assert error.value.hint
