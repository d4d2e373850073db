"""Why a command about a transfer is refused when what it names is not live any more, from the rows."""

from engine.routing.commands import CancelTransfer, CreateTransfer
from engine.routing.errors import NotFound, VersionMismatch
from engine.routing.states import ended_transfer_refusal, not_transferable
from engine.runtime.ports import Store

OfTransfer = CreateTransfer | CancelTransfer


async def transfer_refusal(
    store: Store, workspace_sid: str, command: OfTransfer, missing: NotFound, visible_after_ms: int
) -> Exception:
    """Return what to raise: `missing`, unless a row that can still be seen tells more.

    Tasks that finished up to `visible_after_ms` cannot be seen. Raises StoreUnavailable.
    """
    task = await store.finished_task(workspace_sid, command.task_sid, 0)
    if task is not None and (task.date_finished_ms or 0) <= visible_after_ms:
        return missing
    if isinstance(command, CancelTransfer):
        return await _cannot_cancel(store, workspace_sid, command, missing)
    if missing.kind == "Task" and task is not None:
        return not_transferable(task.sid, f"its status is {task.status}, not assigned")
    if missing.kind == "Reservation":
        return await _cannot_begin(store, workspace_sid, command, missing)
    return missing


async def _cannot_cancel(
    store: Store, workspace_sid: str, command: CancelTransfer, missing: NotFound
) -> Exception:
    transfer = await store.transfer(workspace_sid, command.sid)
    if transfer is None or transfer.is_open or transfer.task_sid != command.task_sid:
        return missing
    if command.worker_sid not in {None, transfer.initiating_worker_sid}:
        return missing
    if command.if_match not in {None, transfer.version}:
        return VersionMismatch(
            f"Transfer {transfer.sid} has version {transfer.version}, If-Match names {command.if_match}"
        )
    return ended_transfer_refusal(transfer)


async def _cannot_begin(
    store: Store, workspace_sid: str, command: CreateTransfer, missing: NotFound
) -> Exception:
    reservation = await store.reservation(workspace_sid, command.reservation_sid or "")
    if reservation is None or reservation.task_sid != command.task_sid:
        return missing
    if command.worker_sid not in {None, reservation.worker_sid}:
        return missing
    return not_transferable(command.task_sid, f"reservation {reservation.sid} is {reservation.status}")
