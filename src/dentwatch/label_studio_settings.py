"""Which Label Studio project photos are sent to, if any."""

from pydantic import Field, SecretStr, field_validator

from dentwatch.settings_group import Group


class LabelStudioSettings(Group):
    """Which Label Studio project photos to review are sent to."""

    url: str = Field("", description="Address of Label Studio, `https://…`. Empty: it is not used.")
    token: SecretStr = Field(
        SecretStr(""), description="Access token of a user of Label Studio: a personal one, or a legacy one."
    )
    project: int = Field(0, ge=0, description="Number of the project, as its address shows it.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("it does not begin with http:// or https://")
        return url.rstrip("/")
