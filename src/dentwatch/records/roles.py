"""The roles that an API key can have."""

from enum import StrEnum


class Role(StrEnum):
    """What the holder of a key is to Dentwatch; ``serving.permissions`` says what each may do."""

    VIEWER = "viewer"
    SELLER = "seller"
    INSPECTOR = "inspector"
    ENGINEER = "engineer"
    ADMIN = "admin"
