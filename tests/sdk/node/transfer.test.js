"use strict";
// Transfers between workers and to a queue, as the SDK's own end-to-end suite asserts them.

const assert = require("node:assert/strict");
const { after, afterEach, before, beforeEach, test } = require("node:test");
const { World, disconnectAll, eventually, next, rest } = require("./support.js");

let world;
let alice;
let bob;
let held;

before(async () => {
  world = await World.make("alice", "bob");
  alice = await world.available("alice");
  bob = world.connect("bob");
  await next(bob, "ready");
});
after(disconnectAll);

// Alice has accepted a task, then Bob becomes available.
beforeEach(async () => {
  await activity("bob", "Unavailable");
  await activity("alice", "Available");
  const created = next(alice, "reservationCreated");
  await world.createTask();
  held = await created;
  const accepted = next(held, "accepted");
  await held.accept();
  await accepted;
  await activity("bob", "Available");
});

afterEach(async () => {
  const { tasks } = await rest("GET", `${world.base}/Tasks`);
  for (const { sid } of tasks) await rest("DELETE", `${world.base}/Tasks/${sid}`);
  await eventually("nobody has anything", () => alice.reservations.size + bob.reservations.size === 0);
});

async function activity(name, to) {
  const fields = { ActivitySid: world.activities[to] };
  await rest("POST", `${world.base}/Workers/${world.workers[name].sid}`, fields);
}

/** Start a transfer; resolves to the offer of it to Bob. */
async function transferred(to, options) {
  const offered = next(bob, "reservationCreated");
  const initiated = next(held.task, "transferInitiated");
  await held.task.transfer(to, options);
  await initiated;
  const reservation = await offered;
  for (const transfer of [reservation.transfer, reservation.task.transfers.incoming]) {
    assert.match(transfer.sid, /^TT/);
    assert.equal(transfer.reservationSid, held.sid);
    assert.equal(transfer.workerSid, alice.sid);
    assert.equal(transfer.to, to);
    assert.equal(transfer.status, "initiated");
    assert.equal(transfer.mode, options?.mode ?? "WARM");
    assert.equal(transfer.type, to.startsWith("WK") ? "WORKER" : "QUEUE");
  }
  assert.equal(reservation.task.status, "reserved");
  return reservation;
}

test("a warm transfer that is accepted is complete", async () => {
  const reservation = await transferred(bob.sid);
  assert.equal(held.task.transfers.outgoing.status, "initiated");
  assert.equal(held.status, "accepted");
  const told = Promise.all([
    next(held.task.transfers.outgoing, "completed"),
    next(reservation, "accepted"),
  ]);
  await reservation.accept();
  await told;
  assert.equal(held.task.transfers.outgoing.status, "complete");
  assert.equal(reservation.transfer.status, "complete");
  assert.equal(reservation.task.status, "assigned");
  assert.equal(alice.reservations.size, 1);
});

test("a warm transfer that is rejected fails, and the task stays where it was", async () => {
  const reservation = await transferred(bob.sid);
  const told = Promise.all([
    next(reservation, "rejected"),
    next(held.task.transfers.outgoing, "failed"),
    next(held.task, "updated"),
  ]);
  await reservation.reject();
  await told;
  assert.equal(reservation.transfer.status, "failed");
  const { outgoing } = held.task.transfers;
  assert.equal(outgoing.status, "failed");
  assert.equal(outgoing.transferFailedReason, "Transfer failed because the reservation was rejected");
  assert.equal(held.task.status, "assigned");
  assert.equal(held.status, "accepted");
});

test("a transfer that is canceled takes the offer back; once", async () => {
  const reservation = await transferred(bob.sid);
  const { outgoing } = held.task.transfers;
  const told = Promise.all([next(reservation, "canceled"), next(outgoing, "canceled")]);
  const canceled = await outgoing.cancel();
  assert.equal(canceled.status, "canceled");
  await told;
  assert.equal(reservation.status, "canceled");
  assert.equal(reservation.task.transfers.incoming.status, "canceled");
  assert.equal(reservation.task.status, "assigned");
  await assert.rejects(outgoing.cancel(), {
    message: `Request failed with status code 400. Transfer ${outgoing.sid} is already canceled . Cannot cancel transfer.`,
  });
});

test("with a cold transfer the first worker wraps up at once, and may complete", async () => {
  const wrapped = next(held, "wrapup");
  const reservation = await transferred(bob.sid, { mode: "COLD" });
  await wrapped;
  assert.equal(held.status, "wrapping");
  const completed = next(held, "completed");
  await held.complete();
  await completed;
  assert.equal((await world.task(reservation.task.sid)).assignment_status, "reserved");
  const accepted = next(reservation, "accepted");
  await reservation.accept();
  await accepted;
  assert.equal(reservation.task.status, "assigned");
  assert.equal(reservation.transfer.status, "complete");
});

test("an attempt at a queue that is rejected leaves the transfer under way", async () => {
  const reservation = await transferred(world.queue.sid);
  const told = Promise.all([
    next(reservation, "rejected"),
    next(held.task.transfers.outgoing, "attemptFailed"),
    next(held.task, "updated"),
  ]);
  await reservation.reject();
  await told;
  assert.equal(reservation.transfer.status, "initiated");
  assert.equal(held.task.transfers.outgoing.status, "initiated");
  const again = await next(bob, "reservationCreated");
  assert.equal(again.transfer.sid, reservation.transfer.sid);
  const completed = next(held.task.transfers.outgoing, "completed");
  await again.accept();
  await completed;
});

test("the task is the first worker's while the transfer is under way", async () => {
  await transferred(bob.sid);
  await assert.rejects(held.task.wrapUp({ reason: "no" }), { message: /status code 400/ });
  await assert.rejects(held.task.complete("no"), { message: /status code 400/ });
  await assert.rejects(held.complete(), { message: /status code 400/ });
});

test("nobody is transferred to who is not available", async () => {
  await activity("bob", "Unavailable");
  await assert.rejects(held.task.transfer(bob.sid), { message: /status code 400/ });
});

test("attributes and priority go with a transfer", async () => {
  const reservation = await transferred(bob.sid, { attributes: { topic: "billing" }, priority: 9 });
  assert.deepEqual(reservation.task.attributes, { topic: "billing" });
  assert.equal(reservation.task.priority, 9);
});

test("a transfer under way is there when either worker connects again", async () => {
  const offer = await transferred(bob.sid);
  const [first, second] = [world.connect("alice"), world.connect("bob")];
  await Promise.all([next(first, "ready"), next(second, "ready")]);
  const mine = first.reservations.get(held.sid);
  assert.equal(mine.task.transfers.outgoing.sid, offer.transfer.sid);
  const theirs = second.reservations.get(offer.sid);
  assert.equal(theirs.task.transfers.incoming.sid, offer.transfer.sid);
  const told = Promise.all([next(mine.task.transfers.outgoing, "completed"), next(theirs, "accepted")]);
  await theirs.accept();
  await told;
  first.disconnect();
  second.disconnect();
});

test("only who has the task can transfer it", async () => {
  const offer = await transferred(bob.sid);
  await assert.rejects(offer.task.transfer(alice.sid), { message: /status code 40[03]/ });
});
