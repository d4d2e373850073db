"use strict";
// One worker, from ready to a completed task; what the SDK's own end-to-end suite asserts on the way.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { World, disconnectAll, eventually, next, rest } = require("./support.js");

let world;
let alice;

before(async () => {
  world = await World.make("alice");
  alice = await world.available("alice");
});
after(disconnectAll);

/** Create a task and resolve to the offer of it. */
async function offered(fields) {
  const created = next(alice, "reservationCreated");
  await world.createTask(fields);
  return created;
}

/** Accept, wrap up and complete, so that the next test finds nothing. */
async function finish(reservation) {
  if (reservation.status === "pending") await reservation.accept();
  const completed = next(reservation, "completed");
  await reservation.complete();
  await completed;
  assert.equal(alice.reservations.size, 0);
}

test("a worker gets ready with its activities, channels and attributes", async () => {
  assert.equal(alice.sid, world.workers.alice.sid);
  assert.equal(alice.name, "alice");
  const names = [...alice.activities.values()].map((each) => each.name).sort();
  assert.deepEqual(names, ["Available", "Offline", "Unavailable"]);
  assert.equal(alice.channels.size, 5);
  assert.deepEqual(alice.attributes, { contact_uri: "client:alice" });
  assert.equal(alice.reservations.size, 0);
  assert.ok(Math.abs(alice.dateCreated - Date.now()) < 60_000);
});

test("connectActivitySid makes one activityUpdated", async () => {
  assert.equal(alice.activity.sid, world.activities.Available);
  assert.equal(alice.available, true);
  const { version } = await rest("GET", `${world.base}/Workers/${alice.sid}`).then(() => alice);
  assert.equal(Number(version), 1);
});

test("setAttributes changes the attributes and raises the version by one", async () => {
  const version = Number(alice.version);
  const updated = next(alice, "attributesUpdated");
  const changed = await alice.setAttributes({ contact_uri: "client:alice", languages: ["en", "ü"] });
  assert.equal(changed, alice);
  await updated;
  assert.deepEqual(alice.attributes, { contact_uri: "client:alice", languages: ["en", "ü"] });
  assert.equal(Number(alice.version), version + 1);
});

test("an activity becomes the current one", async () => {
  const to = async (name) => {
    const updated = next(alice, "activityUpdated");
    await alice.activities.get(world.activities[name]).setAsCurrent();
    await updated;
    assert.equal(alice.activity.name, name);
  };
  await to("Unavailable");
  await to("Available");
});

test("an offer has everything that it should", async () => {
  const reservation = await offered();
  assert.equal(reservation.status, "pending");
  assert.equal(reservation.timeout, 120);
  assert.equal(reservation.workerSid, alice.sid);
  assert.equal(reservation.task.status, "reserved");
  assert.equal(reservation.task.queueName, "Everyone");
  assert.equal(reservation.task.queueSid, world.queue.sid);
  assert.equal(reservation.task.workflowName, "Main");
  assert.equal(reservation.task.taskChannelUniqueName, "default");
  assert.deepEqual(reservation.task.attributes, { selected_language: "es" });
  assert.deepEqual(reservation.task.addOns, {});
  assert.equal(reservation.task.timeout, 86_400);
  assert.equal(alice.reservations.size, 1);
  await finish(reservation);
});

test("accept resolves before the task is assigned, and the version rises by one", async () => {
  const reservation = await offered();
  const version = Number(reservation.version);
  const accepted = await reservation.accept();
  assert.equal(accepted, reservation);
  assert.equal(reservation.status, "accepted");
  assert.equal(Number(reservation.version), version + 1);
  assert.equal(reservation.task.status, "reserved");
  assert.equal(reservation.timeout, 120);
  await next(reservation, "accepted");
  assert.equal(reservation.task.status, "assigned");
  await finish(reservation);
});

test("wrapUp and complete tell the reservation and the task, with the reason", async () => {
  const reservation = await offered();
  await reservation.accept();
  const wrapped = Promise.all([next(reservation, "wrapup"), next(reservation.task, "wrapup")]);
  await reservation.task.wrapUp({ reason: "Wrapping" });
  await wrapped;
  assert.equal(reservation.status, "wrapping");
  assert.equal(reservation.task.status, "wrapping");
  assert.equal(reservation.task.reason, "Wrapping");
  const completed = Promise.all([next(reservation, "completed"), next(reservation.task, "completed")]);
  const task = await reservation.task.complete("Done");
  assert.equal(task.status, "completed");
  await completed;
  assert.equal(reservation.status, "completed");
  assert.equal(reservation.task.reason, "Done");
  assert.equal(alice.reservations.size, 0);
});

test("wrap and complete on the reservation do the same", async () => {
  const reservation = await offered();
  await reservation.accept();
  const wrapped = next(reservation, "wrapup");
  await reservation.wrap();
  await wrapped;
  await finish(reservation);
});

test("reject resolves before its event, and the task goes back", async () => {
  const reservation = await offered();
  const updated = next(reservation.task, "updated");
  const [answer, told] = await Promise.all([
    reservation.reject({ activitySid: world.activities.Unavailable }),
    next(reservation, "rejected"),
  ]);
  assert.equal(answer, told);
  assert.equal(reservation.status, "rejected");
  await updated;
  assert.equal(reservation.task.status, "pending");
  await eventually("the worker is moved", () => alice.activity.name === "Unavailable");
  await rest("POST", `${world.base}/Tasks/${reservation.task.sid}`, { AssignmentStatus: "canceled" });
  await alice.activities.get(world.activities.Available).setAsCurrent();
});

test("an offer that is not taken times out", async () => {
  await rest("POST", `${world.base}/Workflows/${world.workflow.sid}`, { TaskReservationTimeout: 1 });
  const reservation = await offered();
  assert.equal(reservation.timeout, 1);
  await next(reservation, "timeout");
  assert.equal(reservation.status, "timeout");
  assert.equal(alice.reservations.size, 0);
  await eventually("the worker is moved", () => alice.activity.name === "Offline");
  await rest("POST", `${world.base}/Workflows/${world.workflow.sid}`, { TaskReservationTimeout: 120 });
  await rest("DELETE", `${world.base}/Tasks/${reservation.task.sid}`);
  await alice.activities.get(world.activities.Available).setAsCurrent();
});

test("pending offers are rejected with setAsCurrent", async () => {
  const channel = [...alice.channels.values()].find((each) => each.taskChannelUniqueName === "default");
  const updated = next(channel, "capacityUpdated");
  await rest("POST", `${world.base}/Workers/${alice.sid}/Channels/default`, { Capacity: 3 });
  await updated;
  assert.equal(channel.capacity, 3);
  const reservations = [await offered(), await offered(), await offered()];
  const rejected = reservations.map((each) => next(each, "rejected"));
  const options = { rejectPendingReservations: true };
  await alice.activities.get(world.activities.Unavailable).setAsCurrent(options);
  await Promise.all(rejected);
  assert.equal(alice.reservations.size, 0);
  for (const each of reservations) await rest("DELETE", `${world.base}/Tasks/${each.task.sid}`);
  await rest("POST", `${world.base}/Workers/${alice.sid}/Channels/default`, { Capacity: 1 });
  await alice.activities.get(world.activities.Available).setAsCurrent();
  await eventually("the worker is available", () => alice.activity.name === "Available");
  assert.throws(() => alice.activities.get(world.activities.Available).setAsCurrent(options), {
    message: /Unable to reject pending reservations when updating to an Available activity state/,
  });
});

test("task attributes and virtual start time can be set, but not into the future", async () => {
  const reservation = await offered();
  const { task } = reservation;
  const version = Number(task.version);
  assert.equal(await task.setAttributes({ languages: ["en"] }), task);
  assert.deepEqual(task.attributes, { languages: ["en"] });
  assert.equal(Number(task.version), version + 1);
  const start = new Date(Date.UTC(2024, 0, 2, 3, 4, 5));
  await task.setVirtualStartTime(start);
  assert.equal(task.virtualStartTime.getTime(), start.getTime());
  await assert.rejects(task.setVirtualStartTime(new Date(Date.now() + 3_600_000)), { message: /future/ });
  await finish(reservation);
});

test("what REST does to a task reaches whoever holds it", async () => {
  const reservation = await offered();
  const path = `${world.base}/Tasks/${reservation.task.sid}`;
  const updated = next(reservation.task, "updated");
  await rest("POST", path, { Attributes: '{"selected_language": "en"}' });
  assert.equal(await updated, reservation.task);
  assert.deepEqual(reservation.task.attributes, { selected_language: "en" });
  assert.equal(reservation.task.status, "reserved");
  const canceled = Promise.all([next(reservation, "canceled"), next(reservation.task, "canceled")]);
  await rest("POST", path, { AssignmentStatus: "canceled", Reason: "Time to go home" });
  await canceled;
  assert.equal(reservation.task.reason, "Time to go home");
  assert.equal(reservation.canceledReasonCode, undefined);
});

test("deleting a task completes what was accepted and cancels what was offered", async () => {
  const held = await offered();
  const accepted = next(held, "accepted");
  await held.accept();
  await accepted;
  const completed = next(held, "completed");
  await rest("DELETE", `${world.base}/Tasks/${held.task.sid}`);
  await completed;
  const pending = await offered();
  const canceled = next(pending, "canceled");
  await rest("DELETE", `${world.base}/Tasks/${pending.task.sid}`);
  await canceled;
  assert.equal(alice.reservations.size, 0);
});

test("what REST does to the worker and its channels reaches the worker", async () => {
  const path = `${world.base}/Workers/${alice.sid}`;
  const [channel] = [...alice.channels.values()].filter((each) => each.taskChannelUniqueName === "voice");
  const version = Number(alice.version);
  const available = next(channel, "availabilityUpdated");
  await rest("POST", `${path}/Channels/voice`, { Available: "false" });
  await available;
  assert.equal(channel.available, false);
  assert.equal(Number(alice.version), version + 1);
  const attributes = next(alice, "attributesUpdated");
  await rest("POST", path, { Attributes: '{"contact_uri": "client:alice"}' });
  await attributes;
  assert.equal(Number(alice.version), version + 2);
  assert.equal((await alice.fetchLatestVersion()).version, alice.version);
});

test("versions are checked when asked for, and what is too old is refused", async () => {
  // Without an activity of its own: the SDK sets that after "ready", and the next request would overtake it.
  const strict = world.connect("alice", { enableVersionCheck: true });
  await next(strict, "ready");
  await strict.setAttributes({ contact_uri: "client:alice", strict: true });
  const created = next(strict, "reservationCreated");
  await world.createTask();
  const reservation = await created;
  await reservation.task.setAttributes({ looked: true });
  const accepted = next(reservation, "accepted");
  await reservation.accept();
  await accepted;
  await strict.setAttributes({ contact_uri: "client:alice" });
  strict.version = 1;
  await assert.rejects(strict.setAttributes({ late: true }), { message: /status code 412/ });
  await finish(alice.reservations.get(reservation.sid));
  strict.disconnect();
});

test("a task that a worker makes is offered to that worker alone", async () => {
  const created = next(alice, "reservationCreated");
  const sid = await alice.createTask("customer", "worker", world.workflow.sid, world.queue.sid);
  assert.match(sid, /^WT/);
  const reservation = await created;
  assert.equal(reservation.task.sid, sid);
  assert.equal(reservation.task.routingTarget, alice.sid);
  assert.equal(reservation.task.queueSid, world.queue.sid);
  assert.deepEqual(reservation.task.attributes, { outbound_to: "customer", from: "worker" });
  await finish(reservation);
  await assert.rejects(alice.createTask("a", "b", "WWnone", world.queue.sid), { message: /WorkflowSid/ });
});

test("latest versions can be fetched, with everything in them", async () => {
  const reservation = await offered();
  await rest("POST", `${world.base}/Tasks/${reservation.task.sid}`, { Priority: 7 });
  assert.equal(await reservation.fetchLatestVersion(), reservation);
  assert.equal(reservation.timeout, 120);
  assert.equal((await reservation.task.fetchLatestVersion()).priority, 7);
  await finish(reservation);
});

test("voice instructions are refused clearly while there is no gateway", async () => {
  const reservation = await offered({ Attributes: '{"outbound_to": "+15550002"}' });
  const refused = { message: /No voice gateway is configured/ };
  await assert.rejects(reservation.call("+15550001", "https://example.org/twiml"), refused);
  await assert.rejects(reservation.conference({ to: "client:alice", from: "+15550001" }), refused);
  assert.equal(reservation.status, "pending");
  await finish(reservation);
});
