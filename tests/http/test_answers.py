"""What counts as an answer, where it ends, and whether its connection may be used again."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.http_answer import AnswerReader, Fault, HttpFailure

BODY_MAX = 1_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*parts: bytes, end: bool = False) -> AnswerReader:
    reader = AnswerReader(BODY_MAX)
    for part in parts:
        reader.feed(part)
    if end:
        reader.end()
    return reader


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


ENDS_BY_ITSELF = {
    "a length": (OK + b"Content-Length: 2\r\n\r\nok", 200, b"ok"),
    "chunks": (CHUNKED + b"1;x=y\r\no\r\n1\r\nk\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, b"ok"),
    "no body by status": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "no body but a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b""),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 2\nX-Empty:\n\nok", 200, b"ok"),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 2\r\n\r\nok",
        200,
        b"ok",
    ),
    "1.0 that stays": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        200,
        b"ok",
    ),
}
ENDS_ITS_CONNECTION = {
    "close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
    "1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "another answer": OK + b"Content-Length: 2\r\n\r\nok" + OK,
    "garbage": OK + b"Content-Length: 2\r\n\r\nok\x00\x01",
    "more than its length": OK + b"Content-Length: 2\r\n\r\nokay",
    "another protocol": b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00",
    "another protocol, half said": b"HTTP/1.1 101 S\r\n\r\n",
}
ENDS_WITH_ITS_CONNECTION = {
    "nothing said": OK + b"\r\nok",
    "an encoding that is not chunked": OK + b"Transfer-Encoding: gzip\r\n\r\nok",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nok",
}
MALFORMED = {
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "a status of zero": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
    "a long status": b"HTTP/1.1 1000 X\r\n\r\n",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n",
    "a chunk without size": CHUNKED + b"zz\r\n",
    "a zero in a header": OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a long line": OK + b"X: " + b"y" * 70_000,
    "many lines": OK + b"X-Header: y\r\n" * 8_000 + b"\r\n",
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK + b"Content-Length: 0\r\n\r\n",
}
TOO_LARGE = {
    "by length": OK + b"Content-Length: 5000\r\n\r\n" + b"x" * (BODY_MAX + 1),
    "in one piece": OK + b"Content-Length: 1001\r\n\r\n" + b"x" * (BODY_MAX + 1),
    "by chunks": CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 10,
    "by a trailer": CHUNKED + b"0\r\nX-Trailer: " + b"x" * 80_000,
    "by an extension of a chunk": CHUNKED + b"1;" + b"x" * 80_000,
}


@pytest.mark.parametrize("case", ENDS_BY_ITSELF)
def test_an_answer_ends_where_it_says_and_leaves_its_connection(case: str) -> None:
    data, status, body = ENDS_BY_ITSELF[case]
    for reader in (read(data), read(*bytewise(data))):
        assert reader.complete
        assert reader.reusable
        assert (reader.answer().status, reader.answer().body) == (status, body)


@pytest.mark.parametrize("case", ENDS_ITS_CONNECTION)
def test_what_says_close_or_is_followed_by_more_ends_its_connection(case: str) -> None:
    for reader in (read(ENDS_ITS_CONNECTION[case]), read(*bytewise(ENDS_ITS_CONNECTION[case]))):
        assert reader.complete
        assert not reader.reusable
        assert reader.answer().body == (b"" if reader.status == 101 else b"ok")


@pytest.mark.parametrize("case", ENDS_WITH_ITS_CONNECTION)
def test_an_answer_without_a_length_ends_with_its_connection(case: str) -> None:
    data = ENDS_WITH_ITS_CONNECTION[case]
    assert not read(data).complete
    reader = read(data, end=True)
    assert reader.complete
    assert not reader.reusable
    assert reader.answer().body == b"ok"


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_http_is_refused(case: str) -> None:
    with pytest.raises(HttpFailure) as caught:
        read(MALFORMED[case])
    assert caught.value.fault is Fault.MALFORMED
    assert caught.value.answered


@pytest.mark.parametrize("case", TOO_LARGE)
def test_what_is_too_large_is_refused_and_not_kept(case: str) -> None:
    reader = AnswerReader(BODY_MAX)
    with pytest.raises(HttpFailure) as caught:
        reader.feed(TOO_LARGE[case])
    assert (caught.value.fault, caught.value.status) == (Fault.TOO_LARGE, 200)
    assert reader.answer().body == b""


@pytest.mark.parametrize(
    ("data", "fault", "status"),
    [
        (b"", Fault.CLOSED, None),
        (b"HTTP/1.1 200 O", Fault.CLOSED, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Fault.CLOSED, None),
        (OK + b"Content-Length: 3\r\n\r\nok", Fault.BROKEN_OFF, 200),
        (CHUNKED + b"2\r\nok\r\n", Fault.BROKEN_OFF, 200),
    ],
)
def test_an_answer_that_stops_too_early_is_none(data: bytes, fault: Fault, status: int | None) -> None:
    with pytest.raises(HttpFailure) as caught:
        read(data, end=True)
    assert (caught.value.fault, caught.value.status) == (fault, status)
    assert caught.value.answered == bool(data)


def test_answers_follow_each_other_on_a_connection() -> None:
    reader = AnswerReader(BODY_MAX)
    reader.feed(OK + b"X-First: 1\r\nContent-Length: 3\r\n\r\none")
    first = reader.answer()
    reader.begin()
    assert not reader.complete
    assert reader.feed(OK + b"X-Second: 2\r\nContent-Length: 3\r\n\r\ntwo")
    second = reader.answer()
    assert (first.body, second.body) == (b"one", b"two")
    assert (first.header(b"x-first"), second.header(b"x-first")) == (b"1", None)


@given(st.sampled_from(sorted(ENDS_BY_ITSELF)), st.lists(st.integers(0, 200)))
def test_where_an_answer_is_cut_does_not_matter(case: str, cuts: list[int]) -> None:
    data, status, body = ENDS_BY_ITSELF[case]
    edges = [0, *sorted(cuts), len(data)]
    reader = read(*(data[start:stop] for start, stop in pairwise(edges)))
    assert reader.complete
    assert (reader.answer().status, reader.answer().body) == (status, body)
