"""Load on a running Pointsman, for people who have Locust.

    export POINTSMAN_ACCOUNT_SID=AC… POINTSMAN_AUTH_TOKEN=…
    locust -f deploy/examples/locustfile.py --host http://127.0.0.1:8080 --users 50 --spawn-rate 10

`Application` users create tasks; `Agent` users are workers who look for their offers, accept and complete
them, as a page that polls would. Workspace, queue, workflow and workers are made at the start; the workspace
is deleted at the end. `pointsman bench` needs no Locust and answers assignment callbacks, which is faster.
"""

import json
import os
import secrets
import time

from locust import HttpUser, between, constant_throughput, events, task
from locust.clients import HttpSession

LOGIN = (os.environ.get("POINTSMAN_ACCOUNT_SID", ""), os.environ.get("POINTSMAN_AUTH_TOKEN", ""))
SKILLS = ("billing", "technical")
world: dict[str, str] = {}


@events.test_start.add_listener
def make_world(environment, **_):
    """Make a workspace with a queue and a workflow for everything."""
    client = HttpSession(environment.host, environment.events.request, None)
    client.auth = LOGIN
    workspace = client.post("/v1/Workspaces", data={"FriendlyName": "locust", "Template": "FIFO"}).json()
    world["path"] = path = f"/v1/Workspaces/{workspace['sid']}"
    activities = client.get(f"{path}/Activities?Available=true", name="/Activities").json()
    world["available"] = activities["activities"][0]["sid"]


@events.test_stop.add_listener
def remove_world(environment, **_):
    """Delete the workspace and all in it."""
    client = HttpSession(environment.host, environment.events.request, None)
    client.auth = LOGIN
    client.delete(world["path"], name="/Workspaces/{sid}")


class Application(HttpUser):
    """Creates five tasks a second."""

    wait_time = constant_throughput(5)
    weight = 1

    def on_start(self):
        """Sign in."""
        self.client.auth = LOGIN

    @task
    def create(self):
        """Create a task."""
        attributes = json.dumps({"topic": SKILLS[time.time_ns() % len(SKILLS)], "language": "en"})
        self.client.post(f"{world['path']}/Tasks", data={"Attributes": attributes}, name="/Tasks")


class Agent(HttpUser):
    """A worker who asks for offers now and then."""

    wait_time = between(0.1, 0.5)
    weight = 2

    def on_start(self):
        """Sign in and become a worker."""
        self.client.auth = LOGIN
        form = {
            "FriendlyName": f"agent {secrets.token_hex(8)}",
            "ActivitySid": world["available"],
            "Attributes": json.dumps({"skills": SKILLS}),
        }
        worker = self.client.post(f"{world['path']}/Workers", data=form, name="/Workers").json()
        self.path = f"{world['path']}/Workers/{worker['sid']}"

    @task
    def work(self):
        """Accept what is offered and complete it."""
        offers = self.client.get(
            f"{self.path}/Reservations?ReservationStatus=pending", name="/Workers/{sid}/Reservations"
        ).json()
        for offer in offers["reservations"]:
            accepted = self.client.post(
                f"{self.path}/Reservations/{offer['sid']}",
                data={"ReservationStatus": "accepted"},
                name="/Workers/{sid}/Reservations/{sid}",
            )
            if accepted.ok:
                self.client.post(
                    f"{world['path']}/Tasks/{offer['task_sid']}",
                    data={"AssignmentStatus": "completed", "Reason": "done"},
                    name="/Tasks/{sid}",
                )
