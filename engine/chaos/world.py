"""The workspace of the load: few workers with little room, so that capacity matters."""

from engine.bench.http_client import Client
from engine.bench.scenario import Filter, Queue, Scenario, Target, Task, Worker, Workflow
from engine.bench.scenario import Phase as _Phase
from engine.bench.world import World, set_up

OVERLOAD = "overload"
"""The topic of tasks that nobody takes."""

SCENARIO = Scenario(
    name="chaos",
    queues=[
        Queue(name="sales", target_workers='skills HAS "sales"'),
        Queue(name="support", target_workers='skills HAS "support"'),
        Queue(name="nobody", target_workers="1==2"),
    ],
    workers=[
        Worker(name="seller {n}", count=4, attributes={"skills": ["sales"]}, capacity={"default": 2}),
        Worker(name="supporter {n}", count=4, attributes={"skills": ["support"]}, capacity={"default": 2}),
        Worker(
            name="all-rounder {n}",
            count=4,
            attributes={"skills": ["sales", "support"]},
            capacity={"default": 3},
        ),
    ],
    workflow=Workflow(
        filters=[
            Filter(name="sales", expression='topic == "sales"', targets=[Target(queue="sales")]),
            Filter(name="overload", expression=f'topic == "{OVERLOAD}"', targets=[Target(queue="nobody")]),
        ],
        default_queue="support",
        reservation_timeout_s=30,
    ),
    tasks=[Task()],
    phases=[_Phase(name="load")],
)


async def make_world(client: Client, callback_url: str) -> World:
    """Make it over the API. Raises BenchError.

    A worker who lets an offer time out stays available: somebody must go on working when the clock jumps.
    """
    world = await set_up(client, SCENARIO, [callback_url], lambda *_: None, with_workers=True)
    found = await client.read(f"{world.path}/Activities?Available=true")
    await client.create(world.path, {"TimeoutActivitySid": found["activities"][0]["sid"]})
    return world
