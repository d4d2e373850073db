"use strict";
// What the test files share: a workspace made over REST, tokens, the unmodified SDK, and ways to wait.

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { Worker, Supervisor, Workspace } = require("twilio-taskrouter");

const { TASKROUTER_URL: url, ACCOUNT_SID: accountSid, AUTH_TOKEN: authToken } = process.env;
const { WORKSPACES_URL: makerUrl = url } = process.env; // the node that makes, and so owns, the workspaces
const MILESTONE_MS = 30_000;
const POLL_MS = 10;
const EVENT_BRIDGE = {
  ebServer: `${url}/v1/wschannels`,
  wsServer: `${url.replace("http", "ws")}/v1/wschannels`,
  logLevel: "silent",
};
const BASIC = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString("base64")}`;

const open = new Set();

/** Call the REST API; resolves to the document, rejects with one that is an error. */
async function rest(method, path, fields, node = url) {
  const response = await fetch(`${node}${path}`, {
    method,
    headers: { Authorization: BASIC },
    body: fields && new URLSearchParams(fields),
  });
  const body = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(body.message), body);
  return body;
}

/** Resolve to the first truthy answer of `probe`; fail naming the milestone when there is none in time. */
async function eventually(what, probe) {
  const deadline = Date.now() + MILESTONE_MS;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert.ok(Date.now() < deadline, `not within ${MILESTONE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Resolve to what the next event of that name brings. */
function next(emitter, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${MILESTONE_MS} ms`)), MILESTONE_MS);
    emitter.once(name, (payload) => {
      clearTimeout(timer);
      resolve(payload);
    });
  });
}

/** Make an API key, with which tokens are signed. */
async function apiKey() {
  const made = await rest("POST", `/2010-04-01/Accounts/${accountSid}/Keys.json`, { FriendlyName: "sdk" });
  return { sid: made.sid, secret: made.secret };
}

/** A workspace of this test's own: a queue for everybody, a workflow into it, and workers. */
class World {
  static async make(...names) {
    const world = new World();
    world.key = await apiKey();
    const workspace = await rest("POST", "/v1/Workspaces", { FriendlyName: "Desk" }, makerUrl);
    world.sid = workspace.sid;
    world.base = `/v1/Workspaces/${workspace.sid}`;
    const { activities } = await rest("GET", `${world.base}/Activities`);
    world.activities = Object.fromEntries(activities.map((each) => [each.friendly_name, each.sid]));
    world.queue = await rest("POST", `${world.base}/TaskQueues`, { FriendlyName: "Everyone" });
    const routing = { task_routing: { default_filter: { queue: world.queue.sid } } };
    world.workflow = await rest("POST", `${world.base}/Workflows`, {
      FriendlyName: "Main",
      Configuration: JSON.stringify(routing),
    });
    world.workers = {};
    for (const name of names) await world.addWorker(name);
    return world;
  }

  async addWorker(name, attributes = {}) {
    this.workers[name] = await rest("POST", `${this.base}/Workers`, {
      FriendlyName: name,
      Attributes: JSON.stringify({ contact_uri: `client:${name}`, ...attributes }),
      ActivitySid: this.activities.Offline,
    });
    return this.workers[name];
  }

  /** A token as Twilio's helper libraries make it; `claims` replaces what it says. */
  token(name, { role = "worker", ttl = 3600, claims = {} } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const grant = { workspace_sid: this.sid, role };
    if (name) grant.worker_sid = this.workers[name].sid;
    const payload = {
      jti: `${this.key.sid}-${now}`,
      iss: this.key.sid,
      sub: accountSid,
      iat: now,
      exp: now + ttl,
      grants: { identity: name, task_router: grant },
      ...claims,
    };
    const head = { alg: "HS256", typ: "JWT", cty: "twilio-fpa;v=1" };
    const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode(head)}.${encode(payload)}`;
    return `${signed}.${crypto.createHmac("sha256", this.key.secret).update(signed).digest("base64url")}`;
  }

  /** The SDK's worker, not ready yet. */
  connect(name, options = {}, token = this.token(name)) {
    const worker = new Worker(token, { ...EVENT_BRIDGE, ...options });
    open.add(worker);
    worker.on("error", (error) => (worker.lastError = error));
    return worker;
  }

  /** The SDK's worker, ready and available. */
  async available(name, options = {}, token = this.token(name)) {
    const worker = this.connect(name, { connectActivitySid: this.activities.Available, ...options }, token);
    await next(worker, "ready");
    await eventually(`${name} is available`, () => worker.activity.name === "Available");
    return worker;
  }

  supervisor(name, options = {}, role = "supervisor") {
    const supervisor = new Supervisor(this.token(name, { role }), { ...EVENT_BRIDGE, ...options });
    open.add(supervisor);
    return supervisor;
  }

  workspace(options = {}, token = this.token(null, { role: "admin" })) {
    return new Workspace(token, { ebServer: EVENT_BRIDGE.ebServer, logLevel: "silent", ...options });
  }

  /** A task for this worker alone. */
  taskFor(name, fields = {}) {
    return this.createTask({ RoutingTarget: this.workers[name].sid, ...fields });
  }

  createTask(fields = {}) {
    return rest("POST", `${this.base}/Tasks`, {
      WorkflowSid: this.workflow.sid,
      Attributes: JSON.stringify({ selected_language: "es" }),
      ...fields,
    });
  }

  task(sid) {
    return rest("GET", `${this.base}/Tasks/${sid}`);
  }
}

/** Let all workers go, so that the process can end. */
function disconnectAll() {
  for (const worker of open) worker.disconnect();
  open.clear();
}

module.exports = { EVENT_BRIDGE, World, disconnectAll, eventually, next, rest };
