"""What bodies and query strings may look like, without a server."""

from urllib.parse import unquote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import fields
from engine.api.forms import parse_json, parse_urlencoded
from engine.api.problems import ApiError
from engine.routing.commands import UNSET

NOW_MS = 1_700_000_000_000


def refusal(call, *arguments):
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    assert caught.value.status == 400
    return caught.value


def test_a_repeated_key_is_a_list_and_its_last_value_counts_alone():
    form = parse_urlencoded(b"A=1&A=2&B=x+y%20z", 10)
    assert form.all("A") == ["1", "2"]
    assert form.value("A", fields.whole_number, None) == 2
    assert form.value("B", fields.text, None) == "x y z"


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"])
def test_an_instant_outside_the_calendar_of_utc_is_refused(text):
    refusal(fields.instant_ms, "StartDate", text)


_PIECES = st.sampled_from(
    ["%22", "%7B", "%7b", "%25", "%20", "%2C", "+", "%C3%A4", "%c3%A4", "%FF", "ä", "a", "2", '"']
)


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_escapes_mean_what_the_standard_library_takes_them_for(spelled):
    try:
        expected = unquote_plus(spelled, errors="strict")
    except UnicodeDecodeError:
        refusal(parse_urlencoded, f"A={spelled}".encode(), 10)
        return
    assert parse_urlencoded(f"A={spelled}".encode(), 10).all("A") == [expected]


def test_text_beyond_ascii_may_be_escaped_or_plain():
    assert parse_urlencoded("Name=Zoë".encode(), 10).all("Name") == ["Zoë"]
    assert parse_urlencoded(b"Name=Zo%C3%AB", 10).all("Name") == ["Zoë"]


@pytest.mark.parametrize(
    "raw",
    [
        b"A=%ff",
        b"A=\xff",
        b"A=%ed%a0%80",
        b"A=%00",
        b"A=\x00",
        b"%00=1",
        b"A=%",
        b"A=%g1",
        b"=1",
        b"A=1&B=2&C=3",
    ],
)
def test_a_malformed_form_is_refused(raw):
    refusal(parse_urlencoded, raw, 2)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"A": [[1]]}',
        b'{"A": [{}]}',
        b'{"A": "\\u0000"}',
        b'{"A": "\\ud800"}',
        b'{"A": "\xff"}',
        b'{"A": NaN}',
        b'{"A": 1, "B": 2, "C": 3}',
        b'{"A": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"A": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    ],
)
def test_a_malformed_json_body_is_refused(raw):
    refusal(parse_json, raw, 2)


def test_a_json_body_means_the_same_as_its_form():
    form = parse_json(b'{"A": "x", "B": 2, "C": true, "D": null, "E": ["a", "b"], "F": {"g": 1}}', 10)
    assert form.all("A") == ["x"]
    assert form.value("B", fields.integer(1, 5), None) == 2
    assert form.value("C", fields.boolean, None) is True
    assert "D" not in form
    assert form.all("E") == ["a", "b"]
    assert orjson.loads(form.all("F")[0]) == {"g": 1}


def test_what_is_not_sent_stays_unset_and_an_empty_value_may_too():
    form = parse_urlencoded(b"Empty=", 10)
    assert form.value("Absent", fields.boolean, UNSET) is UNSET
    assert form.value("Empty", fields.boolean, UNSET) is UNSET
    assert form.exact("Empty", fields.text, UNSET) == ""


def test_a_missing_required_field_is_named():
    error = refusal(parse_urlencoded(b"", 10).required, "FriendlyName", fields.friendly_name)
    assert error.code == 20001
    assert "FriendlyName" in error.message


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1", "yes", "YES"])
def test_booleans_are_read_in_any_case(text):
    assert fields.boolean("B", text) is True
    assert fields.truthy("B", text) is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no"])
def test_false_is_read_in_any_case(text):
    assert fields.boolean("B", text) is False
    assert fields.truthy("B", text) is False


def test_a_strict_boolean_refuses_other_words_and_a_lenient_one_takes_them_for_false():
    refusal(fields.boolean, "B", "maybe")
    assert fields.truthy("B", "maybe") is False


@pytest.mark.parametrize("text", ["x", "1.0", "1e3", " 1", "+1", "0x1", "1_000", "१", "9" * 30, "-", "--1"])
def test_a_whole_number_is_decimal_digits_only(text):
    refusal(fields.integer(0, None), "N", text)


def test_bounds_belong_to_the_range():
    read = fields.integer(1, 50)
    assert read("N", "1") == 1
    assert read("N", "50") == 50
    refusal(read, "N", "0")
    refusal(read, "N", "51")


@pytest.mark.parametrize("text", ["", " ", "\t\n", "x" * 65])
def test_a_bad_friendly_name_has_a_code_of_its_own(text):
    assert refusal(fields.friendly_name, "FriendlyName", text).code == 20002


def test_a_friendly_name_has_up_to_64_characters_not_bytes():
    assert fields.friendly_name("FriendlyName", "ë" * 64) == "ë" * 64


@pytest.mark.parametrize("text", ["9lives", "with-hyphen", "with space", "", "a" * 65, "naïve", "a.b"])
def test_a_unique_name_must_be_usable_in_an_expression(text):
    refusal(fields.unique_name, "UniqueName", text)


@pytest.mark.parametrize(
    "text", ["WT" + "0" * 31, "WT" + "0" * 33, "WQ" + "0" * 32, "WT" + "g" * 32, "", "WT" + "0" * 32 + "\n"]
)
def test_a_sid_has_its_prefix_and_32_hexadecimal_digits(text):
    refusal(fields.sid("WT", "WK"), "Sid", text)


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("2023-11-14T22:13:20Z", NOW_MS),
        ("2023-11-14T22:13:20", NOW_MS),
        ("2023-11-14T22:13:20.250Z", NOW_MS + 250),
        ("2023-11-14T23:13:20+01:00", NOW_MS),
        ("2023-11-14", 1_699_920_000_000),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000),
    ],
)
def test_dates_are_iso_and_utc_unless_they_say_otherwise(text, moment_ms):
    assert fields.instant_ms("D", text) == moment_ms


@pytest.mark.parametrize(
    "text", ["soon", "1700000000", "2023-13-01", "Tue, 14 Nov 2023 22:13:20 +0000", "2023-11-14T25:00:00Z"]
)
def test_anything_else_is_no_date(text):
    refusal(fields.instant_ms, "D", text)


def test_a_virtual_start_lies_between_1900_and_now():
    read = fields.virtual_start_ms(lambda: NOW_MS)
    assert read("V", "2023-11-14T22:13:20Z") == NOW_MS
    refusal(read, "V", "2023-11-14T22:13:25Z")
    refusal(read, "V", "1899-12-31T23:59:59Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "[]",
        "null",
        "1",
        "{",
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a": ' + "[" * 101 + "]" * 101 + "}",
        '{"a": ' + "[" * 2_000 + "]" * 2_000 + "}",
        '{"a": "' + "x" * 4_096 + '"}',
    ],
)
def test_attributes_are_the_text_of_a_small_flat_enough_json_object(text):
    refusal(fields.attributes(4_096), "Attributes", text)


def test_attributes_are_kept_verbatim_up_to_the_limit():
    text = '{ "a" :"' + "x" * (4_096 - 10) + '"}'
    assert len(text) == 4_096
    assert fields.attributes(4_096)("Attributes", text) == text


def test_empty_attributes_mean_none_on_create_only():
    assert fields.created_attributes(4_096)("Attributes", "") == "{}"
    refusal(fields.attributes(4_096), "Attributes", "")


def test_the_size_of_a_configuration_is_in_bytes():
    read = fields.configuration(20)
    assert read("Configuration", '{"a": "ëëëë"}')
    refusal(read, "Configuration", '{"a": "ëëëëëëë"}')


@pytest.mark.parametrize(
    "text", ["ftp://example.org", "example.org/x", "http://", "javascript:alert(1)", "http://a b"]
)
def test_a_callback_url_is_http(text):
    refusal(fields.callback_url, "Url", text)


def test_an_empty_callback_url_means_none():
    assert fields.callback_url("Url", "") == ""
