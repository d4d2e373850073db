"""Hosts on one machine: network namespaces joined by a bridge, away from every real network. Needs root.

The scenario's own process leaves for a namespace of its own first; the bridge is there, and so is no way out.
"""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.programs import ScenarioError, run

HERE = "192.0.2.1"
"""The address of the scenario itself."""
BRIDGE = "pm0"
_CLONE_NEWNET = 0x40000000


class Host:
    """One network namespace with one address."""

    def __init__(self, name: str, address: str) -> None:
        self.address = address
        self.port_name = f"pm-{name}"
        self._namespace = f"pm-{os.getpid()}-{name}"

    @property
    def prefix(self) -> list[str]:
        """What runs a command there."""
        return ["ip", "netns", "exec", self._namespace]

    def make(self) -> None:
        """Make the namespace and plug it into the bridge."""
        space = self._namespace
        run("ip", "netns", "add", space)
        run("ip", "link", "add", self.port_name, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", self.port_name, "master", BRIDGE, "up")
        run("ip", "-n", space, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        run("ip", "-n", space, "link", "set", "lo", "up")

    def remove(self) -> None:
        """Take it away again."""
        run("ip", "netns", "delete", self._namespace)

    def isolate(self, isolated: bool) -> None:
        """Cut it off from the other isolated hosts, silently, or join it again."""
        run("bridge", "link", "set", "dev", self.port_name, "isolated", "on" if isolated else "off")


@contextmanager
def network(*names: str) -> Iterator[list[Host]]:
    """Make a network of hosts with these names. Raises ScenarioError when that is not possible here."""
    if os.geteuid() != 0:
        raise ScenarioError("network namespaces need root")
    if shutil.which("ip") is None or shutil.which("bridge") is None:
        raise ScenarioError("the programs ip and bridge are not there: `apt-get install iproute2`")
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise ScenarioError(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{HERE}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    hosts = [Host(name, f"192.0.2.{number}") for number, name in enumerate(names, start=10)]
    made: list[Host] = []
    try:
        for host in hosts:
            host.make()
            made.append(host)
        yield hosts
    finally:
        for host in made:
            host.remove()
