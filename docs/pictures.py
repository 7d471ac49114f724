"""Make the picture of the README: the starter model on synthetic photos that it was not trained on.

::

    python docs/pictures.py
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from dentwatch import settings
from dentwatch.data.synthetic import render
from dentwatch.serving.drawing import draw
from dentwatch.serving.inspection import Inspector, Photo
from dentwatch.serving.models import resolve

PHOTOS = ((5, 7), (5, 13))  # seed and index; the starter model was trained on seed 2026
SIDE = 640


def main() -> None:
    """Inspect each photo and lay the drawn ones side by side."""
    loaded = settings.load()
    inspector = Inspector(resolve("starter", loaded), threads=2, max_pixels=loaded.data.max_pixels)
    drawn = []
    for seed, index in PHOTOS:
        rgb = render(seed, index, SIDE).rgb
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "PNG")
        [answer] = inspector.inspect([Photo(f"{seed}-{index}", buffer.getvalue)])
        drawn.append(np.asarray(Image.open(io.BytesIO(draw(rgb, answer.detections)))))
    out = Path(__file__).parent / "images" / "at-work.jpg"
    out.parent.mkdir(exist_ok=True)
    Image.fromarray(np.hstack(drawn)).save(out, quality=88, optimize=True)


if __name__ == "__main__":
    main()
