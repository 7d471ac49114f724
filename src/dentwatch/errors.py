"""Every error that Dentwatch raises on purpose.

::

    DentwatchError
    ├── SettingsError          a setting or option has a value that cannot be used
    ├── MissingExtraError      the command needs packages of an extra that is not installed
    ├── DataError              photos, annotations or dataset versions
    │   ├── SourceError        a source of photos cannot be opened or understood
    │   ├── PhotoError         one photo cannot be used (carries the named reason)
    │   └── DatasetError       a dataset version is missing, ambiguous or damaged
    ├── TrainingError          a run cannot start or go on
    │   ├── ExportError        the exported model does not equal the network
    │   └── RunHeldError       another process is at work on the run or search
    ├── ModelError             a model version is missing, ambiguous or damaged
    ├── MonitoringError        drift cannot be watched as asked
    │   ├── UnarmedError       the reference is too small to keep the false-alarm promise
    │   ├── DriftStateError    a saved state does not belong to the detector that is to go on from it
    │   ├── AlertError         an alert cannot be delivered, or not where it is to go
    │   ├── IncidentError      an incident does not exist, or is not in a state for that
    │   └── UnfitReviewError   what a person says about a photo does not fit it
    ├── LoopError              a step of the loop does not exist, or cannot be carried out
    └── RecordsError           what happened while serving cannot be kept or read
        ├── DatabaseError      the database cannot be reached, read or written
        ├── KeyRefusedError    an API key is unknown, revoked or cannot be made
        └── AuditError         the audit log has been changed

A message says what happened, to which input; ``hint`` says what to do about it.
"""


class DentwatchError(Exception):
    """Root of the tree: catch this to catch everything that Dentwatch raises on purpose.

    ``message`` says what happened and to which input; ``hint`` is the way out, one sentence.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message if hint is None else f"{message} {hint}")


class SettingsError(DentwatchError):
    """A setting or option has a value that cannot be used."""


class MissingExtraError(DentwatchError):
    """The command needs packages of an extra that is not installed."""


class DataError(DentwatchError):
    """Photos, annotations or dataset versions cannot be used as asked."""


class SourceError(DataError):
    """A source of photos cannot be opened or understood."""


class PhotoError(DataError):
    """One photo cannot be used; ``reason`` is its short machine-readable name (``truncated``, ``too_small`` …)."""

    def __init__(self, reason: str, message: str, hint: str | None = None) -> None:
        self.reason = reason
        super().__init__(message, hint)


class DatasetError(DataError):
    """A dataset version is missing, ambiguous or damaged."""


class TrainingError(DentwatchError):
    """A training run cannot start or go on."""


class ExportError(TrainingError):
    """The exported model does not equal the trained network, so it is not registered."""


class RunHeldError(TrainingError):
    """Another process is at work on the run or search: two would spoil each other's checkpoints."""


class ModelError(DentwatchError):
    """A model version is missing, ambiguous or damaged."""


class RecordsError(DentwatchError):
    """What happened while serving cannot be kept or read as asked."""


class DatabaseError(RecordsError):
    """The database cannot be reached, read or written."""


class KeyRefusedError(RecordsError):
    """An API key is unknown, revoked or cannot be made."""


class AuditError(RecordsError):
    """The audit log is not what was written; ``number`` is the first entry that shows it."""

    def __init__(self, number: int, message: str, hint: str | None = None) -> None:
        self.number = number
        super().__init__(message, hint)


class MonitoringError(DentwatchError):
    """Drift cannot be watched as asked."""


class UnarmedError(MonitoringError):
    """The reference is too small to keep the false-alarm promise, so the detector refuses to arm."""


class DriftStateError(MonitoringError):
    """A saved state of a drift detector is damaged, or was made with another reference."""


class AlertError(MonitoringError):
    """An alert cannot be delivered; the message is what the receiver's service said."""


class IncidentError(MonitoringError):
    """An incident does not exist, or is not in a state for what was asked."""


class UnfitReviewError(MonitoringError):
    """What a person says about a photo does not fit it: a detection without a verdict, a box outside."""


class LoopError(DentwatchError):
    """A step of the loop does not exist, is not in a state for that, or cannot be carried out."""
