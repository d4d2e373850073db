"""`pointsman chaos`: pull the plug on a throw-away daemon, in every way that one machine allows, under load.

Theory of operation
-------------------
A PostgreSQL of our own, durable as in production, and a daemon as its own process stand on a stage
(`stage.py`). A steady load (`load.py`) creates tasks over HTTP, answers their assignment callbacks, accepts
and completes, and keeps every answer that it was given (`promises.py`). One fault after the other is done to
the stage (`faults.py`), in an order drawn from a seed; after each the load must be acknowledged again, and
the rows and the event log are compared with the promises (`audit.py`, `sql/chaos/audit.sql`).

What was acknowledged must be there: that is `lost`. A task may be accepted once, and an order sent again with
its Idempotency-Key may become one task: that is `twice`. No worker may ever have had more reservations than
its capacity, at any entry of the log: that is `breaches`. The `worst pause` is the longest time in which
nobody had a request acknowledged, while requests were being sent.
"""
