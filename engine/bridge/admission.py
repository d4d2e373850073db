"""Whether a token allows a call: what it may do by REST, it may do here (SDK protocol §4).

A worker is told more plainly what is the matter with a task: one that does not exist is not found, and one
that it had and that is over is left to the core, which says so. By REST both are denied.
"""

from collections.abc import Mapping

from engine.api.access import Asked
from engine.api.call import Api
from engine.api.forms import EMPTY, Form
from engine.api.problems import access_denied, not_found
from engine.bridge.calls import Route
from engine.bridge.tokens import Session, owns
from engine.routing.states import OPEN_TASK
from engine.storage.reads import PageRequest


async def admit(
    api: Api, session: Session, route: Route, *, path: str, names: Mapping[str, str], form: Form
) -> None:
    """Let a call in.

    Args:
        api: the reads, and the rate limits that calls count against.
        session: who calls.
        route: what is called.
        path: as it was called, for the message.
        names: the SIDs of the REST route that it stands for.
        form: its parameters.

    Raises:
        ApiError: 403 when the token does not cover it, 404 for a task that does not exist, 429.
    """
    asked = _asked(route, path, names, form)
    if api.rate_limiter.enabled:
        api.rate_limiter.admit(session.principal, asked, {})
    # What is judged by the SIDs in its parameters is still the call of the worker in its path.
    mine = not route.named_in or names["WK"] == session.worker_sid
    known = mine and await _is_its_workspace(api, session, names["WS"])
    grant = session.principal.grant
    if known and grant is not None and await grant.permits(asked, api.reads):
        return
    if known and "WT" in names:
        await _check_task(api, session, route.method, path, names["WT"])
        return
    raise access_denied(route.method, path)


async def _is_its_workspace(api: Api, session: Session, workspace_sid: str) -> bool:
    return workspace_sid == session.workspace_sid and await owns(api, session.account_sid, workspace_sid)


async def _check_task(api: Api, session: Session, method: str, path: str, task_sid: str) -> None:
    """Refuse a denied call about a task, unless the task is over and the caller had an offer of it."""
    task = await api.reads.task(session.workspace_sid, task_sid)
    if task is None:
        raise not_found(path)
    if task.status not in OPEN_TASK:
        offers = await api.reads.task_reservations(
            session.workspace_sid, task.sid, PageRequest(1), worker_sid=session.worker_sid
        )
        if offers.items:
            return
    raise access_denied(method, path)


def _asked(route: Route, path: str, names: Mapping[str, str], form: Form) -> Asked:
    async def body() -> Form:
        return form if route.method == "POST" else EMPTY

    query = form if route.method == "GET" else EMPTY
    return Asked(route.method, route.template, f"/v1{path}", names, query, body)
