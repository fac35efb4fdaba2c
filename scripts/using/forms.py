"""The file in a form as browsers and curl -F send it: multipart/form-data, RFC 7578. All in memory, nothing on disk."""

import re
from email.message import Message

FIELD = "file"
PARTS = 16  # at most; a body is not taken apart without end
DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\s*;(.*)$", re.IGNORECASE | re.MULTILINE)
PARAMETER = re.compile(rb'(?:^|[;\s])(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def file_in(body: bytes, content_type: str) -> tuple[str | None, bytes]:
    """The name, if it has one, and the bytes of the field `file`.

    Raises:
        ValueError: there is no such field.
    """
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    parts = (b"\r\n" + body).split(f"\r\n--{boundary}".encode(), PARTS + 1) if boundary else []
    for part in parts[1:-1]:  # before the first boundary nothing counts, nor after the last
        head, _, content = part.partition(b"\r\n\r\n")
        disposition = DISPOSITION.search(head)
        told = {key.lower(): value for key, value in PARAMETER.findall(disposition[1])} if disposition else {}
        if told.get(b"name") == FIELD.encode():
            name = told.get(b"filename")
            return None if name is None else name.decode(errors="replace"), content
    raise ValueError(f"no field {FIELD!r} in the form")
