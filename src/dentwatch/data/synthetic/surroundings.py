"""What lies around the car in the picture: ground with the car's shadow, and the surroundings behind."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.environment import wrapped
from dentwatch.data.synthetic.mesh import Floats, Pose, dot
from dentwatch.data.synthetic.shading import WIDTH, Light, padded
from dentwatch.data.synthetic.vehicle import Vehicle

_SHADOW_SIDE, _SHADOW_METRES = 192, 12.0


def background(vehicle: Vehicle, pose: Pose, size: int, light: Light, index: NDArray[np.intp]) -> Floats:
    """Radiance (size², 3) of the pixels ``index`` of the flat picture, which show no car; the others stay 0."""
    picture = np.zeros((size * size, 3), np.float32)
    if not len(index):
        return picture
    x, y, z = pose.rays(size, index)
    eye_x, eye_y, eye_z = (np.float32(value) for value in pose.eye)
    place = light.environment
    # The surroundings stand on a cylinder around the car; its reach is where a ray leaves that cylinder.
    radius = max(place.radius, float(np.hypot(eye_x, eye_y)) + 2.5)
    flat = x * x + y * y + np.float32(1e-9)
    along = eye_x * x + eye_y * y
    reach = (np.sqrt(along * along + flat * np.float32(radius**2 - eye_x**2 - eye_y**2)) - along) / flat
    ground = eye_z + z * reach < 0
    for part, is_ground in ((np.flatnonzero(ground), True), (np.flatnonzero(~ground), False)):
        if not len(part):
            continue
        some = padded(part)
        distance = -eye_z / z.take(some) if is_ground else reach.take(some)
        hit_x, hit_y = eye_x + x.take(some) * distance, eye_y + y.take(some) * distance
        if is_ground:
            pixel = distance * np.float32(pose.field_of_view / size)
            colour = _ground(vehicle, light, hit_x, hit_y, pixel)
        else:
            away = np.stack([hit_x, hit_y, eye_z + z.take(some) * distance])
            away /= np.sqrt(dot(away, away))
            (colour,) = light.sample(away, place.panorama)
            colour = colour.T
        picture[index.take(some)] = colour
    return picture


def _ground(vehicle: Vehicle, light: Light, x: Floats, y: Floats, footprint: Floats) -> Floats:
    place = light.environment
    shape = (-1, WIDTH)
    cosine, sine = np.float32(np.cos(light.turn)), np.float32(np.sin(light.turn))
    scale = np.float32(512 / place.tile)
    u, v = wrapped((cosine * x + sine * y) * scale, 512), wrapped((cosine * y - sine * x) * scale, 512)
    texture = cv2.remap(place.ground, u.reshape(shape), v.reshape(shape), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    mean = np.array(cv2.mean(place.ground)[:3], np.float32)
    blur = np.clip(footprint * scale * np.float32(0.35) - np.float32(0.5), 0, 1)[:, None]
    colour = texture.reshape(-1, 3)
    colour = colour + (mean - colour) * blur
    body = vehicle.body
    beside = np.maximum(np.abs(x) - np.float32(body.length / 2 - 0.25), 0)
    before = np.maximum(np.abs(y) - np.float32(body.width / 2 - 0.15), 0)
    away = np.sqrt(beside * beside + before * before)
    contact = 1 - np.float32(0.88) * np.exp(-away / np.float32(0.22)) * np.clip(1 - away / 2, 0, 1)
    colour *= contact[:, None]
    if place.sun_radiance.any():
        colour *= _cast_shadow(vehicle, light, x.reshape(shape), y.reshape(shape)).reshape(-1, 1)
    return np.asarray(colour)


def _cast_shadow(vehicle: Vehicle, light: Light, x: Floats, y: Floats) -> Floats:
    """Share of light left where the car keeps the sun off the ground."""
    sun = light.sun
    vertices = vehicle.mesh.vertices[::7]
    fallen = vertices[:, :2] - vertices[:, 2:] * (sun[:2] / max(float(sun[2]), 0.15))
    scale = _SHADOW_SIDE / _SHADOW_METRES
    points = np.round((fallen + _SHADOW_METRES / 2) * scale * 16).astype(np.int32)
    mask = np.zeros((_SHADOW_SIDE, _SHADOW_SIDE), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1.0, cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.2)
    half = np.float32(_SHADOW_METRES / 2)
    shade = cv2.remap(
        mask,
        (x + half) * np.float32(scale),
        (y + half) * np.float32(scale),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    radiance = light.environment.sun_radiance * sun[2]
    sky = light.environment.diffuse[0].mean(0)
    left = float((sky / (sky + radiance)).mean())
    return np.asarray(1 - (1 - np.float32(left)) * shade)
