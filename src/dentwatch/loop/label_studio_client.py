"""Label Studio's REST API (https://api.labelstud.io), as much of it as photos to review need.

A personal access token is a refresh token (JSON Web Token), with which a short-lived access token is got; a legacy
token is shown as it is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from dentwatch.errors import LoopError
from dentwatch.label_studio_settings import LabelStudioSettings

_SECONDS = 60.0
_WAY_OUT = "Check DENTWATCH_LABEL_STUDIO__URL, __TOKEN and __PROJECT; docs/label-studio.md explains them."


class LabelStudioClient:
    """One project of a Label Studio; everything raises :class:`LoopError` where it does not answer as it should."""

    def __init__(self, session: aiohttp.ClientSession, settings: LabelStudioSettings) -> None:
        self._session = session
        self._settings = settings
        self._authorization = ""

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: LabelStudioSettings) -> AsyncIterator[Self]:
        """A client that has shown its token."""
        token = settings.token.get_secret_value()
        if not settings.url or not token or not settings.project:
            raise LoopError("No Label Studio project is set.", _WAY_OUT)
        timeout = aiohttp.ClientTimeout(_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            client = cls(session, settings)
            if token.count(".") == 2:
                answer = await client._ask("POST", "/api/token/refresh", json={"refresh": token})
                client._authorization = f"Bearer {answer['access']}"
            else:
                client._authorization = f"Token {token}"
            yield client

    async def labelling_interface(self) -> str:
        """The project's labelling interface, XML."""
        project = await self._ask("GET", self._project)
        return str(project["label_config"])

    async def set_labelling_interface(self, xml: str) -> None:
        """Give the project another labelling interface."""
        await self._ask("PATCH", self._project, json={"label_config": xml})

    async def upload(self, name: str, photo: bytes) -> str:
        """Upload a photo; returns the address that a task shows it by."""
        form = aiohttp.FormData()
        form.add_field("file", photo, filename=name, content_type="image/jpeg")
        query = {"commit_to_project": "false"}
        answer = await self._ask("POST", f"{self._project}/import", params=query, data=form)
        [number] = answer["file_upload_ids"]
        uploaded = await self._ask("GET", f"/api/import/file-upload/{number}")
        return f"/data/{uploaded['file']}"

    async def add_task(self, task: dict[str, Any]) -> int:
        """Add a task with its predictions; returns its number."""
        query = {"return_task_ids": "true"}
        answer = await self._ask("POST", f"{self._project}/import", params=query, json=[task])
        [number] = answer["task_ids"]
        return int(number)

    async def task(self, number: int) -> dict[str, Any]:
        """A task of the project with its annotations."""
        task: dict[str, Any] = await self._ask("GET", f"/api/tasks/{number}")
        if task.get("project") != self._settings.project:
            raise LoopError(f"The task {number} is not of the project {self._settings.project}.", _WAY_OUT)
        return task

    async def finished(self) -> list[dict[str, Any]]:
        """The project's annotated tasks with their annotations."""
        tasks: list[dict[str, Any]] = await self._ask("GET", f"{self._project}/export", params={"exportType": "JSON"})
        return tasks

    async def annotators(self) -> dict[int, str]:
        """The e-mail address of each user by number."""
        users = await self._ask("GET", "/api/users")
        return {int(user["id"]): str(user["email"]) for user in users}

    @property
    def _project(self) -> str:
        return f"/api/projects/{self._settings.project}"

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": self._authorization} if self._authorization else {}
        address = f"{self._settings.url}{path}"
        try:
            async with self._session.request(method, address, headers=headers, **options) as answer:
                if answer.status >= 400:
                    said = (await answer.text())[:300]
                    raise LoopError(f"Label Studio answered {answer.status} to {method} {path}: {said}", _WAY_OUT)
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise LoopError(f"Label Studio at {self._settings.url} cannot be asked: {error!r}.", _WAY_OUT) from error
