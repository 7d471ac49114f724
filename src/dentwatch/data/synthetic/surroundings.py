"""What lies around the car in the picture: ground with the car's shadow, and the surroundings behind."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dentwatch.data.synthetic.mesh import Floats, Pose, dot
from dentwatch.data.synthetic.shading import WIDTH, Light, padded
from dentwatch.data.synthetic.vehicle import Vehicle

_SHADOW_SIDE, _SHADOW_METRES = 192, 12.0


def background(vehicle: Vehicle, pose: Pose, rays: Floats, light: Light, free: NDArray[np.bool_]) -> Floats:
    """Radiance (H, W, 3) of the pixels ``free`` (H·W,) of the car; the others stay 0."""
    picture = np.zeros((rays.shape[0] * rays.shape[1], 3), np.float32)
    if not free.any():
        return picture
    index = padded(np.flatnonzero(free))
    direction = np.ascontiguousarray(rays.reshape(-1, 3)[index].T)
    eye = np.array(pose.eye, np.float32)
    place = light.environment
    # The surroundings stand on a cylinder around the car.
    flat = direction[0] ** 2 + direction[1] ** 2 + np.float32(1e-9)
    along = eye[0] * direction[0] + eye[1] * direction[1]
    radius = max(place.radius, float(np.hypot(eye[0], eye[1])) + 2.5)
    reach = (np.sqrt(along**2 + flat * np.float32(radius**2 - eye[0] ** 2 - eye[1] ** 2)) - along) / flat
    to_ground = np.where(direction[2] < 0, -eye[2] / np.minimum(direction[2], -1e-6), np.float32(1e6))
    ground = to_ground < reach
    hit = eye[:, None] + direction * np.where(ground, to_ground, reach)
    colour = np.zeros((len(index), 3), np.float32)
    far = padded(np.flatnonzero(~ground)) if not ground.all() else None
    if far is not None:
        away = hit[:, far] / np.sqrt(dot(hit[:, far], hit[:, far]))
        colour[far] = light.sample(place.panorama, away).T
    near = padded(np.flatnonzero(ground)) if ground.any() else None
    if near is not None:
        colour[near] = _ground(
            vehicle, light, hit[0, near], hit[1, near], to_ground[near] * np.float32(pose.field_of_view / rays.shape[0])
        )
    picture[index] = colour
    return picture


def _ground(vehicle: Vehicle, light: Light, x: Floats, y: Floats, footprint: Floats) -> Floats:
    place = light.environment
    shape = (-1, WIDTH)
    cosine, sine = np.float32(np.cos(light.turn)), np.float32(np.sin(light.turn))
    scale = np.float32(512 / place.tile)
    u, v = ((cosine * x + sine * y) * scale) % 512, ((cosine * y - sine * x) * scale) % 512
    texture = cv2.remap(place.ground, u.reshape(shape), v.reshape(shape), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    mean = place.ground.mean((0, 1))
    blur = np.clip(footprint * scale * np.float32(0.35) - np.float32(0.5), 0, 1)[:, None]
    colour = texture.reshape(-1, 3)
    colour = colour + (mean - colour) * blur
    body = vehicle.body
    away = np.hypot(
        np.maximum(np.abs(x) - np.float32(body.length / 2 - 0.25), 0),
        np.maximum(np.abs(y) - np.float32(body.width / 2 - 0.15), 0),
    )
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
