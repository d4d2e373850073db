"""A voice gateway to start from: takes Pointsman's signed instructions, logs them, says what became of them.

It has no telephone network behind it: `carry_out` is the one function to replace. Around it stands what every
gateway needs: the signature is checked, an instruction that is delivered twice is carried out once, and the
answer has the form that Pointsman expects.

    POINTSMAN_AUTH_TOKEN=… python gateway.py --url http://127.0.0.1:9099/instructions

`--url` is the URL exactly as it stands in Pointsman's setting `voice_gateway.url`, because it is signed.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
from collections import OrderedDict
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from multidict import MultiDict

REMEMBERED_MAX = 10_000
"""So many instructions are remembered, to know one that is delivered again."""


def log(event: str, **fields: object) -> None:
    """Write one line of JSON."""
    sys.stderr.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stderr.flush()


def signature_of(auth_token: str, url: str, form: MultiDict[str]) -> str:
    """Return what X-Twilio-Signature must be: HMAC-SHA1 over the URL and the sorted fields, in base64."""
    signed = url + "".join(name + value for name, value in sorted(set(form.items())))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


async def carry_out(form: MultiDict[str]) -> dict[str, str]:
    """Do what is asked. Here a made-up call; in earnest a request to your telephone system.

    Answer within `voice_gateway.timeout_s`: once the worker has answered, if you can wait for that, or once
    the call is on its way. When the call has ended, complete the reservation over Pointsman's REST API, and
    put the worker into the activity that (Dequeue)PostWorkActivitySid names.

    Returns:
        {"status": "accepted"} with the SIDs of the call and the conference, if there are any, or
        {"status": "failed", "reason": …}.
    """
    instruction = form["Instruction"]
    answer = {"status": "accepted"}
    if instruction != "redirect":
        answer["call_sid"] = "CA" + secrets.token_hex(16)
    if instruction == "conference":
        answer["conference_sid"] = "CF" + secrets.token_hex(16)
    return answer


class Gateway:
    """Answers POSTs to one path.

    Args:
        auth_token: of the account whose instructions are taken.
        url: the URL that Pointsman calls, as it is configured there.
    """

    def __init__(self, auth_token: str, url: str) -> None:
        self._auth_token = auth_token
        self._url = url
        self._known: OrderedDict[str, asyncio.Task[dict[str, str]]] = OrderedDict()

    async def handle(self, request: web.Request) -> web.Response:
        """Check, carry out at most once, answer."""
        # Empty fields are signed too. A list repeats its name.
        form = MultiDict(parse_qsl(await request.text(), keep_blank_values=True))
        expected = signature_of(self._auth_token, self._url, form)
        if not hmac.compare_digest(request.headers.get("X-Twilio-Signature", ""), expected):
            log("signature.wrong", url=self._url)
            return web.json_response({"error": "wrong signature"}, status=403)
        # Credentials of SIP addresses do not belong into a log.
        shown = {name: form.getall(name) for name in form if name != "SipAuthPassword"}
        log("instruction", fields=shown)
        answer = await self._once(form["InstructionId"], form)
        log("answer", instruction_id=form["InstructionId"], **answer)
        return web.json_response(answer)

    async def _once(self, instruction_id: str, form: MultiDict[str]) -> dict[str, str]:
        """Carry out an instruction, unless it came before: then its answer is given again.

        Pointsman repeats one when a connection broke or it died before it could keep the answer. What failed
        is forgotten, so that somebody may try again.
        """
        task = self._known.get(instruction_id)
        if task is None:
            task = self._known[instruction_id] = asyncio.create_task(carry_out(form))
            if len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)
        try:
            # When the connection breaks, what is under way goes on for the repetition.
            answer = await asyncio.shield(task)
        except Exception:
            self._known.pop(instruction_id, None)
            raise
        if answer["status"] != "accepted":
            self._known.pop(instruction_id, None)
        return answer


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="An example voice gateway for Pointsman.")
    parser.add_argument("--url", default="http://127.0.0.1:9099/instructions", help="as Pointsman has it")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; by default that of the URL")
    options = parser.parse_args()
    auth_token = os.environ.get("POINTSMAN_AUTH_TOKEN")
    if not auth_token:
        parser.error("POINTSMAN_AUTH_TOKEN is not set")
    parts = urlsplit(options.url)
    app = web.Application()
    app.router.add_post(parts.path or "/", Gateway(auth_token, options.url).handle)
    web.run_app(app, host=options.host, port=options.port or parts.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
