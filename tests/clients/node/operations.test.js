"use strict";
// Every operation of the official client, in the life of one workspace.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { connect, eventually, listed } = require("./support.js");

const NOBODY = "http://127.0.0.1:9/";
const HOUR_MS = 3_600_000;
const { workspaces } = connect().taskrouter.v1;
const at = (offsetMs) => new Date(Math.floor((Date.now() + offsetMs) / 1000) * 1000);

let ws, offline, available, unavailable, queue, everyone, workflow, worker, task;

before(async () => {
  const made = await workspaces.create({
    friendlyName: `Node ${process.hrtime.bigint()}`,
    eventCallbackUrl: NOBODY,
    eventsFilter: "task.created",
    multiTaskEnabled: true,
    template: "NONE",
    prioritizeQueueOrder: "FIFO",
  });
  ws = workspaces(made.sid);
});

after(async () => {
  assert.equal(await ws.remove(), true);
  await assert.rejects(ws.fetch(), { status: 404, code: 20404 });
});

test("workspaces", async () => {
  const found = await ws.fetch();
  assert.equal(found.multiTaskEnabled, true);
  assert.ok(found.dateCreated instanceof Date && Date.now() - found.dateCreated < HOUR_MS);
  const twin = await workspaces.create({ friendlyName: found.friendlyName });
  await listed(workspaces, [found.sid, twin.sid], { friendlyName: found.friendlyName });
  assert.equal(await workspaces(twin.sid).remove(), true);
  const unchanged = await ws.update();
  assert.equal(unchanged.friendlyName, found.friendlyName);
});

test("activities", async () => {
  [offline, available, unavailable] = await listed(ws.activities);
  const pause = await ws.activities.create({ friendlyName: "Break", available: "false" });
  const renamed = await ws.activities(pause.sid).update({ friendlyName: "Päuschen ☕" });
  assert.equal(renamed.friendlyName, "Päuschen ☕");
  assert.equal((await ws.activities(pause.sid).fetch()).friendlyName, "Päuschen ☕");
  await listed(ws.activities, [pause.sid], { friendlyName: "Päuschen ☕" });
  await listed(ws.activities, [available.sid], { available: "true" });
  await listed(ws.activities, [offline.sid, unavailable.sid, pause.sid], { available: "false" });
  assert.equal(await ws.activities(pause.sid).remove(), true);
  const changed = await ws.update({
    defaultActivitySid: available.sid,
    timeoutActivitySid: unavailable.sid,
    eventCallbackUrl: "",
    eventsFilter: null,
    multiTaskEnabled: true,
    prioritizeQueueOrder: "LIFO",
  });
  assert.equal(changed.defaultActivityName, "Available");
  assert.equal(changed.eventsFilter, null);
});

test("task channels", async () => {
  const made = await ws.taskChannels.create({
    friendlyName: "Fax",
    uniqueName: "fax",
    channelOptimizedRouting: true,
  });
  assert.equal(made.channelOptimizedRouting, true);
  const changed = await ws
    .taskChannels("fax")
    .update({ friendlyName: "Telefax", channelOptimizedRouting: false });
  assert.deepEqual([changed.friendlyName, changed.channelOptimizedRouting], ["Telefax", false]);
  assert.equal((await ws.taskChannels(made.sid).fetch()).uniqueName, "fax");
  assert.equal((await listed(ws.taskChannels)).length, 6);
  assert.equal(await ws.taskChannels("fax").remove(), true);
});

test("task queues", async () => {
  const activities = { reservationActivitySid: unavailable.sid, assignmentActivitySid: unavailable.sid };
  queue = await ws.taskQueues.create({
    friendlyName: "Sales",
    targetWorkers: 'languages HAS "en"',
    maxReservedWorkers: 2,
    taskOrder: "LIFO",
    ...activities,
  });
  everyone = await ws.taskQueues.create({ friendlyName: "Everyone" });
  const changed = await ws.taskQueues(queue.sid).update({
    friendlyName: "Sales & Orders",
    targetWorkers: 'languages HAS "de"',
    maxReservedWorkers: 1,
    taskOrder: "FIFO",
    ...activities,
  });
  assert.deepEqual([changed.taskOrder, changed.maxReservedWorkers], ["FIFO", 1]);
  assert.equal((await ws.taskQueues(queue.sid).fetch()).targetWorkers, 'languages HAS "de"');
  await listed(ws.taskQueues, [queue.sid, everyone.sid]);
  await listed(ws.taskQueues, [everyone.sid, queue.sid], { ordering: "FriendlyName:asc" });
  await listed(ws.taskQueues, [queue.sid], { friendlyName: "Sales & Orders" });
  await listed(ws.taskQueues, [everyone.sid], { evaluateWorkerAttributes: '{"languages": ["en"]}' });
});

test("workflows", async () => {
  const configuration = JSON.stringify({ task_routing: { default_filter: { queue: queue.sid } } });
  const made = await ws.workflows.create({
    friendlyName: "First",
    configuration,
    assignmentCallbackUrl: NOBODY,
    fallbackAssignmentCallbackUrl: NOBODY,
    taskReservationTimeout: 30,
  });
  assert.equal(made.configuration, configuration);
  workflow = await ws.workflows(made.sid).update({
    friendlyName: "Main",
    configuration,
    assignmentCallbackUrl: "",
    fallbackAssignmentCallbackUrl: "",
    taskReservationTimeout: 600,
    reEvaluateTasks: "true",
  });
  assert.equal((await ws.workflows(made.sid).fetch()).taskReservationTimeout, 600);
  const other = await ws.workflows.create({ friendlyName: "Other", configuration });
  await listed(ws.workflows, [made.sid, other.sid]);
  await listed(ws.workflows, [other.sid], { friendlyName: "Other" });
  assert.equal(await ws.workflows(other.sid).remove(), true);
});

test("workers and their channels", async () => {
  const attributes = '{"languages": ["de"]}';
  const zoe = await ws.workers.create({ friendlyName: "Zoë", activitySid: offline.sid, attributes });
  const bob = await ws.workers.create({ friendlyName: "Bob" });
  await listed(ws.workers, [zoe.sid, bob.sid]);
  await listed(ws.workers, [bob.sid, zoe.sid], { ordering: "DateCreated:desc" });
  for (const filters of [
    { activityName: "Offline" },
    { activitySid: offline.sid },
    { available: "false" },
    { friendlyName: "Zoë" },
    { targetWorkersExpression: 'languages HAS "de" AND activity_name == "Offline"' },
    { taskQueueName: "Sales & Orders" },
    { taskQueueSid: queue.sid },
  ]) {
    await listed(ws.workers, [zoe.sid], filters);
  }
  await assert.rejects(ws.workers(bob.sid).remove({ ifMatch: "77" }), { status: 412, code: 20412 });
  assert.equal(await ws.workers(bob.sid).remove({ ifMatch: "0" }), true);
  await listed(ws.taskQueues, [queue.sid, everyone.sid], { workerSid: zoe.sid });
  const stale = ws.workers(zoe.sid).update({ ifMatch: "77", friendlyName: "Nobody" });
  await assert.rejects(stale, { status: 412, code: 20412 });
  const { headers } = await ws.workers(zoe.sid).fetchWithHttpInfo();
  worker = await ws.workers(zoe.sid).update({
    ifMatch: headers.etag,
    activitySid: unavailable.sid,
    attributes,
    friendlyName: "Zoe",
    rejectPendingReservations: true,
  });
  assert.deepEqual([worker.friendlyName, worker.available], ["Zoe", false]);
  const { workerChannels } = ws.workers(zoe.sid);
  assert.equal((await listed(workerChannels)).length, 5);
  const channel = await workerChannels("default").update({ capacity: 4, available: true });
  assert.equal((await workerChannels(channel.sid).fetch()).configuredCapacity, 4);
});

test("tasks", async () => {
  const virtualStartTime = at(-HOUR_MS);
  task = await ws.tasks.create({
    timeout: 3_600,
    priority: 3,
    taskChannel: "default",
    workflowSid: workflow.sid,
    attributes: '{"text": "日本語 😀"}',
    virtualStartTime,
  });
  assert.deepEqual(task.virtualStartTime, virtualStartTime);
  assert.equal(JSON.parse(task.attributes).text, "日本語 😀");
  const direct = await ws.tasks.create({ routingTarget: worker.sid, ignoreCapacity: "true" });
  const queued = await ws.tasks.create({ taskQueueSid: everyone.sid, workflowSid: workflow.sid });
  const { headers } = await ws.tasks(queued.sid).fetchWithHttpInfo();
  const changed = await ws.tasks(queued.sid).update({
    ifMatch: headers.etag,
    attributes: "{}",
    priority: 7,
    taskChannel: "chat",
    virtualStartTime,
  });
  assert.deepEqual([changed.priority, changed.taskChannelUniqueName], [7, "chat"]);
  const everything = [task.sid, direct.sid, queued.sid];
  await listed(ws.tasks, everything, { assignmentStatus: ["pending", "reserved"], hasAddons: false });
  await listed(ws.tasks, everything, { workflowSid: workflow.sid, workflowName: "Main" });
  await listed(ws.tasks, [task.sid], { priority: 3, evaluateTaskAttributes: 'text != null' });
  await listed(ws.tasks, [task.sid], { taskQueueSid: queue.sid, taskQueueName: "Sales & Orders" });
  await listed(ws.tasks, [direct.sid], { routingTarget: worker.sid });
  await listed(ws.tasks, [queued.sid, task.sid, direct.sid], { ordering: "Priority:desc" });
  await ws.tasks(direct.sid).update({ assignmentStatus: "canceled", reason: "enough" });
  const etag = (await ws.tasks(queued.sid).fetchWithHttpInfo()).headers.etag;
  await assert.rejects(ws.tasks(queued.sid).remove({ ifMatch: "99" }), { status: 412, code: 20412 });
  assert.equal(await ws.tasks(queued.sid).remove({ ifMatch: etag }), true);
});

test("reservations on both sides", async () => {
  const ofTask = ws.tasks(task.sid).reservations;
  const ofWorker = ws.workers(worker.sid).reservations;
  await ws.workers(worker.sid).update({ activitySid: available.sid });
  const pending = async () => (await ofTask.list({ reservationStatus: "pending" }))[0];
  const first = await eventually("a reservation", pending);
  await listed(ofTask, [first.sid], { workerSid: worker.sid });
  await listed(ofWorker, [first.sid], { reservationStatus: "pending" });
  await assert.rejects(ofWorker(first.sid).update({ ifMatch: "77" }), { status: 412, code: 20412 });
  assert.equal((await ofWorker(first.sid).fetch()).reservationStatus, "pending");
  const rejected = await ofWorker(first.sid).update({
    reservationStatus: "rejected",
    workerActivitySid: unavailable.sid,
    dequeueStatusCallbackEvent: ["initiated", "answered"],
    muted: false,
    ifMatch: (await ofWorker(first.sid).fetchWithHttpInfo()).headers.etag,
  });
  assert.equal(rejected.reservationStatus, "rejected");
  await ws.workers(worker.sid).update({ activitySid: available.sid });
  const second = await eventually("another reservation", pending);
  assert.equal((await ofTask(second.sid).fetch()).workerName, "Zoe");
  const accepted = await ofTask(second.sid).update({ instruction: "accept", supervisorMode: "monitor" });
  assert.equal(accepted.reservationStatus, "accepted");
  const wrapping = await ofTask(second.sid).update({ reservationStatus: "wrapping" });
  assert.equal(wrapping.reservationStatus, "wrapping");
  const done = await ofWorker(second.sid).update({ reservationStatus: "completed" });
  assert.equal(done.reservationStatus, "completed");
  task = await ws.tasks(task.sid).fetch();
  assert.equal(task.assignmentStatus, "completed");
});

test("events", async () => {
  const events = await listed(ws.events, null, { taskSid: task.sid });
  assert.equal(events.at(-1).eventType, "task.created");
  const rejected = events.find((event) => event.eventType === "reservation.rejected");
  await listed(ws.events, [rejected.sid], { sid: rejected.sid });
  await listed(ws.events, [rejected.sid], {
    eventType: "reservation.rejected",
    reservationSid: rejected.resourceSid,
    taskQueueSid: queue.sid,
    workerSid: worker.sid,
    workflowSid: workflow.sid,
    taskChannel: "default",
    startDate: at(-HOUR_MS),
    endDate: at(HOUR_MS),
  });
  const found = await ws.events(rejected.sid).fetch();
  assert.deepEqual(found.eventDate, rejected.eventDate);
  assert.equal(found.eventData.reservation_sid, rejected.resourceSid);
  assert.equal((await ws.events.list({ minutes: 60, limit: 1 })).length, 1);
});

test("statistics", async () => {
  const window = { minutes: 60, startDate: at(-HOUR_MS), endDate: at(0), taskChannel: "default" };
  const split = { ...window, splitByWaitTime: "5,30" };
  for (const scope of [ws, ws.taskQueues(queue.sid), ws.workflows(workflow.sid)]) {
    const combined = await scope.statistics().fetch(split);
    assert.equal(combined.cumulative.reservations_accepted, 1);
    assert.deepEqual(Object.keys(combined.cumulative.split_by_wait_time), ["5", "30"]);
    const present = await scope.realTimeStatistics().fetch({ taskChannel: "default" });
    assert.equal(present.tasksByStatus.assigned, 0);
    const past = await scope.cumulativeStatistics().fetch(split);
    assert.deepEqual([past.reservationsRejected, past.startTime], [1, window.startDate]);
  }
  await listed(ws.taskQueues.statistics, [queue.sid], { friendlyName: "Sales & Orders", ...split });
  const bulk = ws.taskQueues.bulkRealTimeStatistics;
  const both = await bulk.create({ queueSids: [queue.sid, everyone.sid] });
  assert.equal(both.taskQueueResponseCount, 2);
  const filters = { taskQueueSid: queue.sid, taskQueueName: "Sales & Orders", friendlyName: "Zoe" };
  assert.equal((await ws.workers.statistics().fetch({ ...filters, ...window })).realtime.total_workers, 1);
  assert.equal((await ws.workers.realTimeStatistics().fetch({ taskChannel: "chat" })).totalWorkers, 1);
  assert.equal((await ws.workers.cumulativeStatistics().fetch(window)).reservationsAccepted, 1);
  const own = await ws.workers(worker.sid).statistics().fetch(window);
  assert.equal(own.cumulative.reservations_rejected, 1);
});

test("deletes", async () => {
  for (const resource of [
    ws.tasks(task.sid),
    ws.workflows(workflow.sid),
    ws.taskQueues(queue.sid),
    ws.workers(worker.sid),
  ]) {
    assert.equal(await resource.remove(), true);
    await assert.rejects(resource.fetch(), { status: 404, code: 20404 });
  }
});
