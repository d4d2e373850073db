import random

import pytest
from twilio.request_validator import RequestValidator

from engine.callbacks.signature import sign

CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
TASK = {"TaskSid": "WT1", "TaskAttributes": '{"a":1}', "WorkerName": "Zoë"}


@pytest.mark.parametrize(
    ("url", "fields", "signature"),
    [
        ("https://mycompany.com/myapp.php?foo=1&bar=2", CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://127.0.0.1:9000/cb?x=1", TASK, "84JGD5Jfs+Ha4NWDW2nhJNpDfwE="),
    ],
)
def test_the_published_vectors_hold(url: str, fields: dict[str, str], signature: str) -> None:
    assert sign("12345", url, fields.items()) == signature


def test_the_official_validator_accepts_repeated_and_unicode_values() -> None:
    url = "https://example.com:8443/cb?b=2&a=1&a=0"
    pairs = [("b", "2"), ("a", "ü"), ("a", "1"), ("a", "1"), ("ä", "😀"), ("Z", ""), ("a", "+ &=")]
    values = {name: [value for other, value in pairs if other == name] for name, _ in pairs}

    class MultiDict(dict[str, list[str]]):
        def getlist(self, name: str) -> list[str]:
            return self[name]

    shuffled = random.Random(1).sample(pairs, len(pairs))
    assert RequestValidator("secret").validate(url, MultiDict(values), sign("secret", url, shuffled))


def test_the_order_of_fields_does_not_matter_and_the_token_does() -> None:
    forwards, backwards = list(TASK.items()), list(reversed(TASK.items()))
    assert sign("k", "http://h/", forwards) == sign("k", "http://h/", backwards)
    assert sign("k", "http://h/", forwards) != sign("other", "http://h/", forwards)


def test_a_get_signs_the_url_alone() -> None:
    url = "https://example.com/cb?x=1"
    assert RequestValidator("secret").validate(url, {}, sign("secret", url))
