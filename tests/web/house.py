"""A running service with a key for each role, for the tests of its pages."""

from dataclasses import dataclass, field
from typing import Any

from rectangles import Rectangle, as_photo, rectangles_rgb
from running_service import Service, upload

from dentwatch.records import api_keys, sessions
from dentwatch.records.database import Database
from dentwatch.settings import Settings

PASSWORD = "correct horse battery"
"""The inspector's."""


@dataclass
class House:
    """A running service, the settings of its home, its database, and the key of each role (named like the role)."""

    service: Service
    settings: Settings
    database: Database
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.service.document["address"])

    def headers(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def session(self, role: str) -> str:
        """The token of a session of the role's holder."""
        with self.database.writing() as connection:
            key = api_keys.authenticate(connection, self.keys[role])
            assert key is not None
            return sessions.open_session(connection, key, "test")

    def inspect(
        self, *rectangles: Rectangle, role: str = "seller", size: tuple[int, int] = (640, 480), **fields: str
    ) -> Any:
        """The answer about one photo with these damages, submitted by the role's holder."""
        photo = upload("photo.png", as_photo(rectangles_rgb(*size, *rectangles)))
        answer = self.service.inspect(photo, headers=self.headers(role), **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()
