"use strict";
// Sockets and tokens: several at a time, new ones, expired ones, heartbeats, reconnections.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { World, disconnectAll, eventually, next } = require("./support.js");

let world;

before(async () => {
  world = await World.make("alice", "bob", "carol", "dave");
});
after(disconnectAll);

test("every tab of a worker gets every event", async () => {
  const tabs = [await world.available("alice"), await world.available("alice"), await world.available("alice")];
  const created = tabs.map((tab) => next(tab, "reservationCreated"));
  const task = await world.taskFor("alice");
  const reservations = await Promise.all(created);
  assert.deepEqual(reservations.map((each) => each.task.sid), [task.sid, task.sid, task.sid]);
  const accepted = reservations.map((each) => next(each, "accepted"));
  await reservations[0].accept();
  await Promise.all(accepted);
  const completed = reservations.map((each) => next(each, "completed"));
  await reservations[1].task.complete("done");
  await Promise.all(completed);
  for (const tab of tabs) {
    assert.equal(tab.reservations.size, 0);
    tab.disconnect();
  }
});

test("closeExistingSessions closes the sockets that are older than the token", async () => {
  const first = await world.available("alice");
  await new Promise((resolve) => setTimeout(resolve, 1_100 - (Date.now() % 1_000)));
  const disconnected = next(first, "disconnected");
  const second = world.connect("alice", { closeExistingSessions: true });
  const third = next(first, "ready");
  await next(second, "ready");
  assert.equal((await disconnected).message, "Closed by a newer session");
  await third;
  first.disconnect();
  second.disconnect();
});

test("a new token is used for calls, and keeps the socket", async () => {
  const worker = await world.available("bob", {}, world.token("bob", { ttl: 60 }));
  const updated = next(worker, "tokenUpdated");
  worker.updateToken(world.token("bob"));
  await updated;
  await worker.setAttributes({ token: "new" });
  assert.deepEqual(worker.attributes, { token: "new" });
  worker.disconnect();
});

test("an expired token ends calls at once and the socket soon; a new one brings both back", async () => {
  const worker = world.connect("carol", {}, world.token("carol", { ttl: 9 }));
  await next(worker, "ready");
  const disconnected = next(worker, "disconnected");
  await next(worker, "tokenExpired");
  await eventually("the token has expired", () =>
    worker.setAttributes({}).then(() => false, (error) => /status code 401/.test(error.message)),
  );
  worker.updateToken(world.token("carol"));
  const ready = next(worker, "ready");
  assert.equal((await disconnected).message, "Token expired");
  await ready;
  await worker.setAttributes({ back: true });
  worker.disconnect();
});

test("a socket is refused to a bad token, and the SDK says so", async () => {
  const worker = world.connect("dave", {}, `${world.token("dave")}x`);
  await next(worker, "disconnected");
  assert.equal(worker.lastError?.name ?? "GATEWAY_CONNECTION_FAILED", "GATEWAY_CONNECTION_FAILED");
  worker.disconnect();
});

test("what was open before is there when a worker is ready again", async () => {
  const worker = await world.available("dave");
  const created = next(worker, "reservationCreated");
  const task = await world.taskFor("dave");
  await (await created).accept();
  worker.disconnect();
  const again = world.connect("dave");
  await next(again, "ready");
  const [reservation] = [...again.reservations.values()];
  assert.equal(reservation.task.sid, task.sid);
  assert.equal(reservation.task.status, "assigned");
  const completed = next(reservation, "completed");
  await reservation.task.complete("done");
  await completed;
  again.disconnect();
});

test("a client that asks for it is set offline when it stays away", async () => {
  const worker = await world.available("bob", { setWorkerOfflineIfDisconnected: true });
  worker.disconnect();
  const watcher = world.workspace();
  await eventually("the worker is offline", async () => {
    const bob = await watcher.fetchWorker(world.workers.bob.sid);
    return bob.activityName === "Offline";
  });
});

test("sockets stay over a long silence", async () => {
  const worker = await world.available("carol");
  let lost = 0;
  worker.on("disconnected", () => (lost += 1));
  await new Promise((resolve) => setTimeout(resolve, Number(process.env.IDLE_MS ?? 0)));
  assert.equal(lost, 0);
  const created = next(worker, "reservationCreated");
  await world.taskFor("carol");
  await created;
});
