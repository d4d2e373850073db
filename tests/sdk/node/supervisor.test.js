"use strict";
// The Supervisor class: other workers' attributes and activities, and joining a call.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { World, disconnectAll, eventually, next, rest } = require("./support.js");

let world;
let alice;
let boss;

before(async () => {
  world = await World.make("alice", "boss");
  alice = await world.available("alice");
  boss = world.supervisor("boss");
  await next(boss, "ready");
});
after(disconnectAll);

test("a supervisor sets the attributes of a worker, who is told", async () => {
  const updated = next(alice, "attributesUpdated");
  const answer = await boss.setWorkerAttributes(alice.sid, { skills: ["billing"] });
  assert.equal(answer.sid, alice.sid);
  await updated;
  assert.deepEqual(alice.attributes, { skills: ["billing"] });
});

test("a supervisor sets the activity of a worker, and rejects its offers with it", async () => {
  const created = next(alice, "reservationCreated");
  await world.createTask();
  const reservation = await created;
  const rejected = next(reservation, "rejected");
  const options = { rejectPendingReservations: true };
  const answer = await boss.setWorkerActivity(alice.sid, world.activities.Unavailable, options);
  assert.equal(answer.activity_sid, world.activities.Unavailable);
  await rejected;
  await eventually("the worker is moved", () => alice.activity.name === "Unavailable");
  await rest("DELETE", `${world.base}/Tasks/${reservation.task.sid}`);
});

test("the supervisor's own version says nothing about a worker's", async () => {
  const strict = world.supervisor("boss", { enableVersionCheck: true });
  await next(strict, "ready");
  const answer = await strict.setWorkerAttributes(alice.sid, { skills: [] });
  assert.notEqual(Number(answer.version), Number(strict.version));
  strict.disconnect();
});

test("monitoring is refused clearly while there is no gateway", async () => {
  const created = next(alice, "reservationCreated");
  await boss.setWorkerActivity(alice.sid, world.activities.Available);
  await world.taskFor("alice", { Attributes: '{"from": "+15550001"}' });
  const reservation = await created;
  await reservation.accept();
  await assert.rejects(boss.monitor(reservation.task.sid, reservation.sid), { message: /No voice gateway/ });
});

test("a worker may do neither", async () => {
  const impostor = world.supervisor("alice", {}, "worker");
  await next(impostor, "ready");
  await assert.rejects(impostor.setWorkerAttributes(world.workers.boss.sid, {}), { message: /status code 403/ });
});
