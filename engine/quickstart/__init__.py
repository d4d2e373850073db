"""`pointsman quickstart`: a small support centre at work, on a daemon made for the occasion.

Everything goes through the HTTP API and the callbacks, as a client's application would do it. It starts a
daemon, sets the centre up, sends tasks, accepts and completes them, and ends with what was measured.
"""

import asyncio
import time
from contextlib import suppress

from rich.console import Console

from engine.quickstart.app import App, Assignment
from engine.quickstart.centre import Centre, Request, requests, set_up
from engine.quickstart.client import ApiClient
from engine.quickstart.daemon_process import daemon
from engine.quickstart.interrupting import until_signal
from engine.quickstart.show import Show, show_for
from engine.quickstart.summary import print_how_to_go_on, print_summary

TASKS = 60
SEND_PAUSE_S = 0.05
FINISH_TIMEOUT_S = 30


def run(keep: bool) -> int:
    """Run the quickstart; with `keep` go on until a signal. Returns 0 only when all tasks were assigned.

    Raises PointsmanError when the daemon does not start or refuses a request.
    """
    return asyncio.run(until_signal(_quickstart(keep)))


async def _quickstart(keep: bool) -> int:
    console = Console()
    show = show_for(console, TASKS)
    started_s = time.monotonic()
    show.step("Starting a daemon and its PostgreSQL ...")
    async with daemon() as running:
        show.step(f"Ready at {running.base_url} after {time.monotonic() - started_s:.1f} s")
        assignments: list[Assignment] = []

        def assigned(assignment: Assignment) -> None:
            assignments.append(assignment)
            show.assigned(assignment)

        async with (
            ApiClient(running.base_url, running.account_sid, running.auth_token) as api,
            App(api, running.auth_token, assigned) as app,
        ):
            try:
                completed = await _a_day_at_the_centre(api, app, show)
            finally:
                show.close()
            print_summary(console, assignments, completed, TASKS)
            print_how_to_go_on(console, running, keep)
            if keep:
                await _until_cancelled()
    return 0 if completed == TASKS else 1


async def _a_day_at_the_centre(api: ApiClient, app: App, show: Show) -> int:
    """Set up, send all tasks, wait until they are done. Returns how many the daemon says are completed."""
    centre = await set_up(api, app.url)
    app.open(centre, TASKS)
    show.step(
        f"Support centre: {len(centre.queue_names)} queues, {len(centre.worker_names)} workers, 1 workflow; "
        f"sending {TASKS} tasks"
    )
    for request in requests(TASKS):
        await _send(api, app, centre, request)
        await asyncio.sleep(SEND_PAUSE_S)
    with suppress(TimeoutError):
        await asyncio.wait_for(app.all_completed.wait(), FINISH_TIMEOUT_S)
    page = await api.get(f"{centre.path}/Tasks", AssignmentStatus="completed", PageSize=TASKS)
    return len(page["tasks"])


async def _send(api: ApiClient, app: App, centre: Centre, request: Request) -> None:
    app.sending(request)
    await api.post(
        f"{centre.path}/Tasks",
        WorkflowSid=centre.workflow_sid,
        TaskChannel=request.channel,
        Attributes=request.attributes(),
    )


async def _until_cancelled() -> None:
    """Wait for the signal, which then has done its work."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task:
            task.uncancel()
