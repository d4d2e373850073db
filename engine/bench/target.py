"""The daemon that is measured, and the CPU time of everybody who takes part."""

import os
import re
from dataclasses import dataclass

from engine.bench.cpu import tree_cpu_s
from engine.bench.errors import BenchError
from engine.bench.http_client import Client, NoAnswer

_PROCESS_CPU = re.compile(rb"^process_cpu_seconds_total (\S+)$", re.MULTILINE)

CpuSeconds = dict[str, float | None]
"""By who used them: daemon, postgres, generator. None = cannot be told."""


@dataclass(slots=True, frozen=True)
class Target:
    """Where the daemon is; with its process ids and its database when it is ours."""

    base_url: str
    account_sid: str
    auth_token: str
    daemon_pid: int | None = None
    postgres_pid: int | None = None
    dsn: str | None = None

    def client(self) -> Client:
        """Return a client for setting up and auditing."""
        return Client(self.base_url, self.account_sid, self.auth_token)

    async def check(self, client: Client) -> None:
        """Raise BenchError when the daemon does not take our credentials, or is not there."""
        await client.read("/v1/Workspaces?PageSize=1")

    async def cpu_s(self, client: Client) -> CpuSeconds:
        """Return the CPU seconds used so far. A daemon elsewhere tells its own in /metrics."""
        ours = frozenset(pid for pid in (self.daemon_pid, self.postgres_pid) if pid is not None)
        used: CpuSeconds = {"generator": tree_cpu_s([os.getpid()], without=ours)}
        used["postgres"] = tree_cpu_s([self.postgres_pid]) if self.postgres_pid else None
        used["daemon"] = tree_cpu_s([self.daemon_pid]) if self.daemon_pid else await _told_cpu_s(client)
        return used


async def _told_cpu_s(client: Client) -> float | None:
    try:
        answer = await client.get("/metrics")
    except NoAnswer:
        return None
    found = _PROCESS_CPU.search(answer.body) if answer.status == 200 else None
    return float(found[1]) if found else None


def used_between(before: CpuSeconds, after: CpuSeconds) -> CpuSeconds:
    """Return the CPU seconds used between two moments."""
    used: CpuSeconds = {}
    for name, seconds in after.items():
        start = before.get(name)
        used[name] = None if seconds is None or start is None else round(seconds - start, 3)
    return used


def remote(url: str | None, account_sid: str | None, auth_token: str | None) -> Target:
    """Return a daemon that runs already. Raises BenchError when something is not given."""
    if not url:
        raise BenchError("give --local, or the --url of a running daemon")
    if not account_sid or not auth_token:
        raise BenchError("give --account-sid and --auth-token, or POINTSMAN_ACCOUNT_SID and _AUTH_TOKEN")
    return Target(url.rstrip("/"), account_sid, auth_token)
