"""Writes the check photos; see the package."""

from dentwatch.data.synthetic import render
from dentwatch.serving.engines.check_photos import SCENES, SEED, SIDE, folder

for scene in SCENES:
    photo = render(SEED, scene, SIDE, undamaged_share=0.0, stops=0.0, quality=90)
    (folder() / f"{scene:03}.jpg").write_bytes(photo.jpeg)
