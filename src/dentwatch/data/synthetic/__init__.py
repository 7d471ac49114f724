"""Synthetic photos of damaged cars with exact boxes.

:func:`render` makes one photo, :func:`generate` a COCO data set of them; ``docs/synthetic.md`` says what is modelled.
"""

from dentwatch.data.synthetic.camera import Camera
from dentwatch.data.synthetic.dataset import generate
from dentwatch.data.synthetic.photo import SyntheticPhoto, render

__all__ = ["Camera", "SyntheticPhoto", "generate", "render"]
