"""A world in which ann holds a task and can hand it on, with the words of transfers."""

from typing import Any

from engine.routing import commands as c
from engine.routing.entities import Reservation, ReservationStatus, Task, Transfer, TransferMode
from engine.routing.views import TransferView
from tests.routing.test_loading import StoredWorld

ABOUT = (
    "task.transfer",
    "task.updated",
    "task.canceled",
    "task-queue",
    "reservation",
    "workflow.e",
)


class Handed(StoredWorld):
    """ann, bob and cai; the queue `first` takes ann, `second` bob and cai. ann has accepted the task."""

    def __init__(self, *, flow: dict[str, Any] | None = None, **workspace: Any) -> None:
        super().__init__(**workspace)
        self.first = self.queue("first", "friendly_name == 'ann'")
        self.second = self.queue("second", "friendly_name != 'ann'")
        self.flow = self.simple_workflow(self.first, **flow or {})
        self.ann, self.bob, self.cai = (self.worker(name) for name in ("ann", "bob", "cai"))
        self.wt = self.task()
        self.accept(self.wt)
        self.held = self.offers(self.wt)[0]

    @property
    def job(self) -> Task:
        return self.get(self.wt)

    @property
    def last(self) -> Transfer:
        return self.job.transfers[-1]

    def hand(self, to_sid: str, mode: TransferMode = TransferMode.WARM, **options: Any) -> TransferView:
        """Transfer the task from ann's reservation."""
        sid = self.new_sid("TT")
        options.setdefault("reservation_sid", self.held.sid)
        view = self.do(c.CreateTransfer(sid, self.wt, to_sid, mode=mode, **options))
        assert isinstance(view, TransferView)
        return view

    def cold(self, to_sid: str, **options: Any) -> TransferView:
        return self.hand(to_sid, TransferMode.COLD, **options)

    def take_back(self, **options: Any) -> TransferView:
        view = self.do(c.CancelTransfer(self.last.sid, self.wt, **options))
        assert isinstance(view, TransferView)
        return view

    def of(self, worker_sid: str) -> Reservation:
        """Return the newest open reservation that a worker has of the task."""
        return [r for r in self.offers(self.wt) if r.worker_sid == worker_sid][-1]

    def answer(self, worker_sid: str, status: ReservationStatus, **options: Any) -> None:
        self.move(self.of(worker_sid), status, **options)

    def holders(self) -> dict[str, str]:
        """Return the statuses of the task's open reservations by the names of their workers."""
        return {self.get_worker(r.worker_sid).friendly_name: str(r.status) for r in self.offers(self.wt)}

    def is_at(self) -> tuple[str, dict[str, str]]:
        """Return the status of the task and of its open reservations."""
        return str(self.job.status), self.holders()

    def told(self) -> list[str]:
        """Return the events of the last step that a transfer is about."""
        return [kind for kind in self.events if kind.startswith(ABOUT)]

    def data(self, event_type: str) -> dict[str, str]:
        return self.event(event_type).data
