"""What is asked of a node that does not own the workspace is answered as its owner answers."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from engine.clock import wall_clock_ms
from engine.cluster.messages import PROOF, REFUSED
from engine.cluster.proof import AGE_MS_MAX, Proofs, shared_secret
from engine.storage.embedded import EmbeddedPostgres
from tests.clients.calls import Calls, known_operations
from tests.clients.walk import Walk
from tests.cluster.nodes import KEY, Node, Nodes, running_nodes

WRITES = 200
_SID = re.compile(r"\b([A-Z]{2})[0-9a-f]{32}\b")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")
_PASSING = re.compile(r'W/"[0-9a-f]{8}"|"(?:age|evaluated|seconds)":\d+')
_ROOT = re.compile(r"http://127\.0\.0\.1:\d+")


class MadeElsewhere(TwilioHttpClient):
    """Makes workspaces at their owner, and asks the other node for everything else."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__()
        self._nodes = nodes

    def request(self, method: str, url: str, *args: Any, **named: Any) -> Any:
        if (method, urlsplit(url).path) == ("POST", "/v1/Workspaces"):
            url = url.replace(self._nodes.other.url, self._nodes.owner.url)
        return super().request(method, url, *args, **named)


async def test_every_operation_of_the_official_client_works_at_the_wrong_node(nodes: Nodes) -> None:
    http = MadeElsewhere(nodes)
    client = Client(nodes.other.account_sid, nodes.other.auth_token, http_client=http)
    client.taskrouter.base_url = nodes.other.url
    before = nodes.other.forwarded().get("answered", 0)
    call = Calls(False)
    await Walk(call, client.taskrouter.v1).whole()
    assert call.made == known_operations()
    assert nodes.other.forwarded()["answered"] - before > 40
    http.session.close()


def told(response: Any) -> tuple[Any, ...]:
    """An answer without what is different each time: SIDs, dates, ages, and the node's own address."""
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-Id"}
    text = f"{sorted(headers.items())}\n{response.content!r}"
    for pattern, put in ((_SID, r"\1"), (_DATE, "DATE"), (_ROOT, "ROOT"), (_PASSING, "PASSING")):
        text = pattern.sub(put, text)
    return response.status_code, text


def test_an_answer_does_not_tell_which_node_was_asked(nodes: Nodes) -> None:
    def story(node: Node) -> list[tuple[Any, ...]]:
        """The same requests, in the same order, in a workspace of their own."""
        path = nodes.workspace()
        found: list[tuple[Any, ...]] = []

        def ask(method: str, rest: str = "", data: Any = None, **options: Any) -> Any:
            response = nodes(node, method, path + rest, data, **options)
            found.append((method, _SID.sub(r"\1", rest), *told(response)))
            return response.json() if response.content else None

        key = {"Idempotency-Key": "one"}
        task = ask("POST", "/Tasks", {"Attributes": '{"a": "ä"}', "Priority": 3})["sid"]
        ask("POST", "/Tasks", {"Attributes": "{}"}, headers=key)
        ask("POST", "/Tasks", {"Attributes": "{}"}, headers=key)
        ask("POST", "/Tasks", {"Attributes": "[]"}, headers=key)
        ask("POST", "/Tasks", {"Attributes": "{}"}, headers={"Idempotency-Key": "ä".encode()})
        ask("POST", f"/Tasks/{task}", {"Priority": 7}, headers={"If-Match": "0"})
        ask("POST", f"/Tasks/{task}", {"Priority": 8}, headers={"If-Match": "0"})
        ask("POST", f"/Tasks/{task}", {"Priority": 8}, headers={"If-Match": "no version"})
        ask("POST", f"/Tasks/{task}", {"AssignmentStatus": "completed"})
        ask("POST", "/Tasks", {"Priority": "high"})
        ask("POST", "/Tasks", b"{", headers={"Content-Type": "application/json"})
        ask("POST", "/Tasks", b"<a/>", headers={"Content-Type": "text/xml"})
        ask("POST", "/Tasks", b"x" * 4_200_000, headers={"Content-Type": "application/json"})
        ask("POST", "/Tasks", b"x", headers={"Content-Encoding": "gzip"})
        ask("POST", "/Tasks/Bulk", b'[{"Priority": 5}, {"Priority": "high"}]', headers=_JSON)
        ask("POST", "/Tasks/Bulk", b'{"Priority": 5}\nnonsense\n', headers=_LINES)
        ask("POST", "/Workflows", {"FriendlyName": "W", "Configuration": _LINTED}, params={"a": "b c&ä"})
        ask("POST", "/Tasks/WT" + "0" * 32, {"Priority": 1})
        ask("DELETE", "/Tasks/WT" + "0" * 32)
        ask("GET", f"/Tasks/{task}/Explain")
        ask("GET", "/RealTimeStatistics")
        ask("GET", "/Tasks")
        ask("DELETE", f"/Tasks/{task}")
        ask("POST", "/Nothing")
        ask("PUT", "/Tasks")
        ask("POST", "/Tasks", {"Attributes": "{}"}, auth=("AC" + "0" * 32, "wrong"))
        ask("POST", "", {"FriendlyName": ""})
        ask("POST", "", {"FriendlyName": "Another"})
        ask("DELETE")
        ask("POST", "/Tasks", {"Attributes": "{}"})
        return found

    at_owner, at_other = story(nodes.owner), story(nodes.other)
    for expected, found in zip(at_owner, at_other, strict=True):
        assert found == expected


_JSON = {"Content-Type": "application/json"}
_LINES = {"Content-Type": "application/x-ndjson"}
_LINTED = '{"task_routing": {"filters": [{"expression": "1 == 1", "targets": []}]}}'


def test_both_nodes_read_the_same(nodes: Nodes) -> None:
    path = nodes.workspace()
    for number in range(3):
        nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": "{}", "Priority": number})
    for rest in ("", "/Tasks", "/Tasks?PageSize=1", "/Activities", "/Events", "/Statistics", "/TaskQueues"):
        texts = [
            nodes(node, "GET", path + rest).text.replace(node.url, "ROOT")
            for node in (nodes.owner, nodes.other)
        ]
        assert texts[0] == texts[1]


def test_urls_in_answers_are_those_of_the_node_that_was_asked(nodes: Nodes) -> None:
    path = nodes.workspace()
    made = nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}).json()
    assert made["url"].startswith(f"{nodes.other.url}/v1/")
    seen = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "router.example.org"}
    made = nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}, headers=seen).json()
    assert made["url"].startswith("https://router.example.org/v1/")


def test_writes_at_the_wrong_node_side_by_side_are_all_carried_out(nodes: Nodes) -> None:
    path = nodes.workspace()

    def create(number: int) -> tuple[int, str]:
        made = nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": f'{{"n": {number}}}'})
        return made.status_code, made.json()["attributes"]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(create, range(WRITES)))
    assert answers == [(201, f'{{"n": {number}}}') for number in range(WRITES)]
    listed = nodes(nodes.owner, "GET", f"{path}/Tasks?PageSize=1000").json()["tasks"]
    assert {task["attributes"] for task in listed} == {text for _, text in answers}


async def test_strangers_get_nothing_from_the_internal_listener(nodes: Nodes) -> None:
    credentials = aiohttp.encode_basic_auth(nodes.owner.account_sid, nodes.owner.auth_token)
    path = f"/v1/Workspaces{nodes.workspace()}/Tasks"
    node = proofs_of_nodes()
    stranger = Proofs(b"another secret", "test", wall_clock_ms)
    old = proofs_of_nodes(ahead_ms=-2 * AGE_MS_MAX)
    connector = aiohttp.UnixConnector(path=str(nodes.owner.socket))
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(proof: str, method: str = "POST") -> tuple[int, str | None]:
            headers = {"Authorization": credentials, PROOF: proof}
            async with session.request(method, f"http://node{path}", headers=headers) as response:
                await response.read()
                return response.status, response.headers.get(REFUSED)

        assert await ask("") == (421, "false-proof")
        assert await ask(stranger.make("POST", path)) == (421, "false-proof")
        assert await ask(node.make("DELETE", path)) == (421, "false-proof")
        assert await ask(old.make("POST", path)) == (421, "old-proof")
        assert await ask("", "GET") == (421, "false-proof")
        assert await ask(node.make("POST", path)) == (201, None)
        path = "/cluster/look"
        assert await ask("") == (421, "false-proof")
        assert await ask(node.make("POST", path)) == (204, None)
    assert nodes.session.post(f"{nodes.owner.url}/cluster/look", headers={PROOF: "x"}).status_code == 404


async def test_at_the_public_listener_a_proof_means_nothing(nodes: Nodes) -> None:
    credentials = aiohttp.encode_basic_auth(nodes.owner.account_sid, nodes.owner.auth_token)
    path = f"/v1/Workspaces{nodes.workspace()}/Tasks"
    headers = {"Authorization": credentials, "X-Request-Id": "RQ" + "0" * 32}
    async with aiohttp.ClientSession() as session:
        for node in (nodes.owner, nodes.other):
            for proof in ("nonsense", proofs_of_nodes().make("POST", path)):
                sent = headers | {PROOF: proof}
                async with session.post(node.url + path, headers=sent) as response:
                    assert response.status == 201
                    assert response.headers["X-Request-Id"] != headers["X-Request-Id"]
                    assert REFUSED not in response.headers
                    assert response.headers["X-Rate-Limit-Config"] == "unlimited"


async def test_a_request_has_one_id_at_both_nodes(nodes: Nodes) -> None:
    path = nodes.workspace()
    made = nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": "{}"})
    found = [event["request_id"] for event in nodes.owner.events("task.created")]
    assert made.headers["X-Request-Id"] in found


def proofs_of_nodes(ahead_ms: int = 0) -> Proofs:
    return Proofs(shared_secret("", KEY.encode()), "test", lambda: wall_clock_ms() + ahead_ms)


def test_rate_limits_are_counted_where_the_client_asks(postgres: EmbeddedPostgres) -> None:
    limits = {
        "POINTSMAN_SERVER_RATE_LIMIT_REQUESTS_PER_S": "0.01",
        "POINTSMAN_SERVER_RATE_LIMIT_BURST_REQUESTS": "4",
    }
    with running_nodes(postgres, **limits) as nodes:
        path = nodes.workspace()
        asked = [nodes(nodes.other, "POST", f"{path}/Tasks", {"Attributes": "{}"}) for _ in range(5)]
        assert [made.status_code for made in asked] == [201] * 4 + [429]
        assert [made.headers["X-Rate-Limit-Remaining"] for made in asked] == ["3", "2", "1", "0", "0"]
        left = nodes(nodes.owner, "POST", f"{path}/Tasks", {"Attributes": "{}"})
        assert left.headers["X-Rate-Limit-Remaining"] == "2"
