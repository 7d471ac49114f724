"""What one request may ask for together is bounded before anything is decoded."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pybase64
import pytest
from PIL import Image
from rectangles import as_photo
from running_service import Service, assert_problem, serving, upload

from dentwatch.data.decoding import size_of
from dentwatch.errors import PhotoError
from dentwatch.records.model_bundle import ModelBundle

SMALL = as_photo(np.zeros((100, 200, 3), np.uint8))  # 20,000 pixels
LARGE = as_photo(np.zeros((300, 300, 3), np.uint8))  # more than one photo may have


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Takes photos of up to 50,000 pixels, 100,000 together."""
    folder = tmp_path_factory.mktemp("pixels")
    limits = {"max_pixels": 50_000, "max_request_pixels": 100_000}
    with serving(bundle, folder / "home", folder / "log", **limits) as service:
        yield service


def test_photos_of_too_many_pixels_together_are_refused(service: Service) -> None:
    five = [upload(f"{n}.png", SMALL) for n in range(5)]
    assert service.inspect(*five).status_code == 200
    problem = assert_problem(service.inspect(*five, upload("6.png", SMALL)), 413, "too-many-pixels")
    assert "120,000 pixels together" in problem["detail"]
    assert "100,000" in problem["detail"]
    later = service.inspect(*five, upload("6.png", SMALL), headers={"Prefer": "respond-async"})
    assert_problem(later, 413, "too-many-pixels")


def test_what_is_not_decoded_does_not_count(service: Service) -> None:
    five = [upload(f"{n}.png", SMALL) for n in range(5)]
    inspection = service.inspect(*five, upload("bomb.png", LARGE), upload("notes.txt", b"no photo")).json()
    assert [photo.get("reason") for photo in inspection["photos"]] == [None] * 5 + [
        "decompression_bomb",
        "not_an_image",
    ]


def test_the_contracts_hold_to_it_too(service: Service) -> None:
    def ask(count: int) -> Any:
        instances = [{"b64": pybase64.b64encode(SMALL).decode()}] * count
        return service.client.post("/v1/models/dentwatch:predict", json={"instances": instances})

    assert ask(5).status_code == 200
    assert ask(6).status_code == 413
    assert "pixels together" in ask(6).text


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "BMP", "GIF", "TIFF"])
def test_a_size_is_told_from_the_header_alone(file_format: str) -> None:
    buffer = BytesIO()
    Image.fromarray(np.zeros((300, 400, 3), np.uint8)).save(buffer, file_format)
    assert size_of(buffer.getvalue()) == (400, 300)


def test_the_size_of_a_deep_tiff_is_told_without_decoding_it() -> None:
    encoded, data = cv2.imencode(".tiff", np.zeros((300, 400, 3), np.uint16))
    assert encoded
    assert size_of(data.tobytes()) == (400, 300)


def test_what_is_no_photo_has_no_size() -> None:
    for data in (b"", b"no photo", b"II*\x00no tiff"):
        with pytest.raises(PhotoError):
            size_of(data)
