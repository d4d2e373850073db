"""API keys, as clients of the account API speak of them: RFC 2822 dates, page URIs beside the items.

Only the account itself, by its auth token, may manage its keys: a key that could make keys would outlive its
own revocation. A secret is told once, by the answer to the create.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web

from engine.api import answers
from engine.api.call import Call
from engine.api.envelopes import ApiKey, ApiKeyPage, NewApiKey
from engine.api.operations import Fields, exact, operation, optional
from engine.api.paging import Paging
from engine.api.problems import bad_request, forbidden
from engine.keyring import TooManyKeys
from engine.readers import reads
from engine.storage.keys import ApiKeyView
from engine.storage.reads import Page

NAME_CHARS_MAX = 64


@reads(type="string", maxLength=NAME_CHARS_MAX)
def _name(name: str, value: str) -> str:
    if len(value) > NAME_CHARS_MAX:
        raise bad_request(f"{name} is longer than {NAME_CHARS_MAX} characters")
    return value


_NEW = Fields(name=optional("FriendlyName", _name, "What it is for.", ""))
_CHANGED = Fields(name=exact("FriendlyName", _name, "What it is for."))


@operation("ListKey", answers=ApiKey, lists="keys", envelope=ApiKeyPage, meta=False)
async def list_keys(call: Call) -> web.Response:
    """List the account's keys."""
    account_sid = _own_account(call)
    paging = Paging.read(call.query())
    page = await call.reads.api_keys(account_sid, paging.by_sid("SK"))
    return answers.document(_envelope(call, paging, page))


@operation("CreateNewKey", 201, answers=NewApiKey, body=_NEW)
async def create_key(call: Call) -> web.Response:
    """Make a key; this answer is the only one with its secret."""
    account_sid = _own_account(call)
    name = (await call.fields())["name"]
    try:
        key = await call.api.keyring.create_key(call.mint("SK"), account_sid, name)
    except TooManyKeys as error:
        raise bad_request(str(error)) from None
    view = call.found(await call.reads.api_key(account_sid, key.sid))
    return answers.created({**_document(view), "secret": key.secret})


@operation("FetchKey", answers=ApiKey)
async def fetch_key(call: Call) -> web.Response:
    """Answer one key."""
    return await _answer(call, _own_account(call))


@operation("UpdateKey", answers=ApiKey, body=_CHANGED)
async def update_key(call: Call) -> web.Response:
    """Change the name of a key."""
    account_sid = _own_account(call)
    name = (await call.fields())["name"]
    if name is not None:
        await call.api.keyring.rename_key(account_sid, call.path("SK"), name)
    return await _answer(call, account_sid)


@operation("DeleteKey", 204)
async def delete_key(call: Call) -> web.Response:
    """Revoke a key."""
    if not await call.api.keyring.revoke_key(_own_account(call), call.path("SK")):
        raise call.missing()
    return answers.no_content()


async def _answer(call: Call, account_sid: str) -> web.Response:
    return answers.document(_document(call.found(await call.reads.api_key(account_sid, call.path("SK")))))


def _own_account(call: Call) -> str:
    """Return the account of the path. Raises 403/20403 for anybody but that account itself."""
    if not call.principal.is_account:
        raise forbidden("API keys are managed with the account's auth token")
    if call.path("AC") != call.account_sid:
        raise forbidden("These credentials are not those of this account")
    return call.account_sid


def _document(view: ApiKeyView) -> ApiKey:
    return {
        "sid": view.sid,
        "friendly_name": view.friendly_name,
        "date_created": _date(view.date_created_ms),
        "date_updated": _date(view.date_updated_ms),
    }


def _date(moment_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(moment_ms // 1000, UTC))


def _envelope(call: Call, paging: Paging, page: Page[ApiKeyView]) -> dict[str, object]:
    items: Sequence[ApiKeyView] = page.items
    start = paging.number * paging.size
    return {
        "keys": [_document(view) for view in items],
        **paging.uris(call.request.path, page),
        "page": paging.number,
        "page_size": paging.size,
        "start": start,
        "end": start + max(len(items) - 1, 0),
    }
