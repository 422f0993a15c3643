"""Which fields of a form are seen: at least those that any parser would see, however they come."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AmbiguousBody, GatewayError, InvalidRequest
from gateway.proxy.form import Form, form_of
from gateway.proxy.ownership import REFERENCES

TYPE = b"multipart/form-data; boundary=limit"


def part(name: str, content: bytes, *more: str, end: str = "\r\n") -> bytes:
    lines = ["--limit", f'Content-Disposition: form-data; name="{name}"', *more, "", ""]
    return end.join(lines).encode() + content + end.encode()


FORM = (
    part("model", b"whisper")
    + part("file", b"--limi\r\n--limi\x00t\r\n\r\n", "Content-Type: text/plain").replace(
        b'name="file"', b'name="file"; filename="a name=\\"file_id\\".txt"'
    )
    + part("file_ids[]", b"file-1")
    + part("video[id]", b"video-1")
    + part("note", b'Content-Disposition: form-data; name="file_id"\r\n\r\nfile-no')
    + part("attachments[0][file_id]", b"file-2")
    + b"--limit--\r\n"
)


def seen(*pieces: bytes, kind: bytes = TYPE) -> Form:
    form = form_of(kind, REFERENCES)
    assert form is not None
    for piece in pieces:
        form.feed(piece)
    return form


@given(st.lists(st.integers(0, len(FORM)), max_size=8))
def test_fields_are_seen_wherever_the_bytes_are_split(cuts: list[int]) -> None:
    form = seen(*(FORM[a:b] for a, b in pairwise([0, *sorted(cuts), len(FORM)])))
    assert (form.model, form.ids) == ("whisper", ["file-1", "video-1", "file-2"])
    assert form.in_file


@given(st.binary(max_size=300), st.integers(1, 50))
def test_no_bytes_are_too_much_for_it(data: bytes, step: int) -> None:
    body = part("file", data) + part("file_id", b"file-1") + b"--limit--"
    form = seen()
    with suppress(GatewayError):
        for at in range(0, len(body), step):
            form.feed(body[at : at + step])
        assert form.ids == ["file-1"]


@pytest.mark.parametrize(
    "disposition",
    [
        'Content-Disposition: form-data; name="file_id"',
        "content-disposition:form-data;name=file_id",
        'Content-Disposition: form-data; NAME = "file_id"',
        'Content-Disposition: form-data; name="file\\_id"',
        'Content-Disposition: form-data;\r\n name="file_id"',
        'X-A: b\r\nContent-Disposition: form-data; name="other"; name="file_id"',
        'Content-Disposition: form-data; filename="x"; name="File_ID"',
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("kind", [TYPE, b'Multipart/Form-Data; charset=x; Boundary="limit"'])
def test_a_field_is_seen_however_its_head_is_written(
    disposition: str, end: str, kind: bytes
) -> None:
    body = end.join(["--limit", disposition.replace("\r\n", end), "", "file-1", "--limit--", ""])
    assert seen(body.encode(), kind=kind).ids == ["file-1"]


@pytest.mark.parametrize(
    "boundary",
    [b"", b"; boundary=", b"; boundary=" + b"x" * 71, b"; boundary=" + b"x" * 100_000,
     b'; boundary="a\r\nb"', b"; boundary=a; boundary=b", b"; boundary=\xff"],
)  # fmt: skip
def test_a_boundary_that_is_none_is_refused(boundary: bytes) -> None:
    with pytest.raises(InvalidRequest):
        form_of(b"multipart/form-data" + boundary, REFERENCES)


def test_what_is_no_form_is_none() -> None:
    assert form_of(b"audio/wav; boundary=x", REFERENCES) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (part("model", b"a") + part("model", b"b") + b"--limit--", AmbiguousBody),
        (part("file_id", b"x" * 2000), InvalidRequest),
        (b"--limit\r\n" + b"x" * 20_000, InvalidRequest),
        (
            b"--limit\r\nContent-Disposition: form-data; name*=utf-8''file_id\r\n\r\n",
            InvalidRequest,
        ),
        (part("file_id", b"a") * 2000 + b"--limit--", InvalidRequest),
    ],
    ids=["two models", "long id", "endless head", "extended name", "many ids"],
)
def test_what_could_hide_something_is_refused(body: bytes, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        seen(body)


def test_little_is_kept_of_a_large_file() -> None:
    form = seen(part("file", b"x", 'X: filename="a"').removesuffix(b"\r\n"))
    for _ in range(100):
        form.feed(b"y" * 100_000)
        assert len(form._rest) < 100
