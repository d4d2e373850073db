"use strict";
// The client's capability and access tokens, and its check of signed callbacks.

const assert = require("node:assert/strict");
const http = require("node:http");
const { after, before, test } = require("node:test");
const { accountSid, authToken, connect, eventually, twilio, url } = require("./support.js");

const { AccessToken, taskrouter } = twilio.jwt;
const { TaskRouterCapability, util } = taskrouter;
const client = connect();
const { workspaces } = client.taskrouter.v1;
let ws, workspaceSid, worker;

before(async () => {
  ({ sid: workspaceSid } = await workspaces.create({ friendlyName: "Tokens", template: "FIFO" }));
  ws = workspaces(workspaceSid);
  worker = await ws.workers.create({ friendlyName: "Alice" });
});

after(() => ws.remove());

/** Send a request below /v1 with a token; resolves to status and code. */
async function ask(token, method, path, form) {
  const answer = await fetch(`${url}/v1/Workspaces/${workspaceSid}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}` },
    body: form && new URLSearchParams(form),
  });
  return [answer.status, (await answer.json()).code];
}

const OK = [200, undefined];
const DENIED = [403, 20006];

function capability(policies, options = {}) {
  const token = new TaskRouterCapability({
    accountSid,
    authToken,
    workspaceSid,
    channelId: worker.sid,
    ...options,
  });
  policies.forEach((policy) => token.addPolicy(policy));
  return token;
}

test("a worker's default capability token reads what is the worker's", async () => {
  const policies = [
    ...util.defaultEventBridgePolicies(accountSid, worker.sid),
    ...util.defaultWorkerPolicies("v1", workspaceSid, worker.sid),
  ];
  const token = capability(policies).toJwt();
  assert.deepEqual(await ask(token, "GET", "/Activities"), OK);
  assert.deepEqual(await ask(token, "GET", `/Workers/${worker.sid}`), OK);
  assert.deepEqual(await ask(token, "GET", `/Workers/${worker.sid}/Reservations`), OK);
  assert.deepEqual(await ask(token, "POST", `/Workers/${worker.sid}`, { FriendlyName: "Eve" }), DENIED);
  assert.deepEqual(await ask(token, "GET", "/Workers"), DENIED);
});

test("a filtered policy lets a worker change its activity and nothing else", async () => {
  const [activity] = await ws.activities.list({ available: "true" });
  const policy = new TaskRouterCapability.Policy({
    url: util.workersUrl(workspaceSid, worker.sid),
    method: "POST",
    postFilter: { ActivitySid: { required: true } },
  });
  const token = capability([policy]).toJwt();
  const path = `/Workers/${worker.sid}`;
  assert.deepEqual(await ask(token, "POST", path, { ActivitySid: activity.sid }), OK);
  assert.deepEqual(await ask(token, "POST", path, { FriendlyName: "Eve" }), DENIED);
  assert.deepEqual(await ask(token, "POST", path, { ActivitySid: activity.sid, FriendlyName: "Eve" }), DENIED);
});

test("tokens of queues and workspaces are read", async () => {
  const [queue] = await ws.taskQueues.list();
  for (const [channelId, path] of [
    [queue.sid, `/TaskQueues/${queue.sid}`],
    [workspaceSid, ""],
  ]) {
    const policy = new TaskRouterCapability.Policy({ url: `${util.workspacesUrl(workspaceSid)}${path}` });
    assert.deepEqual(await ask(capability([policy], { channelId }).toJwt(), "GET", path), OK);
  }
});

test("an expired token and one signed with another secret are refused", async () => {
  assert.deepEqual(await ask(capability([], { ttl: -10 }).toJwt(), "GET", ""), [401, 20104]);
  assert.deepEqual(await ask(capability([], { authToken: "wrong" }).toJwt(), "GET", ""), [401, 20107]);
});

test("an access token with a TaskRouter grant has its role", async () => {
  const account = client.api.v2010.accounts(accountSid);
  const key = await account.newKeys.create({ friendlyName: "Tokens" });
  const access = (grant) => {
    const token = new AccessToken(accountSid, key.sid, key.secret, { identity: "alice" });
    token.addGrant(new AccessToken.TaskRouterGrant({ workspaceSid, ...grant }));
    return token.toJwt();
  };
  const own = access({ workerSid: worker.sid, role: "worker" });
  assert.deepEqual(await ask(own, "GET", `/Workers/${worker.sid}/Channels`), OK);
  assert.deepEqual(await ask(own, "GET", "/Tasks"), DENIED);
  const supervisor = access({ role: "supervisor" });
  assert.deepEqual(await ask(supervisor, "GET", "/Tasks"), OK);
  assert.deepEqual(await ask(supervisor, "POST", "/TaskQueues", { FriendlyName: "x" }), DENIED);
  const admin = access({ role: "admin" });
  assert.deepEqual(await ask(admin, "POST", "", { FriendlyName: "Tokens" }), OK);
  await account.keys(key.sid).remove();
  assert.deepEqual(await ask(admin, "GET", ""), [401, 20103]);
});

test("callbacks pass the client's signature check", async () => {
  const received = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      received.push({ request, body });
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end('{"instruction": "accept"}');
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const target = `http://127.0.0.1:${server.address().port}`;
  try {
    const [workflow] = await ws.workflows.list();
    await ws.workflows(workflow.sid).update({ assignmentCallbackUrl: `${target}/assign?a=1&b=%C3%A9` });
    await ws.update({ eventCallbackUrl: `${target}/events` });
    const [activity] = await ws.activities.list({ available: "true" });
    await ws.workers(worker.sid).update({ activitySid: activity.sid });
    const task = await ws.tasks.create({ attributes: '{"name": "Zoë & Søn", "a": "1+1 = 2"}' });
    const accepted = async () => (await ws.tasks(task.sid).fetch()).assignmentStatus === "assigned";
    await eventually("the callback accepts", accepted);
    const told = () => received.some(({ body }) => body.includes("EventType=reservation.accepted"));
    await eventually("an event callback", async () => told());
    for (const { request, body } of received) {
      const form = Object.fromEntries(new URLSearchParams(body));
      const signature = request.headers["x-twilio-signature"];
      assert.ok(twilio.validateRequest(authToken, signature, `${target}${request.url}`, form));
      assert.ok(!twilio.validateRequest("wrong", signature, `${target}${request.url}`, form));
    }
    const assignment = received.find(({ request }) => request.url.startsWith("/assign"));
    assert.equal(assignment.request.url, "/assign?a=1&b=%C3%A9");
    assert.equal(new URLSearchParams(assignment.body).get("TaskSid"), task.sid);
  } finally {
    server.close();
    server.closeAllConnections();
    await ws.update({ eventCallbackUrl: "" });
  }
});
