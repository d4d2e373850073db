"use strict";
// What the test files share: the official client with another base URL, and ways to list and to wait.

const assert = require("node:assert/strict");
const twilio = require("twilio");

const { TASKROUTER_URL: url, ACCOUNT_SID: accountSid, AUTH_TOKEN: authToken } = process.env;
const MILESTONE_MS = 15_000;
const POLL_MS = 10;

/** Return a client of the daemon, unmodified but for the base URL. */
function connect(username = accountSid, password = authToken, options = {}) {
  const client = twilio(username, password, options);
  client.taskrouter.baseUrl = url;
  client.api.baseUrl = url;
  return client;
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

const sidOf = (item) => item.sid ?? item.taskQueueSid;

/** List in every way the client has; each must find these SIDs in this order (null: any, but the same). */
async function listed(resource, expected, filters = {}) {
  const items = await resource.list(filters);
  const sids = items.map(sidOf);
  assert.deepEqual(sids, expected ?? sids, JSON.stringify(filters));
  assert.ok(expected || sids.length, "nothing is listed");
  const list = async (options) => (await resource.list({ ...filters, ...options })).map(sidOf);
  assert.deepEqual(await list({ limit: 5_000 }), sids);
  assert.deepEqual(await list({ limit: 1 }), sids.slice(0, 1));
  assert.deepEqual(await list({ pageSize: 1 }), sids);
  assert.deepEqual(await streamed(resource, { ...filters, pageSize: 1 }), sids);
  assert.deepEqual(await paged(resource, filters), sids);
  return items;
}

async function streamed(resource, filters) {
  const found = [];
  await new Promise((resolve, reject) => {
    resource.each({
      ...filters,
      callback: (item) => found.push(sidOf(item)),
      done: (error) => (error ? reject(error) : resolve()),
    });
  });
  return found;
}

/** Walk over pages of one item: by URL, by token, and by the page itself, forth and back. */
async function paged(resource, filters) {
  let page = await resource.page({ ...filters, pageSize: 1 });
  const found = page.instances.map(sidOf);
  while (page.nextPageUrl) {
    const query = new URL(page.nextPageUrl).searchParams;
    const token = { pageToken: query.get("PageToken"), pageNumber: Number(query.get("Page")) };
    const [byUrl, byToken, next] = await Promise.all([
      resource.getPage(page.nextPageUrl),
      resource.page({ ...filters, pageSize: 1, ...token }),
      page.nextPage(),
    ]);
    const step = next.instances.map(sidOf);
    assert.deepEqual(byUrl.instances.map(sidOf), step);
    assert.deepEqual(byToken.instances.map(sidOf), step);
    assert.deepEqual((await next.previousPage()).instances.map(sidOf), page.instances.map(sidOf));
    found.push(...step);
    page = next;
  }
  return found;
}

module.exports = { accountSid, authToken, connect, eventually, listed, twilio, url };
