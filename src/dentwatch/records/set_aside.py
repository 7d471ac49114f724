"""What validation set aside: a photo or some of its annotations, the reason, and everything needed to try again."""

import json
from dataclasses import asdict, dataclass

from dentwatch.records.annotations import Split


@dataclass(frozen=True, slots=True)
class SetAside:
    """One thing that did not pass validation.

    ``kind`` is ``photo`` (nothing of it is in a dataset version on account of this source) or ``annotation`` (the
    photo is in, these annotations of it are not). ``reason`` is the machine-readable name, ``detail`` the sentence for
    people. ``photo_id`` is None where not even bytes could be read; otherwise the photo store holds them.
    ``annotations`` is a JSON list of the annotations as the source stated them, or None for a photo that was never
    annotated. The rest is what the source said about the photo.
    """

    kind: str
    reason: str
    detail: str
    photo_id: str | None
    name: str
    annotations: str | None = None
    width: int | None = None
    height: int | None = None
    vehicle: str | None = None
    split: Split | None = None
    licence: str | None = None
    consent: str | None = None
    source: str = ""

    def as_text(self) -> str:
        """The canonical JSON text of this entry; equal entries have equal texts."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "SetAside":
        """The inverse of :meth:`as_text`."""
        return cls(**json.loads(text))
