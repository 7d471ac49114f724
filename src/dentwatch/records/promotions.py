"""The history of champions: who made which model version champion, when and why."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from dentwatch.errors import ModelError

TAG_PREFIX = "dentwatch.promotion."
_REASON_LIMIT = 1000  # characters; MLflow keeps tags of a registered model in 5000


@dataclass(frozen=True, slots=True)
class Promotion:
    """One change of the champion: ``action`` made ``version`` champion in place of ``previous`` (None: of nobody).

    ``at`` is UTC in ISO 8601. ``done`` is False from the moment the change is announced until it has happened; it
    stays so when the process is killed in between.
    """

    action: Literal["promote", "rollback"]
    version: int
    previous: int | None
    reason: str
    actor: str
    at: str
    key: str
    done: bool = False

    @classmethod
    def announce(
        cls, action: Literal["promote", "rollback"], version: int, previous: int | None, reason: str, actor: str
    ) -> "Promotion":
        """A change that is about to happen; raises :class:`ModelError` where ``reason`` or ``actor`` is unusable."""
        if not reason.strip() or len(reason) > _REASON_LIMIT:
            raise ModelError(
                f"A change of the champion needs a reason of 1 to {_REASON_LIMIT} characters (got {len(reason)}).",
                'Say why in a sentence, as in --reason "AP50 0.31 → 0.36 on the frozen test set".',
            )
        if not actor.strip():
            raise ModelError("A change of the champion needs the name of who makes it.", "Give --actor.")
        now = datetime.now(UTC)
        key = f"{TAG_PREFIX}{now:%Y%m%dT%H%M%S.%f}.{uuid.uuid4().hex[:8]}"  # sorts by time; MLflow allows no plus sign
        return cls(
            action, version, previous, reason.strip(), actor.strip(), now.isoformat(timespec="microseconds"), key
        )

    def finished(self) -> "Promotion":
        """The same change, after it has happened."""
        return replace(self, done=True)

    def as_tag(self) -> tuple[str, str]:
        """Key and value of the registry's tag that records it."""
        value = {name: item for name, item in asdict(self).items() if name != "key"}
        return self.key, json.dumps(value, ensure_ascii=False)


def history_of(tags: dict[str, str], champion: int | None) -> list[Promotion]:
    """The changes that happened, oldest first, from the tags of the registered model.

    The last announced change counts as done when its version is the champion: it was killed after the change.
    """
    entries = sorted(
        (Promotion(**json.loads(value), key=key) for key, value in tags.items() if key.startswith(TAG_PREFIX)),
        key=lambda entry: entry.key,
    )
    if entries and not entries[-1].done and entries[-1].version == champion:
        entries[-1] = entries[-1].finished()
    return [entry for entry in entries if entry.done]


def previous_champion(history: Iterable[Promotion], champion: int) -> int | None:
    """The version to roll back to from ``champion``; None where there was none before it.

    A promotion puts a version on a stack, a rollback takes off what stands above its target: rolling back twice
    goes back two champions instead of forth again.
    """
    stack: list[int] = []
    for entry in history:
        if entry.previous is not None and stack[-1:] != [entry.previous]:
            stack.append(entry.previous)  # it had been made champion by other means
        if entry.action == "rollback" and entry.version in stack:
            while stack[-1] != entry.version:
                stack.pop()
        else:
            stack.append(entry.version)
    while stack and stack[-1] == champion:
        stack.pop()
    return stack[-1] if stack else None
