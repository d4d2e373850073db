"""What a receiver sees of an assignment callback."""

import base64
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from engine import __version__
from engine.callbacks.client import form_body
from engine.routing.commands import AssignmentCallbackFailed
from tests.callbacks.receiver import (
    TOKEN,
    Workspaces,
    a_callback,
    a_workspace,
    changes_with,
    dispatching,
    serving,
)

TEXT = st.characters(exclude_categories=["Cs"])
FIELDS = {
    "TaskAttributes": '{"name": "Zoë & co = 100%", "emoji": "😀"}',
    "WorkerAttributes": "{}",
    "TaskAge": "0",
    "WorkerName": " line\nbreak + plus ",
    "Empty": "",
}


@given(st.dictionaries(st.text(TEXT, min_size=1), st.text(TEXT), min_size=1))
def test_a_form_decodes_to_its_fields(fields: dict[str, str]) -> None:
    assert parse_qs(form_body(fields).decode(), keep_blank_values=True, strict_parsing=True) == {
        name: [value] for name, value in fields.items()
    }


@pytest.mark.parametrize(
    "path", ["", "/", "/cb", "/cb?x=1&y=%2F&z=a+b&x=0", "/a%7Eb/%C3%A9", "/cb#rc=2&rt=10", "/straße?q=ü"]
)
async def test_the_official_validator_accepts_what_arrives(path: str) -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base + path, **FIELDS)))
        [request] = await receiver.has(1)
        await workspaces.has(1)
    assert request.fields.items() >= FIELDS.items()
    signature = request.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(request.url, request.fields, signature)


async def test_user_info_travels_as_basic_authentication_and_is_not_signed() -> None:
    workspaces = Workspaces()
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces) as dispatcher:
            url = receiver.base.replace("://", "://bob:s%40crét@") + "/cb?key=hush"
            dispatcher.committed(a_workspace(), changes_with(a_callback(url)))
            [request] = await receiver.has(1)
            await workspaces.has(1)
    kind, _, credentials = request.headers["Authorization"].partition(" ")
    assert (kind, base64.b64decode(credentials).decode()) == ("Basic", "bob:s@crét")
    assert request.url == f"{receiver.base}/cb?key=hush"
    assert RequestValidator(TOKEN).validate(
        request.url, request.fields, request.headers["X-Twilio-Signature"]
    )
    assert "hush" not in str(log)
    assert "bob" not in str(log)


async def test_it_is_a_form_post_that_names_the_sender() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(f"{receiver.base}/cb")))
        [request] = await receiver.has(1)
        await workspaces.has(1)
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert request.headers["User-Agent"] == f"pointsman/{__version__}"
    assert "Cookie" not in request.headers


async def test_an_account_without_token_sends_nothing_unsigned() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces, token_of=lambda _: None) as dispatcher:
        dispatcher.committed(a_workspace(), changes_with(a_callback(f"{receiver.base}/cb")))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
    assert receiver.received == []


async def test_a_delivery_is_logged_with_its_sids_and_duration() -> None:
    workspaces = Workspaces()
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces) as dispatcher:
            receiver.answers(200, '{"instruction": "accept"}')
            dispatcher.committed(a_workspace(), changes_with(a_callback(f"{receiver.base}/cb?x=1")))
            await workspaces.has(1)
    [line] = [line for line in log if line["event"] == "callback.delivered"]
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "callback.delivered",
        "log_level": "info",
        "workspace_sid": f"WS{1:032x}",
        "task_sid": f"WT{1:032x}",
        "reservation_sid": f"WR{1:032x}",
        "url": f"{receiver.base}/cb",
        "attempt": "primary",
        "instruction": "accept",
    }
