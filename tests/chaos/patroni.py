"""A database cluster loses its leader under load: `python -m tests.chaos.patroni`.

Plays one fault after the other on three PostgreSQL under Patroni with the settings of deploy/ha, beneath one
daemon whose DSN names all three, and prints for each how long nothing was acknowledged; at the end the audit.

    killed      the leader and its Patroni get SIGKILL: a machine is lost
    crashed     only the PostgreSQL of the leader gets SIGKILL
    frozen      the leader and its Patroni are stopped and go on later: connections stay and say nothing
    switchover  an operator moves the leader
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Any

from tests.chaos.audit import audit, clean
from tests.chaos.load import Load, load_on
from tests.chaos.machine import report, say, scratch
from tests.chaos.patroni_cluster import Cluster, Member, find_programs
from tests.chaos.probe import Probe
from tests.chaos.programs import ScenarioError, exit_on_signals
from tests.support.daemon import DaemonProcess

FAULTS = ("crashed", "switchover", "killed", "frozen")
STEADY = 200
"""Creations acknowledged before and after each fault."""
RECOVERY_S = 120.0
PATIENT = {"POINTSMAN_DATABASE_START_TIMEOUT_S": "120"}
COMPLETE_S = 180.0


async def main(options: argparse.Namespace) -> int:
    """Play the faults; returns the exit code."""
    programs = find_programs(options.patroni, options.etcd, options.bin_dir)
    say("starting three etcd and three PostgreSQL")
    with (
        scratch(options.keep) as directory,
        Cluster(directory, programs) as cluster,
        DaemonProcess(directory / "daemon", database_url=cluster.dsn, settings=PATIENT) as daemon,
    ):
        figures = await play_all(cluster, daemon, options)
        figures["daemon_exit"] = daemon.stop()
    report("patroni", figures)
    return 0 if clean(figures["audit"]) and not figures["answers"]["unexpected"] else 1


async def play_all(cluster: Cluster, daemon: DaemonProcess, options: argparse.Namespace) -> dict[str, Any]:
    """One fault after the other under the same load, then the audit."""
    faults = []
    async with load_on(lambda: [daemon.url], rate=options.rate) as load, Probe(cluster.dsn) as probe:
        load.start()
        for fault in options.faults:
            await load.until_acknowledged(STEADY, RECOVERY_S)
            faults.append(await play(fault, cluster, load, probe))
            say(f"{fault}: {faults[-1]}")
        await load.until_acknowledged(STEADY, RECOVERY_S)
        await load.stop()
        found = await audit(cluster.dsn, load.workspace_sid, load.answers)
    return {"rate": options.rate, "faults": faults, "answers": load.answers.summary(), "audit": found}


async def play(fault: str, cluster: Cluster, load: Load, probe: Probe) -> dict[str, Any]:
    """One fault, until the load goes on and the database cluster is complete again."""
    leader = cluster.leader()
    assert leader is not None, "the cluster has no leader"
    before = load.answers.outcomes.copy()
    began_s = time.monotonic()
    await asyncio.to_thread(STRIKES[fault], cluster, leader)
    await load.until_acknowledged(STEADY, RECOVERY_S)
    over_s = time.monotonic()
    await asyncio.to_thread(heal, fault, leader)
    whole_s = await asyncio.to_thread(cluster.wait_until_complete, COMPLETE_S)
    new = cluster.leader()
    return {
        "fault": fault,
        "pause_s": round(load.answers.worst_pause_s(began_s, over_s), 2),
        "pause_of_the_database_s": round(probe.worst_pause_s(began_s, over_s), 2),
        "pause_while_healing_s": round(load.answers.worst_pause_s(over_s, time.monotonic()), 2),
        "complete_again_s": round(whole_s, 1),
        "leader_moved": new is not leader,
        "outcomes": dict(load.answers.outcomes - before),
    }


def kill(_: Cluster, leader: Member) -> None:
    """Lose the machine of the leader."""
    leader.signal_all(signal.SIGKILL)


def crash(_: Cluster, leader: Member) -> None:
    """Lose the PostgreSQL of the leader only."""
    os.kill(leader.postmaster_pid(), signal.SIGKILL)


def freeze(_: Cluster, leader: Member) -> None:
    """Stop the leader as it stands: nobody is told."""
    leader.signal_all(signal.SIGSTOP)


def heal(fault: str, leader: Member) -> None:
    """Bring back what a fault took away."""
    if fault == "frozen":
        leader.signal_all(signal.SIGCONT)
    if fault == "killed":
        leader.program.stop(signal.SIGKILL)
        leader.program.start()


STRIKES = {
    "killed": kill,
    "crashed": crash,
    "frozen": freeze,
    "switchover": lambda cluster, _: cluster.switch_over(),
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos.patroni", description=__doc__.partition("\n")[0]
    )
    made.add_argument(
        "faults", nargs="*", default=list(FAULTS), help=f"of {', '.join(FAULTS)}; all by default"
    )
    made.add_argument("--rate", type=float, default=100.0, help="creations per second (100)")
    made.add_argument("--patroni", default="", help="the program patroni, if it is not in PATH")
    made.add_argument("--etcd", default="", help="the program etcd, if it is not in PATH")
    made.add_argument("--bin-dir", default="", help="PostgreSQL's programs; by default the newest installed")
    made.add_argument("--keep", action="store_true", help="keep the logs")
    return made


if __name__ == "__main__":
    arguments = parser().parse_args()
    if unknown := set(arguments.faults) - set(FAULTS):
        parser().error(f"unknown: {', '.join(unknown)}")
    exit_on_signals()
    try:
        sys.exit(asyncio.run(main(arguments)))
    except ScenarioError as problem:
        sys.exit(f"{problem}")
