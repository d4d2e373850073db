"use strict";
// The Workspace class: lists with their filters, orders and pages, and single things.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { World, disconnectAll, rest } = require("./support.js");

const NAMES = ["alice", "bob", "carol"];
let world;
let workspace;

before(async () => {
  world = await World.make();
  for (const name of NAMES) await world.addWorker(name, { languages: [name === "bob" ? "de" : "en"] });
  await rest("POST", `${world.base}/Workers/${world.workers.bob.sid}`, { ActivitySid: world.activities.Available });
  world.closed = await rest("POST", `${world.base}/TaskQueues`, {
    FriendlyName: "German",
    TargetWorkers: 'languages HAS "de"',
    TaskOrder: "LIFO",
  });
  workspace = world.workspace();
});
after(disconnectAll);

const names = (found) => [...found.values()].map((each) => each.workerName ?? each.queueName ?? each.name);

async function workers(filters) {
  return names(await workspace.fetchWorkers(filters));
}

test("the workspace is read off the token", () => {
  assert.equal(workspace.workspaceSid, world.sid);
});

test("workers are listed oldest first, page by page", async () => {
  assert.deepEqual(await workers(), NAMES);
  const paged = world.workspace({ pageSize: 1 });
  assert.deepEqual(names(await paged.fetchWorkers()), NAMES);
  assert.equal((await workspace.fetchWorkers({ MaxWorkers: 2 })).size, 2);
});

test("workers are filtered exactly", async () => {
  assert.deepEqual(await workers({ FriendlyName: "bob" }), ["bob"]);
  assert.deepEqual(await workers({ FriendlyName: "bo" }), []);
  assert.deepEqual(await workers({ ActivitySid: world.activities.Available }), ["bob"]);
  assert.deepEqual(await workers({ ActivityName: "Offline" }), ["alice", "carol"]);
  const expression = `sid IN ['${world.workers.carol.sid}']`;
  assert.deepEqual(await workers({ TargetWorkersExpression: expression }), ["carol"]);
});

test("workers are ordered, and an ordered list is paged by its token", async () => {
  const ordering = (direction) => ({ Ordering: `DateStatusChanged:${direction}` });
  assert.deepEqual((await workers(ordering("desc")))[0], "bob");
  const paged = world.workspace({ pageSize: 1 });
  assert.deepEqual(names(await paged.fetchWorkers(ordering("desc"))).length, 3);
  assert.deepEqual(
    names(await paged.fetchWorkers(ordering("asc"))),
    names(await workspace.fetchWorkers(ordering("asc"))),
  );
});

test("one worker is fetched, an unknown one is not found", async () => {
  const bob = await workspace.fetchWorker(world.workers.bob.sid);
  assert.equal(bob.activityName, "Available");
  assert.deepEqual(bob.attributes, { contact_uri: "client:bob", languages: ["de"] });
  assert.equal(bob.isAvailable ?? bob.available, true);
  await assert.rejects(workspace.fetchWorker(`WK${"0".repeat(32)}`), { message: /status code 404/ });
});

test("a filter that is no SID and a page after nothing are refused", async () => {
  await assert.rejects(workspace.fetchWorkers({ ActivitySid: "WAnone" }), { message: /status code 400/ });
  const unknown = { AfterSid: `WK${"0".repeat(32)}` };
  await assert.rejects(workspace.fetchWorkers(unknown), { message: /status code 400/ });
});

test("queues are listed, filtered, ordered and fetched", async () => {
  const queues = async (filters) => names(await workspace.fetchTaskQueues(filters));
  assert.deepEqual(await queues(), ["Everyone", "German"]);
  assert.deepEqual(await queues({ FriendlyName: "German" }), ["German"]);
  assert.deepEqual(await queues({ WorkerSid: world.workers.alice.sid }), ["Everyone"]);
  assert.deepEqual(await queues({ WorkerSid: world.workers.bob.sid }), ["Everyone", "German"]);
  assert.deepEqual(await queues({ Ordering: "DateUpdated:desc" }), ["German", "Everyone"]);
  const paged = world.workspace({ pageSize: 1 });
  assert.deepEqual(names(await paged.fetchTaskQueues()), ["Everyone", "German"]);
  const queue = await workspace.fetchTaskQueue(world.closed.sid);
  assert.equal(queue.taskOrder, "LIFO");
  assert.equal(queue.targetWorkers, 'languages HAS "de"');
});

test("one task is fetched", async () => {
  const made = await world.createTask({ TaskQueueSid: world.closed.sid });
  const task = await workspace.fetchTask(made.sid);
  assert.equal(task.sid, made.sid);
  assert.deepEqual(task.attributes, { selected_language: "es" });
  await rest("DELETE", `${world.base}/Tasks/${made.sid}`);
  await assert.rejects(workspace.fetchTask(made.sid), { message: /status code 404/ });
});

test("a worker's token reads workers and queues too", async () => {
  const mine = world.workspace({}, world.token("alice"));
  assert.equal((await mine.fetchWorkers()).size, 3);
  assert.equal((await mine.fetchTaskQueues()).size, 2);
});
