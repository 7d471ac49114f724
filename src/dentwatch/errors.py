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
    │   └── ExportError        the exported model does not equal the network
    ├── ModelError             a model version is missing, ambiguous or damaged
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
