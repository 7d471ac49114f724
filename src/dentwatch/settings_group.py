"""What groups of settings have in common."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Settings that belong together; a name that is none is an error, not a setting that does nothing."""

    model_config = ConfigDict(extra="forbid")
