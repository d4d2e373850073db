"""`url` and `links` of every resource (contract §7): exactly these, absolute, and each leads somewhere."""

from typing import Any

import pytest

from tests.wire.support import eventually

OWN = ("statistics", "real_time_statistics", "cumulative_statistics")
ENDS = {"statistics": "Statistics", "real_time_statistics": "RealTimeStatistics"} | {
    "cumulative_statistics": "CumulativeStatistics"
}
OF_WORKSPACE = {
    "activities": "Activities",
    "task_queues": "TaskQueues",
    "tasks": "Tasks",
    "workers": "Workers",
    "workflows": "Workflows",
    "task_channels": "TaskChannels",
    "events": "Events",
    **ENDS,
}


@pytest.fixture
def world(http, base) -> dict[str, str]:
    """Paths of one resource of each kind, below /v1."""
    activities = http.get(f"{base}/Activities", params={"Available": "true"}).json()["activities"]
    activity = activities[0]["sid"]
    queue = http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"]
    activity_fields = {"ReservationActivitySid": activity, "AssignmentActivitySid": activity}
    http.post(f"{base}/TaskQueues/{queue}", activity_fields)
    workflow = http.get(f"{base}/Workflows").json()["workflows"][0]["sid"]
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Alice", "ActivitySid": activity}).json()["sid"]
    task = http.post(f"{base}/Tasks").json()["sid"]
    reservations = f"{base}/Tasks/{task}/Reservations"
    (reservation,) = eventually("a reservation", lambda: http.get(reservations).json()["reservations"])
    channel = http.get(f"{base}/TaskChannels/voice").json()["sid"]
    worker_channel = http.get(f"{base}/Workers/{worker}/Channels/voice").json()["sid"]
    return {
        "workspace": base,
        "activity": f"{base}/Activities/{activity}",
        "queue": f"{base}/TaskQueues/{queue}",
        "workflow": f"{base}/Workflows/{workflow}",
        "worker": f"{base}/Workers/{worker}",
        "task": f"{base}/Tasks/{task}",
        "task_reservation": f"{base}/Tasks/{task}/Reservations/{reservation['sid']}",
        "worker_reservation": f"{base}/Workers/{worker}/Reservations/{reservation['sid']}",
        "channel": f"{base}/TaskChannels/{channel}",
        "worker_channel": f"{base}/Workers/{worker}/Channels/{worker_channel}",
    }


def expected(world: dict[str, str]) -> dict[str, dict[str, str] | None]:
    base, queue, worker, task = (world[name] for name in ("workspace", "queue", "worker", "task"))
    of_reservation = {"task": task, "worker": worker, "workspace": base}
    return {
        "workspace": {name: f"{base}/{end}" for name, end in OF_WORKSPACE.items()},
        "activity": {"workspace": base},
        "channel": {"workspace": base},
        "task_reservation": of_reservation,
        "worker_reservation": of_reservation,
        "worker_channel": None,
        "task": {
            "task_queue": queue,
            "workflow": world["workflow"],
            "workspace": base,
            "reservations": f"{task}/Reservations",
        },
        "queue": {
            "assignment_activity": world["activity"],
            "reservation_activity": world["activity"],
            "workspace": base,
            "list_statistics": f"{base}/TaskQueues/Statistics",
            "bulk_real_time_statistics": f"{base}/TaskQueues/RealTimeStatistics",
            **{name: f"{queue}/{ENDS[name]}" for name in OWN},
        },
        "worker": {
            "channels": f"{worker}/Channels",
            "worker_channels": f"{worker}/Channels",
            "activity": world["activity"],
            "workspace": base,
            "worker_statistics": f"{worker}/Statistics",
            "reservations": f"{worker}/Reservations",
            **{name: f"{base}/Workers/{ENDS[name]}" for name in OWN},
        },
        "workflow": {name: f"{world['workflow']}/{ENDS[name]}" for name in OWN},
    }


def test_every_resource_has_its_url_and_its_links(http, world):
    root = f"{http.daemon.url}/v1"
    for kind, links in expected(world).items():
        body: dict[str, Any] = http.get(world[kind]).json()
        assert body["url"] == root + world[kind]
        absolute = None if links is None else {name: root + path for name, path in links.items()}
        assert body.get("links") == absolute, kind


def test_every_link_leads_somewhere(http, world):
    for path in world.values():
        for name, url in http.get(path).json().get("links", {}).items():
            # The bulk statistics are asked by a POST.
            status = 405 if name == "bulk_real_time_statistics" else 200
            assert http.session.get(url, timeout=30).status_code == status, (path, name)


def test_every_event_leads_to_what_it_is_about(http, base, world):
    events = http.get(f"{base}/Events", params={"PageSize": 1_000}).json()["events"]
    urls = {event[name] for event in events for name in ("url", "actor_url", "resource_url")} - {None}
    assert len(urls) > len(events)
    for url in urls:
        assert http.session.get(url, timeout=30).status_code == 200, url


def test_statistics_have_the_path_they_were_asked_at_without_the_query(http, world):
    for kind in ("workspace", "queue", "workflow"):
        for end in ENDS.values():
            body = http.get(f"{world[kind]}/{end}", params={"TaskChannel": "voice"}).json()
            assert body["url"] == f"{http.daemon.url}/v1{world[kind]}/{end}"
            assert "links" not in body
