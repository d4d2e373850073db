import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from structlog.testing import capture_logs

from engine.callbacks.limits import CallbackLimits
from engine.callbacks.url_policy import (
    AddressRefused,
    GuardedResolver,
    PooledResolver,
    check_literal,
    refusal,
)
from engine.routing.commands import AssignmentCallbackFailed, AssignmentInstructed
from tests.callbacks.receiver import Workspaces, a_callback, a_workspace, changes_with, dispatching, serving

NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.1.1",
    "169.254.169.254",
    "100.100.100.200",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.0.9",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fc00::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called(address: str) -> None:
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_called_unless_forbidden(address: str) -> None:
    assert refusal(address, allow_private=True) is None
    assert refusal(address, allow_private=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert refusal(address, allow_private=False) is None


@pytest.mark.parametrize("host", ["2852039166", "127.1", "0", "1.2.3", "256.1.1.1", "0127.0.0.1", "1..2"])
def test_numbers_that_only_the_operating_system_reads_as_an_address_are_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_literal(host, allow_private=True)


class _Names(AbstractResolver):
    """A name server under our control."""

    def __init__(self, **names: list[str]) -> None:
        self._names = names
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._names[host.partition(".")[0]]
        ]

    async def close(self) -> None:
        return


async def test_of_several_addresses_only_the_permitted_ones_are_connected_to() -> None:
    resolver = GuardedResolver(_Names(mixed=["169.254.169.254", "10.0.0.1", "fe80::1"]), allow_private=True)
    assert [found["host"] for found in await resolver.resolve("mixed.example", 80)] == ["10.0.0.1"]


@pytest.mark.parametrize(
    "target",
    [
        "http://metadata.example/latest",
        "http://169.254.169.254/latest",
        "http://2852039166/latest",
        "http://0xa9fea9fe/latest",
        "http://[::ffff:169.254.169.254]/latest",
        "http://[fe80::1%25eth0]/",
        "http://0.0.0.0:{port}/",
        "http://[::]:{port}/",
        "http://224.0.0.1/",
    ],
)
async def test_a_refused_address_is_judged_when_connecting_and_the_fallback_is_called(target: str) -> None:
    names = _Names(metadata=["169.254.169.254"], **{"0xa9fea9fe": ["169.254.169.254"]})
    workspaces = Workspaces()
    with capture_logs() as log:
        async with serving() as receiver, dispatching(workspaces, resolver=names) as dispatcher:
            url = target.replace("{port}", receiver.base.rpartition(":")[2])
            dispatcher.committed(a_workspace(), changes_with(a_callback(url, f"{receiver.base}/fallback")))
            await workspaces.has(1)
    assert [line["code"] for line in log if line["event"] == "callback.failed"] == [11205]
    assert [request.path for request in receiver.received] == ["/fallback"]


async def test_a_name_is_connected_to_at_the_address_that_was_judged() -> None:
    workspaces, names = Workspaces(), _Names(hook=["127.0.0.1"])
    async with serving() as receiver, dispatching(workspaces, resolver=names) as dispatcher:
        port = receiver.base.rpartition(":")[2]
        dispatcher.committed(a_workspace(), changes_with(a_callback(f"http://hook.example:{port}/cb")))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentInstructed)
    assert receiver.received[0].headers["Host"] == f"hook.example:{port}"
    assert names.asked == ["hook.example"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_refused_when_the_operator_forbids_them(host: str) -> None:
    workspaces, limits = Workspaces(), CallbackLimits(allow_private=False)
    async with serving() as receiver, dispatching(workspaces, limits) as dispatcher:
        port = receiver.base.rpartition(":")[2]
        dispatcher.committed(a_workspace(), changes_with(a_callback(f"http://{host}:{port}/cb")))
        [command] = await workspaces.has(1)
    assert isinstance(command, AssignmentCallbackFailed)
    assert receiver.received == []


async def test_the_system_resolver_finds_localhost() -> None:
    resolver = PooledResolver(threads=1)
    found = await resolver.resolve("localhost", 80, socket.AF_INET)
    await resolver.close()
    assert {result["host"] for result in found} == {"127.0.0.1"}
