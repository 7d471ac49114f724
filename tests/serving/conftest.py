"""A real model whose answers are known, and photos for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rectangles import Rectangle, as_photo, rectangle_graph, rectangles_rgb, write_bundle

from dentwatch.records.model_bundle import ModelBundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """The model of rectangles."""
    return write_bundle(tmp_path_factory.mktemp("models") / "rectangles", rectangle_graph())


@pytest.fixture
def photo_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a photo of rectangles: ``photo_file("a.png", 640, 480, ("scratch", 10, 20, 30, 40))``."""

    def write(name: str, width: int, height: int, *rectangles: Rectangle, level: int = 255) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_photo(rectangles_rgb(width, height, *rectangles, level=level)))
        return path

    return write
