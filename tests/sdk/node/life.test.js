"use strict";
// One worker, from ready to a completed task.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { World, disconnectAll, eventually, next, rest } = require("./support.js");

let world;

before(async () => {
  world = await World.make("alice");
});
after(disconnectAll);

test("a worker gets ready with its activities, channels and attributes", async () => {
  const alice = world.connect("alice");
  await next(alice, "ready");
  assert.equal(alice.sid, world.workers.alice.sid);
  assert.equal(alice.activity.name, "Offline");
  assert.deepEqual([...alice.activities.values()].map((each) => each.name).sort(), [
    "Available",
    "Offline",
    "Unavailable",
  ]);
  assert.equal(alice.channels.size, 5);
  assert.deepEqual(alice.attributes, { contact_uri: "client:alice" });
  assert.equal(alice.reservations.size, 0);
  assert.ok(Math.abs(alice.dateCreated - Date.now()) < 60_000);
});
