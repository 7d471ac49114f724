"""Several networks of one kind that answer as one.

Networks that learnt the same photos from other seeds make other mistakes, and what they agree on is more often right
(Lakshminarayanan, Pritzel & Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
2017). Averaged is what they say about each place of the photo, before non-maximum suppression.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from dentwatch.errors import TrainingError
from dentwatch.records.model_bundle import Rights
from dentwatch.training.detectors.contract import Detector, Target

_LEAST = 1e-6  # added to scores, so that one network that says 0 does not silence the others


class Averaged(Detector):
    """``networks``, all of one kind, size and input, of a kind whose outputs can be averaged; answers only.

    A score is the geometric mean of the networks' scores, a box the mean of their boxes.
    """

    def __init__(self, networks: Sequence[Detector]) -> None:
        first = networks[0]
        super().__init__(first.size, first.labels, first.input_size)
        self.networks = nn.ModuleList(networks)
        # What the class states of other detectors is here what the networks are.
        self.name, self.stride, self.any_shape = first.name, first.stride, first.any_shape  # type: ignore[misc]

    def loss(self, images: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:  # noqa: ARG002
        """Not to be had: each network learns by itself."""
        raise TypeError("networks that answer together are trained one by one")

    def load_library_weights(self, folder: Path) -> Rights:  # noqa: ARG002
        """Not to be had: each network starts by itself."""
        raise TrainingError("Networks that answer together start one by one.", "Train with `--set members=N`.")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`.contract.Detector`."""
        said = [cast(tuple[Tensor, Tensor], network(images)) for network in self.networks]
        boxes, scores = (torch.stack(each) for each in zip(*said, strict=True))
        return boxes.mean(0), (scores + _LEAST).log().mean(0).exp().clamp(max=1.0)


def parameters_of(parameters: dict[str, Tensor], member: int) -> dict[str, Tensor]:
    """One network's of the parameters of an :class:`Averaged`; after the last comes the first again."""
    count = 1 + max(int(name.split(".")[1]) for name in parameters)
    prefix = f"networks.{member % count}."
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
