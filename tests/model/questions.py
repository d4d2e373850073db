"""What can be asked of the naive router's world; nothing here changes it, and nothing is remembered.

Each answer looks at everything anew: who may have a task and who of them comes first, which task is the first
in line, when the next timer runs out (behaviour §4, §5, §7).
"""

from typing import Any

from tests.model.naive_configuration import read_configuration
from tests.model.naive_expressions import evaluate, is_number, look_up, path_of, time_names

Thing = dict[str, Any]

IN_DEFAULT_FILTER = -1
OPEN = ("pending", "accepted", "wrapping")
HELD = ("accepted", "wrapping")
TTL, STEP, OFFER, ASSIGNED_TOO_LONG = range(4)


class Questions:
    """A world `w` of plain dicts, and what its answers are."""

    w: dict[str, Any]
    assigned_s_max: int

    # What there is

    def is_available(self, worker: Thing) -> bool:
        return bool(self.w["activities"][worker["activity"]]["available"])

    def open_tasks(self) -> list[Thing]:
        return [t for t in self.w["tasks"].values() if t["status"] not in ("completed", "canceled")]

    def open_reservations(self, task: str) -> list[Thing]:
        return [r for r in self.w["reservations"].values() if r["task"] == task and r["status"] in OPEN]

    def pending_reservations(self, *, task: str | None = None, worker: str | None = None) -> list[Thing]:
        return [
            reservation
            for reservation in self.w["reservations"].values()
            if reservation["status"] == "pending"
            and task in (None, reservation["task"])
            and worker in (None, reservation["worker"])
        ]

    def open_transfer(self, task: str) -> Thing | None:
        for transfer in self.w["transfers"].values():
            if transfer["task"] == task and transfer["status"] == "initiated":
                found: Thing = transfer
                return found
        return None

    def is_held(self, task: Thing) -> bool:
        return any(reservation["status"] in HELD for reservation in self.open_reservations(task["sid"]))

    # Where a task stands

    def first_matching_filter(self, task: Thing, start: int, now: int) -> int | None:
        names = {**task["attributes"], "taskrouter": time_names(now)}
        filters = read_configuration(task["configuration"])["filters"]
        for index in range(start, len(filters)):
            if evaluate(filters[index]["expression"], names):
                return index
        return None

    def targets(self, task: Thing) -> list[Thing]:
        configuration = read_configuration(task["configuration"])
        if task["filter"] == IN_DEFAULT_FILTER:
            return [configuration["default"]]
        found: list[Thing] = configuration["filters"][task["filter"]]["targets"]
        return found

    def target(self, task: Thing) -> Thing | None:
        past_filters = not task["configuration"] or self.open_transfer(task["sid"])
        return None if past_filters else self.targets(task)[task["step"]]

    def step_is_over(self, task: Thing, now: int) -> bool:
        return task["status"] == "pending" and task["deadline"] is not None and task["deadline"] <= now

    # When something is due

    def timers(self) -> list[tuple[int, int, Thing]]:
        """Every timer: (moment, what, of what); at one moment the lower `what` and SID fire first."""
        timers = []
        for task in self.open_tasks():
            transfer = self.open_transfer(task["sid"])
            if task["status"] in ("pending", "reserved") and not transfer:
                timers.append((task["lives_since"] + task["timeout_s"] * 1000, TTL, task))
            if task["status"] == "pending" and task["deadline"] is not None:
                timers.append((task["deadline"], STEP, task))
            if task["status"] == "assigned" or transfer:
                timers.append((task["assigned_at"] + self.assigned_s_max * 1000, ASSIGNED_TOO_LONG, task))
        timers += [(offer["deadline"], OFFER, offer) for offer in self.pending_reservations()]
        return sorted(timers, key=lambda timer: (timer[0], timer[1], timer[2]["sid"]))

    def next_moment(self, now: int) -> int | None:
        """When something must happen next by itself: a timer, an offer after a pause or at a time of day."""
        moments = [timer[0] for timer in self.timers()]
        for task in self.waiting():
            for worker in self.w["workers"].values():
                until = task["refusals"].get(worker["sid"], (0, 0))[1]
                if until > now and self.is_offerable(task, worker, until):
                    moments.append(until)
                next_minute = (now // 60_000 + 1) * 60_000
                if self.is_offerable(task, worker, next_minute):
                    moments.append(next_minute)
        return min(moments, default=None)

    # Which task comes first

    def waiting(self) -> list[Thing]:
        waiting = [
            task
            for task in self.open_tasks()
            if task["status"] == "pending"
            or (task["status"] == "assigned" and self.open_transfer(task["sid"]))
        ]
        return sorted(waiting, key=self.place)

    def place(self, task: Thing) -> tuple[int, ...]:
        """The global order of behaviour §7; the smaller comes first."""
        order = self.w["queues"][task["queue"]]["order"] if task["queue"] else "FIFO"
        later = 0 if order == self.w["preferred_order"] else 1
        if order == "LIFO":
            return (later, 0, -task["virtual_start_at"], -task["number"])
        return (later, -task["priority"], task["virtual_start_at"], task["number"])

    # Who may have it

    def is_offerable(self, task: Thing, worker: Thing, now: int) -> bool:
        """Suited, and not pausing after a refusal of this task (OQ-5)."""
        return now >= task["refusals"].get(worker["sid"], (0, 0))[1] and self.suits(task, worker, now)

    def suits(self, task: Thing, worker: Thing, now: int) -> bool:
        """The five conditions of behaviour §4 in their order; of a transfer those that its queue makes."""
        if self.open_transfer(task["sid"]) is not None:
            at_work = [r["worker"] for r in self.open_reservations(task["sid"]) if r["status"] == "accepted"]
            is_free = self.is_available(worker) and self.has_room(task, worker)
            return is_free and self.is_in_queue(worker, task["queue"]) and worker["sid"] not in at_work
        for_one = (task["routing_target"] or "").startswith("WK")
        if for_one and task["routing_target"] != worker["sid"]:
            return False
        if not for_one and task["queue"] is not None and not self.is_in_queue(worker, task["queue"]):
            return False
        if not self.suits_target(task, worker, now):
            return False
        return task["ignore_capacity"] or (self.is_available(worker) and self.has_room(task, worker))

    def is_in_queue(self, worker: Thing, queue: str) -> bool:
        text = self.w["queues"][queue]["target_workers"]
        return bool(text.strip()) and evaluate(text, self.worker_names(worker))

    def suits_target(self, task: Thing, worker: Thing, now: int) -> bool:
        target = self.target(task)
        if target is None:
            return True
        if target["expression"] is not None:
            names = {
                "task": task["attributes"],
                "worker": {**self.worker_names(worker), "channel": self.channel_names(worker)},
                "taskrouter": time_names(now),
            }
            if not evaluate(target["expression"], names):
                return False
        for key, own in (("known_worker_sid", "sid"), ("known_worker_friendly_name", "name")):
            if target[key] is None:
                continue
            wanted = look_up(path_of(target[key]), {"task": task["attributes"]})
            if wanted != worker[own]:
                return False
        return True

    def has_room(self, task: Thing, worker: Thing) -> bool:
        channel = worker["channels"][task["channel"]]
        if not channel["available"] or self.load(worker, task["channel"]) >= channel["capacity"]:
            return False
        return not (self.w["single_tasking"] and self.load(worker, None))

    def load(self, worker: Thing, channel: str | None, statuses: tuple[str, ...] = OPEN) -> int:
        """How many of the worker's reservations are in these states, on one channel or on all."""
        return sum(
            reservation["worker"] == worker["sid"]
            and channel in (None, reservation["channel"])
            and reservation["status"] in statuses
            for reservation in self.w["reservations"].values()
        )

    def presence(self, queue: str) -> Thing:
        """What skip_if reads: the queue's workers counted by activity alone (behaviour §5)."""
        workers = [w for w in self.w["workers"].values() if self.is_in_queue(w, queue)]
        available = sum(self.is_available(worker) for worker in workers)
        by_activity = {sid: sum(w["activity"] == sid for w in workers) for sid in self.w["activities"]}
        return {"workers": {**by_activity, "available": available, "unavailable": len(workers) - available}}

    def workers_wanted(self, task: Thing) -> int:
        return int(self.w["queues"][task["queue"]]["max_reserved"]) if task["queue"] else 1

    def worker_names(self, worker: Thing) -> Thing:
        return {
            **worker["attributes"],
            "sid": worker["sid"],
            "friendly_name": worker["name"],
            "activity_sid": worker["activity"],
            "activity_name": self.w["activities"][worker["activity"]]["name"],
        }

    def channel_names(self, worker: Thing) -> Thing:
        names = {}
        for sid, channel in worker["channels"].items():
            used, capacity = self.load(worker, sid), channel["capacity"]
            free_share = max(0, (capacity - used) * 100 // capacity) if capacity else 0
            names[self.w["channels"][sid]["name"]] = {
                "configured_capacity": capacity,
                "assigned_tasks": self.load(worker, sid, ("accepted",)),
                "available_capacity_percentage": free_share,
            }
        return names

    # Who is asked first

    def best_first(self, task: Thing, workers: list[Thing]) -> list[Thing]:
        """order_by, then longest without a reservation, then seniority (behaviour §4)."""
        optimized = self.w["channels"][task["channel"]]["optimized"]

        def idle(worker: Thing) -> tuple[int, int]:
            source = worker["channels"][task["channel"]] if optimized else worker
            return (source["last_reserved"], worker["number"])

        target = self.target(task)
        clauses = target["order_by"] if target else []
        values = {w["sid"]: [self.order_value(w, path) for path, _ in clauses] for w in workers}
        present = [value for row in values.values() for value in row if value is not None]
        if not all(is_number(value) and value == int(value) for value in present):
            clauses = []

        def rank(worker: Thing) -> tuple[Any, ...]:
            keys: list[Any] = []
            for (_, descending), value in zip(clauses, values[worker["sid"]], strict=False):
                keys.append((1, 0) if value is None else (0, -value if descending else value))
            return (*keys, *idle(worker))

        return sorted(workers, key=rank)

    def order_value(self, worker: Thing, path: str) -> Any:
        names = {**self.worker_names(worker), "channel": self.channel_names(worker)}
        return look_up(path_of(path), {"worker": names})
