"""Three etcd and three PostgreSQL under Patroni on 127.0.0.1, with the settings of deploy/ha."""

import json
import os
import shutil
import signal
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.chaos.programs import Program, ScenarioError, free_ports, run, wait_for

HA = Path(__file__).resolve().parents[2] / "deploy" / "ha"
MEMBERS = 3
PASSWORD = "chaos"
START_S = 120.0
SWITCHOVER_S = 60.0
NEEDED = ("initdb", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_isready")


@dataclass(slots=True, frozen=True)
class Programs:
    """Where the programs are."""

    patroni: Path
    etcd: Path
    bin_dir: Path


def find_programs(patroni: str, etcd: str, bin_dir: str) -> Programs:
    """Find what is needed. Raises ScenarioError that says what is missing and how to get it."""
    found = {name: shutil.which(given or name) for name, given in (("patroni", patroni), ("etcd", etcd))}
    if found["patroni"] is None:
        raise ScenarioError(
            "Patroni is not there: `pip install 'patroni[etcd3,psycopg3]' 'psycopg[binary]'` into an "
            "environment of its own that the account postgres can reach, and name it with --patroni"
        )
    if found["etcd"] is None:
        raise ScenarioError(
            "etcd is not there: `apt-get install etcd-server` (or unpack its package) and name it with --etcd"
        )
    given = [Path(bin_dir)] if bin_dir else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in given:
        if all((directory / name).exists() for name in NEEDED):
            return Programs(Path(found["patroni"]), Path(found["etcd"]), directory)
    raise ScenarioError(
        f"no directory with {', '.join(NEEDED)}: `apt-get install postgresql`, or name one with --bin-dir"
    )


class Member:
    """One PostgreSQL with its Patroni."""

    def __init__(self, name: str, program: Program, data_dir: Path, port: int, api_port: int) -> None:
        self.name = name
        self.program = program
        self.data_dir = data_dir
        self.port = port
        self.api = f"http://127.0.0.1:{api_port}"

    def state(self) -> dict[str, Any]:
        """What Patroni tells of it; nothing when it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.api}/patroni", timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)
        except (OSError, ValueError):
            return {}

    def postmaster_pid(self) -> int:
        """The process id of its PostgreSQL."""
        return int((self.data_dir / "postmaster.pid").read_text().split()[0])

    def pids(self) -> list[int]:
        """Its Patroni and all of its PostgreSQL."""
        pids = [self.program.pid] if self.program.running() else []
        try:
            postmaster = self.postmaster_pid()
        except (OSError, ValueError):
            return pids
        return [*pids, postmaster, *_children(postmaster)]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to everything that is this member, its Patroni first."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


class Cluster:
    """The database cluster; a context manager.

    Args:
        directory: reachable by the account `account`.
        programs: where the programs are.
        account: who runs them when we are root.
    """

    def __init__(self, directory: Path, programs: Programs, account: str = "postgres") -> None:
        self._directory = directory
        self._programs = programs
        self._account = account if os.geteuid() == 0 else None
        ports = iter(free_ports(4 * MEMBERS))
        self._etcd = [(f"etcd{n}", next(ports), next(ports)) for n in range(1, MEMBERS + 1)]
        self._etcd_programs = [self._etcd_program(*each) for each in self._etcd]
        self.members = [self._member(f"postgres{n}", next(ports), next(ports)) for n in range(1, MEMBERS + 1)]

    @property
    def dsn(self) -> str:
        """As an operator gives it: all members, and the one that takes writes."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"postgresql://pointsman:{PASSWORD}@{hosts}/pointsman?target_session_attrs=read-write"

    def __enter__(self) -> Self:
        try:
            for program in self._etcd_programs:
                program.start()
            for member in self.members:
                member.program.start()
            self.wait_until_complete(START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.signal_all(signal.SIGCONT)
            member.program.stop(signal.SIGKILL)
            member.signal_all(signal.SIGKILL)
        for program in self._etcd_programs:
            program.stop(signal.SIGKILL)

    def leader(self) -> Member | None:
        """The member that leads and takes writes, if any."""
        leading = (each for each in self.members if _leads(each.state()))
        return next(leading, None)

    def wait_until_complete(self, timeout_s: float) -> float:
        """Wait for a leader, a synchronous standby and every other member streaming; returns the seconds."""
        try:
            return wait_for(self._complete, "all members of the database cluster are well", timeout_s)
        except ScenarioError as error:
            tails = "\n".join(f"{member.name}: {member.program.log_tail()}" for member in self.members)
            raise ScenarioError(f"{error}\n{tails}") from None

    def switch_over(self) -> None:
        """Ask the leader to hand over, as an operator does before maintenance."""
        wait_for(self._hand_over_now, "Patroni agrees to a switchover", SWITCHOVER_S)

    def _hand_over_now(self) -> bool:
        """Ask once; it is refused (412) until the leader has heard of a candidate."""
        leader = self.leader()
        if leader is None:
            return False
        body = json.dumps({"leader": leader.name}).encode()
        request = urllib.request.Request(f"{leader.api}/switchover", data=body, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            with error:
                return False

    def _complete(self) -> bool:
        states = [member.state() for member in self.members]
        if sum(map(_leads, states)) != 1:
            return False
        standbys = [state for state in states if not _leads(state)]
        return all(state.get("replication_state") == "streaming" for state in standbys) and any(
            state.get("sync_standby") for state in standbys
        )

    def _etcd_program(self, name: str, client: int, peer: int) -> Program:
        everybody = ",".join(f"{each}=http://127.0.0.1:{port}" for each, _, port in self._etcd)
        command: list[str | Path] = [
            self._programs.etcd, "--name", name, "--data-dir", self._private(name),
            "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", everybody, "--initial-cluster-state", "new",
        ]  # fmt: skip
        return Program(name, command, self._directory, account=self._account)

    def _member(self, name: str, port: int, api_port: int) -> Member:
        home = self._private(name)
        hosts = ",".join(f"'127.0.0.1:{client}'" for _, client, _ in self._etcd)
        environment = {
            "PATH": f"{self._programs.bin_dir}:{os.environ['PATH']}",
            "PATRONI_NAME": name,
            "PATRONI_ETCD3_HOSTS": hosts,
            "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{api_port}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{api_port}",
            "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{port}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{port}",
            "PATRONI_POSTGRESQL_DATA_DIR": str(home / "data"),
            "PATRONI_POSTGRESQL_BIN_DIR": str(self._programs.bin_dir),
            "PATRONI_POSTGRESQL_PGPASS": str(home / "pgpass"),
            "PATRONI_SUPERUSER_USERNAME": "postgres",
            "PATRONI_SUPERUSER_PASSWORD": PASSWORD,
            "PATRONI_REPLICATION_USERNAME": "replicator",
            "PATRONI_REPLICATION_PASSWORD": PASSWORD,
            "ROLE_PASSWORD": PASSWORD,
        }
        command = [self._programs.patroni, self._settings(home)]
        program = Program(name, command, self._directory, environment=environment, account=self._account)
        return Member(name, program, home / "data", port, api_port)

    def _settings(self, home: Path) -> Path:
        """The settings of deploy/ha with what a machine shared by all members needs."""
        settings = yaml.safe_load((HA / "patroni.yml").read_text())
        script = home / "create-database.sh"
        shutil.copy(HA / "create-database.sh", script)
        settings["bootstrap"]["post_bootstrap"] = str(script)
        settings["bootstrap"]["dcs"]["postgresql"]["parameters"] |= {
            "shared_buffers": "64MB",
            "unix_socket_directories": str(home),
        }
        file = home / "patroni.yml"
        file.write_text(yaml.safe_dump(settings))
        self._hand_over(home)
        return file

    def _private(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(directory)
        return directory

    def _hand_over(self, directory: Path) -> None:
        if self._account is not None:
            run("chown", "-R", f"{self._account}:", directory)


def _leads(state: dict[str, Any]) -> bool:
    return state.get("role") in {"primary", "master"} and state.get("state") == "running"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
