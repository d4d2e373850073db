"use strict";
// A worker over restarts of the daemon. Says on a line of its own when it is ready, and when it is told what
// was done meanwhile; ends when its input does.

const assert = require("node:assert/strict");
const { World, next } = require("./support.js");

const say = (text) => process.stdout.write(`${text}\n`);

async function main() {
  const world = await World.make("alice");
  const alice = await world.available("alice");
  const created = next(alice, "reservationCreated");
  const task = await world.createTask();
  await (await created).accept();
  alice.on("disconnected", ({ message }) => say(`disconnected: ${message}`));
  alice.on("ready", async () => {
    const [reservation] = [...alice.reservations.values()];
    assert.equal(reservation.task.sid, task.sid);
    assert.equal(reservation.status, "accepted");
    assert.equal(alice.activity.name, "Available");
    // The SDK sets its connectActivitySid meanwhile, and does not bear it when that call is cut off.
    for (let calls = 0; calls < 3; calls += 1) await alice.fetchLatestVersion();
    say("ready");
  });
  say("ready");
  process.stdin.on("data", async () => {
    const [reservation] = [...alice.reservations.values()];
    const completed = next(reservation, "completed");
    await reservation.task.complete("done");
    await completed;
    say("completed");
    process.exit(0);
  });
}

main();
