"""AttributesMerge on task and worker updates: a merge patch that concurrent writers share."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.support import assert_problem


@pytest.fixture(params=["Tasks", "Workers"])
def path(request, http, base):
    body = {"FriendlyName": "Ann", "Attributes": '{"level": 1, "skills": ["a"], "home": {"city": "Ulm"}}'}
    return f"{base}/{request.param}/{http.post(f'{base}/{request.param}', body).json()['sid']}"


def attributes(http, path):
    return json.loads(http.get(path).json()["attributes"])


def test_members_are_set_replaced_and_taken_away(http, path):
    patch = '{"level": null, "skills": ["b"], "home": {"zip": "89073"}, "new": 1.50}'
    answer = http.post(path, {"AttributesMerge": patch})
    assert answer.status_code == 200, answer.text
    assert answer.json()["attributes"] == '{"skills":["b"],"home":{"city":"Ulm","zip":"89073"},"new":1.50}'
    assert attributes(http, path) == json.loads(answer.json()["attributes"])


def test_a_json_body_may_hold_the_patch_as_an_object(http, path):
    answer = http.post(path, json={"AttributesMerge": {"level": None, "a": {"b": 2}}})
    assert json.loads(answer.json()["attributes"])["a"] == {"b": 2}
    assert "level" not in attributes(http, path)


def test_concurrent_writers_do_not_overwrite_each_other(http, path):
    def write(number):
        return http.post(path, {"AttributesMerge": json.dumps({f"n{number}": number})}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(24))) == {200}
    assert {f"n{number}" for number in range(24)} <= attributes(http, path).keys()


def test_if_match_holds_for_a_merge_too(http, path):
    version = http.get(path).headers["ETag"]
    patch = {"AttributesMerge": '{"a": 1}'}
    assert http.post(path, patch, headers={"If-Match": version}).status_code == 200
    assert_problem(http.post(path, patch, headers={"If-Match": version}), 412, 20412)


@pytest.mark.parametrize(
    "body",
    [
        {"AttributesMerge": "[]"},
        {"AttributesMerge": "null"},
        {"AttributesMerge": ""},
        {"AttributesMerge": "{"},
        {"AttributesMerge": '{"a": NaN}'},
        {"AttributesMerge": "{}", "Attributes": "{}"},
        {"AttributesMerge": json.dumps({"a": "x" * 4096})},
        {"AttributesMerge": json.dumps({"a": "x" * 4070})},
    ],
)
def test_what_cannot_be_merged_is_refused_and_changes_nothing(http, path, body):
    before = http.get(path)
    assert_problem(http.post(path, body), 400, 20001)
    after = http.get(path)
    assert after.json()["attributes"] == before.json()["attributes"]


def test_a_result_of_the_longest_length_is_taken(http, base):
    task = f"{base}/Tasks/" + http.post(f"{base}/Tasks", {"Attributes": '{"a":1}'}).json()["sid"]
    room = 4096 - len('{"a":1,"b":""}')
    assert_problem(http.post(task, {"AttributesMerge": json.dumps({"b": "x" * (room + 1)})}), 400, 20001)
    answer = http.post(task, {"AttributesMerge": json.dumps({"b": "x" * room})})
    assert len(answer.json()["attributes"]) == 4096
