"""Multipart forms read straight from memory: photos of megabytes are not copied, and none of them touches the disk.

Starlette's own form writes every file over a megabyte to a temporary file and reads it back. Parsing is
python-multipart's.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from dentwatch.serving.problems import RefusedError

_MOST_FIELD_BYTES = 1 << 16
_MOST_FIELDS = 100


@dataclass(slots=True)
class Upload:
    """A file of a form: the name that its sender gave it, and its bytes, where they lie in the form."""

    name: str
    data: bytes | memoryview

    def release(self) -> None:
        """Let go of the bytes; the form's memory is free when all of its files have."""
        self.data = b""


@dataclass(slots=True)
class Form:
    """A form: its text fields (the last of a name counts) and the files of each name, in their order."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)


async def read_form(request: Request, most_files: int, most_file_bytes: int) -> Form:
    """The form that ``request`` carries.

    Raises :class:`RefusedError`: 400 for what is no multipart form or ends too early, 413 for more than ``most_files``
    files or a file of more than ``most_file_bytes``.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise _not_a_form("Send multipart/form-data with a boundary, as `curl -F photos=@car.jpg` does.")
    reading = _Reading(most_files, most_file_bytes)
    try:
        parser = MultipartParser(boundary, reading.callbacks())  # type: ignore[arg-type]
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise _not_a_form(f"The form cannot be read: {error}.") from error
    except ClientDisconnect as error:
        raise _not_a_form("The connection ended in the middle of the form.") from error
    if not reading.ended:
        raise _not_a_form("The form ends before its last boundary.")
    return reading.form


class _Reading:
    """What the parser calls while a form comes in."""

    def __init__(self, most_files: int, most_file_bytes: int) -> None:
        self.form = Form()
        self.ended = False
        self._most_files, self._most_file_bytes = most_files, most_file_bytes
        self._files = 0
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._filename: str | None = None
        self._parts: list[memoryview] = []
        self._size = 0

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._parts, self._size = {}, [], 0

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise _not_a_form("A part of the form has no name.")
        self._name = options[b"name"].decode("utf-8", "replace")
        filename = options.get(b"filename")
        self._filename = None if filename is None else filename.decode("utf-8", "replace")
        if self._filename is not None:
            self._files += 1
            if self._files > self._most_files:
                raise RefusedError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "too-many-photos",
                    f"More than {self._most_files} photos came, and that is the most for one inspection. "
                    "Send them in parts.",
                    {"Connection": "close"},
                )
        elif len(self.form.fields) >= _MOST_FIELDS:
            raise _not_a_form(f"The form has more than {_MOST_FIELDS} fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._filename is None:
            if self._size > _MOST_FIELD_BYTES:
                raise _not_a_form(f"The field {self._name} is longer than {_MOST_FIELD_BYTES:,} bytes.")
        elif self._size > self._most_file_bytes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "photo-too-large",
                f"{self._filename} has more than the {self._most_file_bytes:,} bytes that a photo may have.",
                {"Connection": "close"},
            )
        self._parts.append(memoryview(data)[start:end])

    def _close(self) -> None:
        parts, self._parts = self._parts, []
        if self._filename is not None:
            content = parts[0] if len(parts) == 1 else b"".join(parts)
            self.form.files.setdefault(self._name, []).append(Upload(self._filename, content))
            return
        try:
            self.form.fields[self._name] = b"".join(parts).decode()
        except UnicodeDecodeError as error:
            raise _not_a_form(f"The field {self._name} is not UTF-8.") from error

    def _end(self) -> None:
        self.ended = True


def _not_a_form(detail: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "not-a-form", detail)
