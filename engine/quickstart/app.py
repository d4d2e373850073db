"""The application of the quickstart: answers assignment callbacks and completes tasks after a while."""

import asyncio
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from engine.quickstart.centre import Centre, Request
from engine.quickstart.client import ApiClient, ApiError

CALLBACK_PATH = "/assignment"
COMPLETE_ATTEMPTS_MAX = 20
COMPLETE_PAUSE_S = 0.05


@dataclass(slots=True, frozen=True)
class Assignment:
    """A task that a worker took, and how long it waited for that since it was sent."""

    request: Request
    queue: str
    worker: str
    wait_ms: float


def signature_of(url: str, fields: Mapping[str, str], auth_token: str) -> str:
    """Return the X-Twilio-Signature of a form POST: base64 of HMAC-SHA1 over URL and sorted fields."""
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1")).decode()


class App:
    """An HTTP server on a free local port. It accepts every task offered with a right signature."""

    def __init__(self, api: ApiClient, auth_token: str, on_assigned: Callable[[Assignment], None]) -> None:
        self.url = ""
        self.all_completed = asyncio.Event()
        self._centre: Centre | None = None
        self._sent: dict[int, tuple[Request, float]] = {}
        self._expected = 0
        self._completed: set[str] = set()
        self._api = api
        self._auth_token = auth_token
        self._on_assigned = on_assigned
        self._seen: set[str] = set()
        self._handling: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post(CALLBACK_PATH, self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}{CALLBACK_PATH}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._handling:
            task.cancel()
        await asyncio.gather(*self._handling, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()

    def open(self, centre: Centre, expected: int) -> None:
        """Tell whose assignments to show, and how many tasks there will be."""
        self._centre = centre
        self._expected = expected

    def sending(self, request: Request) -> None:
        """Note that this request is being sent now."""
        self._sent[request.number] = (request, time.monotonic())

    async def _answer(self, callback: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await callback.post()).items()}
        signature = callback.headers.get("X-Twilio-Signature", "")
        if not hmac.compare_digest(signature, signature_of(self.url, fields, self._auth_token)):
            return web.json_response({"error": "wrong signature"}, status=403)
        if fields["ReservationSid"] not in self._seen:
            self._seen.add(fields["ReservationSid"])
            self._take(fields)
        return web.json_response({"instruction": "accept"})

    def _take(self, fields: Mapping[str, str]) -> None:
        number = json.loads(fields["TaskAttributes"]).get("number")
        handling_s = 1.0
        if number in self._sent and self._centre:
            request, sent_at = self._sent[number]
            handling_s = request.handling_s
            queue = self._centre.queue_names[fields["TaskQueueSid"]]
            worker = self._centre.worker_names.get(fields["WorkerSid"], fields["WorkerSid"])
            self._on_assigned(Assignment(request, queue, worker, (time.monotonic() - sent_at) * 1000))
        task = asyncio.create_task(
            self._complete(fields["WorkspaceSid"], fields["TaskSid"], handling_s), name=fields["TaskSid"]
        )
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _complete(self, workspace_sid: str, task_sid: str, handling_s: float) -> None:
        """Complete the task; the daemon does that only when it is assigned, which proves that it was."""
        path = f"/v1/Workspaces/{workspace_sid}/Tasks/{task_sid}"
        await asyncio.sleep(handling_s)
        for _ in range(COMPLETE_ATTEMPTS_MAX):
            try:
                await self._api.post(path, AssignmentStatus="completed", Reason="solved")
            except ApiError:
                await asyncio.sleep(COMPLETE_PAUSE_S)
                continue
            self._completed.add(task_sid)
            if len(self._completed) == self._expected:
                self.all_completed.set()
            return
