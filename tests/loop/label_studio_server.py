"""A small HTTP server that speaks the part of Label Studio's API that Dentwatch uses, as its version 1.23 does."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PERSONAL_TOKEN, ACCESS_TOKEN, LEGACY_TOKEN = "head.refresh.sign", "head.access.sign", "0123456789abcdef"
PROJECT = 7


@dataclass
class Studio:
    """What the server holds; ``fails`` is a path that it answers with 500."""

    address: str = ""
    interface: str = "<View></View>"
    uploads: list[bytes] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    fails: str = ""

    def annotate(self, number: int, result: list[dict[str, Any]], day: int = 1, **also: Any) -> None:
        """Somebody annotates the task with that number."""
        at = f"2026-11-{day:02}T10:00:00Z"
        annotation = {"id": 1, "completed_by": 3, "was_cancelled": False, "updated_at": at, "result": result, **also}
        self.tasks[number - 1]["annotations"].append(annotation)

    def answer(self, method: str, path: str, body: bytes, form: bool) -> tuple[int, Any]:  # noqa: PLR0911 (one for each path)
        place, _, query = path.partition("?")
        if self.fails and self.fails in place:
            return 500, {"detail": "out of order"}
        if place == f"/api/projects/{PROJECT}":
            if method == "PATCH":
                self.interface = json.loads(body)["label_config"]
            return 200, {"id": PROJECT, "label_config": self.interface}
        if place == f"/api/projects/{PROJECT}/import" and form:
            self.uploads.append(body)
            return 201, {"file_upload_ids": [len(self.uploads)]}
        if place == f"/api/projects/{PROJECT}/import":
            [task] = json.loads(body)
            self.tasks.append({"id": len(self.tasks) + 1, "project": PROJECT, "annotations": [], **task})
            return 201, {"task_count": 1, **({"task_ids": [len(self.tasks)]} if "return_task_ids" in query else {})}
        if place == f"/api/projects/{PROJECT}/export":
            return 200, [task for task in self.tasks if task["annotations"]]
        if found := re.fullmatch(r"/api/import/file-upload/(\d+)", place):
            return 200, {"id": int(found[1]), "file": f"upload/{PROJECT}/{found[1]}.jpg"}
        if found := re.fullmatch(r"/api/tasks/(\d+)", place):
            return 200, self.tasks[int(found[1]) - 1]
        if place == "/api/users":
            return 200, [{"id": 3, "email": "grace@example.com"}]
        return 404, {"detail": f"nothing at {place}"}


@contextmanager
def label_studio() -> Iterator[Studio]:
    """A running server."""
    studio = Studio()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shown = self.headers.get("Authorization")
            if self.path == "/api/token/refresh":
                known = json.loads(body) == {"refresh": PERSONAL_TOKEN}
                status, answer = (200, {"access": ACCESS_TOKEN}) if known else (401, {"detail": "no such token"})
            elif shown not in (f"Bearer {ACCESS_TOKEN}", f"Token {LEGACY_TOKEN}"):
                status, answer = 401, {"detail": "Invalid token."}
            else:
                form = self.headers.get_content_type() == "multipart/form-data"
                status, answer = studio.answer(self.command, self.path, body, form)
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PATCH = _serve

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        studio.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield studio
        finally:
            server.shutdown()
            thread.join()
