"""What each role may do, and who is calling."""

from dataclasses import dataclass
from enum import StrEnum

from dentwatch.records.roles import Role


class Permission(StrEnum):
    """One thing that a caller may or may not do, in words that complete "this key may not …"."""

    SUBMIT_INSPECTIONS = "submit inspections"
    SEE_INSPECTIONS = "see inspections"  # one's own
    SEE_ALL_INSPECTIONS = "see inspections that others submitted"
    SEE_PHOTOS = "see photos"  # of the inspections that one may see
    GIVE_FEEDBACK = "give feedback"
    OPEN_DISPUTES = "open disputes"
    GIVE_VERDICTS = "give verdicts"
    REGISTER_LISTINGS = "register listings"
    USE_MODEL = "use the model routes"  # stateless: nothing is kept
    SEE_METRICS = "see metrics"
    SEE_MONITORING = "see drift, incidents and KPIs"
    HANDLE_INCIDENTS = "handle incidents"
    SEND_ANNOTATIONS = "send annotated photos"
    DECIDE_ON_MODELS = "decide on models"
    SEE_MODELS = "see models and data"
    SEE_AUDIT = "see the audit log"
    MANAGE = "manage keys and settings"


_SEE = {Permission.SEE_INSPECTIONS, Permission.SEE_PHOTOS}
_USE = _SEE | {Permission.SUBMIT_INSPECTIONS, Permission.GIVE_FEEDBACK, Permission.OPEN_DISPUTES}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset(_SEE | {Permission.SEE_ALL_INSPECTIONS, Permission.SEE_MONITORING, Permission.SEE_MODELS}),
    Role.SELLER: frozenset(_USE | {Permission.REGISTER_LISTINGS}),
    Role.INSPECTOR: frozenset(
        _USE
        | {Permission.SEE_ALL_INSPECTIONS, Permission.GIVE_VERDICTS, Permission.SEE_MONITORING}
        | {Permission.SEND_ANNOTATIONS, Permission.SEE_MODELS}
    ),
    Role.ENGINEER: frozenset(
        _USE
        | {Permission.SEE_ALL_INSPECTIONS, Permission.USE_MODEL, Permission.SEE_METRICS}
        | {Permission.SEE_MONITORING, Permission.SEND_ANNOTATIONS, Permission.HANDLE_INCIDENTS}
        | {Permission.DECIDE_ON_MODELS, Permission.SEE_MODELS, Permission.SEE_AUDIT}
    ),
    Role.ADMIN: frozenset(Permission),
}
"""What each role may do; docs/access.md shows the same table, and a test holds that it does."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request: the holder of a key, or :data:`ANONYMOUS`."""

    key_id: str | None
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """The caller as the records name it; apart from people at the command line, who have login names."""
        return self.name if self.key_id is None else f"key:{self.name}"

    def may(self, permission: Permission) -> bool:
        """Whether the caller's role has ``permission``."""
        return permission in PERMISSIONS[self.role]

    def sees(self, owner: str | None) -> bool:
        """Whether the caller may see an inspection that the key with the id ``owner`` submitted."""
        return self.may(Permission.SEE_ALL_INSPECTIONS) or (owner is not None and owner == self.key_id)

    @property
    def sees_only(self) -> str | None:
        """The owner whose inspections alone the caller may see; None where that is everybody's."""
        return None if self.may(Permission.SEE_ALL_INSPECTIONS) else self.key_id


ANONYMOUS = Caller(key_id=None, name="anonymous", role=Role.ADMIN)
"""Everybody who reaches a service that runs open."""
