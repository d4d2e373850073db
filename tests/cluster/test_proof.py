"""Only a node that has the secret is taken for a node."""

import pytest

from engine.clock import wall_clock_ms
from engine.cluster.messages import PROOF
from engine.cluster.proof import AGE_MS_MAX, Proofs, Verdict, shared_secret
from engine.errors import NotServing
from tests.cluster.scripted import SECRET, answer, world

TARGET = "/v1/Workspaces/WS1/Tasks?a=%20ü"
NOW_MS = 1_000_000_000_000


def proofs(secret: bytes = SECRET, now_ms: int = NOW_MS) -> Proofs:
    return Proofs(secret, "node-a", lambda: now_ms)


def test_a_proof_is_good_for_its_method_and_target() -> None:
    proof = proofs().make("POST", TARGET)
    assert proofs().check(proof, "POST", TARGET)[0] is Verdict.TRUE
    assert proofs().check(proof, "DELETE", TARGET)[0] is Verdict.FALSE
    assert proofs().check(proof, "POST", TARGET + "x")[0] is Verdict.FALSE


@pytest.mark.parametrize("text", ["", "1", "1 a b c", "1 node-a 1 - " + "0" * 64, "2 node-a 1 - " + "0" * 64])
def test_what_is_no_proof_proves_nothing(text: str) -> None:
    assert proofs().check(text, "POST", TARGET)[0] is Verdict.FALSE


def test_another_name_or_moment_or_secret_or_id_proves_nothing() -> None:
    one, another = "RQ" + "1" * 32, "RQ" + "2" * 32
    proof = proofs().make("POST", TARGET, one)
    assert proofs().check(proof, "POST", TARGET) == (Verdict.TRUE, one)
    assert proofs().check(proof.replace(one, another), "POST", TARGET) == (Verdict.FALSE, "-")
    assert proofs().check(proof.replace("node-a", "node-b"), "POST", TARGET)[0] is Verdict.FALSE
    assert proofs().check(proof.replace(str(NOW_MS), str(NOW_MS + 1)), "POST", TARGET)[0] is Verdict.FALSE
    assert proofs(b"another").check(proof, "POST", TARGET)[0] is Verdict.FALSE


def test_a_proof_grows_old() -> None:
    proof = proofs().make("POST", TARGET)
    for age_ms, verdict in ((AGE_MS_MAX, Verdict.TRUE), (AGE_MS_MAX + 1, Verdict.OLD)):
        assert proofs(now_ms=NOW_MS + age_ms).check(proof, "POST", TARGET)[0] is verdict
        assert proofs(now_ms=NOW_MS - age_ms).check(proof, "POST", TARGET)[0] is verdict


def test_the_secret_is_that_of_the_setting_or_comes_of_the_key() -> None:
    assert shared_secret("of the setting", b"key") == shared_secret("of the setting", b"another key")
    assert shared_secret("", b"key") != shared_secret("", b"another key")
    assert b"key" not in shared_secret("", b"key")


async def test_a_clock_that_is_an_hour_off_stops_nobody() -> None:
    async with world() as here:
        ahead_ms = 3_600_000
        now_ms = wall_clock_ms() + ahead_ms
        old = answer("{}", "421 Misdirected", "X-Pointsman-Refused: old-proof", f"X-Pointsman-Time: {now_ms}")
        peer = await here.peer(old, answer("1"))
        assert await here.send() == b"1"
        assert await here.send() == b"1"
        assert len(peer.requests) == 3
        there = Proofs(SECRET, "other", lambda: wall_clock_ms() + ahead_ms)
        target = peer.requests[0].split()[1].decode()
        verdicts = [there.check(_proof_of(request), "POST", target)[0] for request in peer.requests]
        assert verdicts == [Verdict.OLD, Verdict.TRUE, Verdict.TRUE]


async def test_a_node_with_another_secret_is_told_and_nothing_is_carried_out() -> None:
    async with world() as here:
        await here.peer(answer("{}", "421 Misdirected", "X-Pointsman-Refused: false-proof"))
        with pytest.raises(NotServing, match="does not know this node"):
            await here.send(patience_s=0.1)


def _proof_of(request: bytes) -> str:
    lines = request.decode().split("\r\n")
    return next(line.partition(": ")[2] for line in lines if line.startswith(PROOF))
