"use strict";
// What the client makes of refusals, absent values, odd input and long lists.

const assert = require("node:assert/strict");
const { after, before, test } = require("node:test");
const { accountSid, connect, listed, twilio, url } = require("./support.js");

const { workspaces } = connect().taskrouter.v1;
let ws, base;

before(async () => {
  const made = await workspaces.create({ friendlyName: "Errors", template: "FIFO" });
  ws = workspaces(made.sid);
  base = `/Workspaces/${made.sid}`;
});

after(() => ws.remove());

const nobody = (prefix) => prefix + "0".repeat(32);

/** Make a check that an error has everything the client reads. */
function problem(status, code, message) {
  return (error) => {
    assert.equal(error.constructor.name, "RestException");
    assert.deepEqual([error.status, error.code], [status, code]);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
    assert.match(error.message, message);
    return true;
  };
}

test("an unknown SID in any position is a 404 that names the path", async () => {
  const missing = (path) => problem(404, 20404, new RegExp(`^The requested resource ${path} was not found$`));
  const elsewhere = workspaces(nobody("WS"));
  await assert.rejects(elsewhere.fetch(), missing(`/Workspaces/${nobody("WS")}`));
  await assert.rejects(elsewhere.tasks.list(), missing(`/Workspaces/${nobody("WS")}/Tasks`));
  for (const [prefix, name, resource] of [
    ["WA", "Activities", ws.activities],
    ["WQ", "TaskQueues", ws.taskQueues],
    ["WW", "Workflows", ws.workflows],
    ["WK", "Workers", ws.workers],
    ["WT", "Tasks", ws.tasks],
    ["TC", "TaskChannels", ws.taskChannels],
  ]) {
    const sid = nobody(prefix);
    const gone = missing(`${base}/${name}/${sid}`);
    await assert.rejects(resource(sid).fetch(), gone);
    await assert.rejects(resource(sid).update({ friendlyName: "x", priority: 1 }), gone);
    await assert.rejects(resource(sid).remove(), gone);
  }
  await assert.rejects(ws.events(nobody("EV")).fetch(), missing(`${base}/Events/${nobody("EV")}`));
  for (const [prefix, name, resource] of [
    ["WT", "Tasks", ws.tasks],
    ["WK", "Workers", ws.workers],
  ]) {
    const { reservations } = resource(nobody(prefix));
    const path = `${base}/${name}/${nobody(prefix)}/Reservations`;
    await assert.rejects(reservations.list(), missing(path));
    await assert.rejects(reservations(nobody("WR")).fetch(), missing(`${path}/${nobody("WR")}`));
    const update = reservations(nobody("WR")).update({ reservationStatus: "accepted" });
    await assert.rejects(update, missing(`${path}/${nobody("WR")}`));
  }
  const { workerChannels, statistics } = ws.workers(nobody("WK"));
  const worker = `${base}/Workers/${nobody("WK")}`;
  await assert.rejects(workerChannels.list(), missing(`${worker}/Channels`));
  await assert.rejects(workerChannels("voice").update({ capacity: 1 }), missing(`${worker}/Channels/voice`));
  await assert.rejects(statistics().fetch(), missing(`${worker}/Statistics`));
  for (const [path, resource] of [
    [`${base}/TaskQueues/${nobody("WQ")}`, ws.taskQueues(nobody("WQ"))],
    [`${base}/Workflows/${nobody("WW")}`, ws.workflows(nobody("WW"))],
  ]) {
    await assert.rejects(resource.statistics().fetch(), missing(`${path}/Statistics`));
    await assert.rejects(resource.realTimeStatistics().fetch(), missing(`${path}/RealTimeStatistics`));
    await assert.rejects(resource.cumulativeStatistics().fetch(), missing(`${path}/CumulativeStatistics`));
  }
});

test("a refused value is a 400 that says which", async () => {
  const refused = (code, message) => problem(400, code, message);
  await assert.rejects(workspaces.create({ friendlyName: "" }), refused(20002, /FriendlyName/));
  await assert.rejects(ws.activities.create({ friendlyName: "x".repeat(65) }), refused(20002, /FriendlyName/));
  await assert.rejects(ws.tasks.create({ attributes: "not JSON" }), refused(20001, /Attributes/));
  await assert.rejects(ws.tasks.create({ attributes: "[1]" }), refused(20001, /Attributes/));
  await assert.rejects(ws.tasks.create({ priority: -1 }), refused(20001, /Priority/));
  await assert.rejects(ws.tasks.create({ timeout: 1_209_601 }), refused(20001, /Timeout/));
  await assert.rejects(ws.tasks.create({ workflowSid: nobody("WW") }), refused(20001, /workflow/i));
  await assert.rejects(ws.tasks.list({ pageToken: "PAxyz" }), refused(21481, /PageToken/));
  await assert.rejects(ws.tasks.page({ pageNumber: 3 }), refused(40153, /Page/));
  await assert.rejects(ws.tasks.list({ assignmentStatus: "waiting" }), refused(20001, /AssignmentStatus/));
  const long = new Date(Date.now() - 31 * 86_400_000);
  await assert.rejects(ws.statistics().fetch({ startDate: long }), refused(14241, /StartDate/));
  const sales = { friendlyName: "Sales" };
  await ws.taskQueues.create(sales);
  const taken = new RegExp(`^Queue named Sales already exists for workspace ${base.slice(12)} for account AC`);
  await assert.rejects(ws.taskQueues.create(sales), refused(20001, taken));
});

test("wrong credentials are a 401, in lists too", async () => {
  const unknown = connect(accountSid, "wrong").taskrouter.v1.workspaces;
  await assert.rejects(unknown.list(), problem(401, 20003, /^Authenticate$/));
  await assert.rejects(unknown.create({ friendlyName: "x" }), problem(401, 20003, /^Authenticate$/));
});

test("null empties a field or is not sent, undefined is not sent", async () => {
  const task = await ws.tasks.create({ attributes: null, priority: null, workflowSid: undefined });
  assert.equal(task.attributes, "{}");
  const other = await ws.taskQueues.create({ friendlyName: "Other", reservationActivitySid: null });
  assert.equal(other.reservationActivitySid, null);
  const closed = await ws.taskQueues(other.sid).update({ targetWorkers: "" });
  assert.equal(closed.targetWorkers, "");
});

test("absent dates are null, not now", async () => {
  const workflow = (await ws.workflows.list({ limit: 1 }))[0];
  const task = await ws.tasks.create({ workflowSid: workflow.sid });
  assert.equal(task.taskQueueEnteredDate, null);
});

test("a Date keeps its instant, whatever the time zone", async () => {
  const past = new Date("2026-01-31T09:00:00+09:00");
  const task = await ws.tasks.create({ virtualStartTime: past });
  assert.equal(task.virtualStartTime.toISOString(), "2026-01-31T00:00:00.000Z");
});

test("limit and pageSize page through, limit above the maximum is clamped", async () => {
  const names = Array.from({ length: 7 }, (_, number) => `Worker ${number}`);
  const sids = [];
  for (const friendlyName of names) sids.push((await ws.workers.create({ friendlyName })).sid);
  const sidsOf = (workers) => workers.map((worker) => worker.sid);
  assert.deepEqual(sidsOf(await ws.workers.list({ pageSize: 3 })), sids);
  assert.deepEqual(sidsOf(await ws.workers.list({ limit: 5, pageSize: 2 })), sids.slice(0, 5));
  assert.deepEqual(sidsOf(await ws.workers.list({ limit: 100_000 })), sids);
  await listed(ws.workers, sids);
  const page = await ws.workers.page({ pageSize: 3 });
  assert.ok(page.nextPageUrl.startsWith(`${url}/v1${base}/Workers?`));
  assert.equal(page.previousPageUrl, undefined);
});

test("another host is reached by a request client too", async () => {
  class Redirected extends twilio.RequestClient {
    request(options) {
      return super.request({ ...options, uri: options.uri.replace("https://taskrouter.twilio.com", url) });
    }
  }
  const client = twilio(accountSid, process.env.AUTH_TOKEN, { httpClient: new Redirected() });
  assert.equal((await client.taskrouter.v1.workspaces(base.slice(12)).fetch()).friendlyName, "Errors");
});

test("an API key signs in until it is deleted", async () => {
  const account = connect().api.v2010.accounts(accountSid);
  const key = await account.newKeys.create({ friendlyName: "Node" });
  assert.ok(key.secret && key.dateCreated instanceof Date);
  assert.equal((await account.keys(key.sid).fetch()).friendlyName, "Node");
  assert.equal((await account.keys(key.sid).update({ friendlyName: "Renamed" })).friendlyName, "Renamed");
  const other = await account.newKeys.create();
  const sids = (await listed(account.keys, null)).map((item) => item.sid);
  assert.ok(sids.includes(key.sid) && sids.includes(other.sid));
  assert.equal(await account.keys(other.sid).remove(), true);
  const byKey = connect(key.sid, key.secret, { accountSid }).taskrouter.v1.workspaces;
  assert.equal((await byKey(base.slice(12)).fetch()).friendlyName, "Errors");
  assert.equal(await account.keys(key.sid).remove(), true);
  await assert.rejects(byKey.list(), problem(401, 20003, /^Authenticate$/));
});
