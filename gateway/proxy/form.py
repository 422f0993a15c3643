"""A form (multipart/form-data, RFC 7578) as it passes: the names of its parts, and what some say.

Nothing is kept or changed; an upload is read once, by its provider. What counts as a delimiter or
as a name here is more than any parser takes for one, so that none finds a field that this misses.
Pure.
"""

import re

from gateway.errors import AmbiguousBody, InvalidRequest

MAX_HEAD_BYTES = 16 * 1024
MAX_VALUE_BYTES = 1024
"""Of a field that the gateway acts on."""
MOST_VALUES = 1000
_MULTIPART = re.compile(rb"\s*multipart/", re.IGNORECASE)
_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
_BOUNDARY_CHARACTERS = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046, 5.1.1."""
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n|\r\r")
_NAME = re.compile(rb"""[;\s]name(\*[^\s=]*)?\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)""", re.IGNORECASE)
_FILE = re.compile(rb"[;\s]filename\*?\s*=", re.IGNORECASE)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_WORDS = re.compile(rb"[\[\].]+")


def form_of(content_type: bytes, references: frozenset[str]) -> "Form | None":
    """None: it is no form. Raises InvalidRequest (400) for one whose boundary is none."""
    if not _MULTIPART.match(content_type):
        return None
    found = _BOUNDARY.findall(content_type)
    boundary = found[0][0] or found[0][1] if len(found) == 1 else b""
    if not _BOUNDARY_CHARACTERS.fullmatch(boundary):
        raise InvalidRequest("A form needs a boundary of 1 to 70 characters in its content-type.")
    return Form(boundary, references)


class Form:
    """One form, as far as it has been fed."""

    def __init__(self, boundary: bytes, references: frozenset[str]) -> None:
        """`references`: the names of fields whose values are ids."""
        self._mark, self._references = b"--" + boundary, references
        self._rest = b""
        self._in_head = False
        self._value_of = ""
        self._values = 0
        self.model: str | None = None
        self.ids: list[str] = []
        """Those of the fields that have passed whole."""
        self.in_file = False
        """A file has begun: fields for which the gateway looks ahead should have come before."""

    def feed(self, data: bytes) -> None:
        """Raises InvalidRequest or AmbiguousBody (400)."""
        rest = self._rest + data
        while True:
            at = rest.find(self._mark)
            if self._in_head:
                head = _END_OF_HEAD.search(rest, 0, at if at >= 0 else len(rest))
                if head is not None:
                    self._begin(rest[: head.start()])
                    rest = rest[head.end() :]
                    continue
                if at < 0 and len(rest) > MAX_HEAD_BYTES:
                    raise InvalidRequest("A part of the form has a head that is too long.")
            if at < 0:
                break
            self._end(rest[:at])
            rest = rest[at + len(self._mark) :]
        keep = len(rest) if self._in_head or self._value_of else len(self._mark) - 1
        if self._value_of and keep > MAX_VALUE_BYTES + len(self._mark) + 2:
            raise InvalidRequest(f"The field {self._value_of} is too long.", param=self._value_of)
        self._rest = rest[-keep:] if keep else b""

    def _begin(self, head: bytes) -> None:
        self._in_head = False
        self.in_file = self.in_file or _FILE.search(head) is not None
        names = _NAME.findall(head)
        if any(extended for extended, _ in names):
            raise InvalidRequest("The name of a field in a form has no `name*` (RFC 7578, 4.2).")
        for _, quoted in names:
            name = _ESCAPED.sub(rb"\1", quoted.strip(b'"')).decode("utf-8", "replace")
            if name == "model" or self._refers(name):
                self._value_of = name

    def _refers(self, name: str) -> bool:
        """`file_id`, `file_ids[]`, `video[id]`, `attachments[0][file_id]`."""
        words = {word.decode().lower() for word in _WORDS.split(name.encode()) if word}
        return "id" in words or not words.isdisjoint(self._references)

    def _end(self, content: bytes) -> None:
        """Of a part; what follows is another one's head, or the end."""
        name, self._value_of, self._in_head = self._value_of, "", True
        if not name:
            return
        value = content.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
        self._values += 1
        if self._values > MOST_VALUES:
            raise InvalidRequest(f"A form may name {MOST_VALUES} ids at most.")
        if name != "model":
            self.ids.append(value)
        elif self.model is None:
            self.model = value[:256]
        else:
            raise AmbiguousBody("The field model is given twice.", param="model")
