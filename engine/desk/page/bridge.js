// The event bridge: calls, the websocket, and what was missed while it was closed.
//
// After every (re)connect the whole state is read; events that come meanwhile wait for it. The server sends at least
// a blank frame every 15 s, so silence means that the connection is gone, whatever the browser believes.

const PATH = "v1/wschannels";
const CALL_MS = 15_000;
const SILENCE_MS = 30_000;
const OPENING_MS = 15_000;
const PAUSE_MIN_MS = 400;
const PAUSE_MAX_MS = 8_000;
const PAGE = 1_000;

/** A call that was refused (`status` 400 and above), or whose outcome is not known (`status` 0). */
export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Bridge {
  /** Called with the worker's whole state: at the beginning, and after each reconnect. */
  ready = () => {};
  /** Called with type and payload of an event. */
  event = () => {};
  /** Called with online, connecting or lost, and why. */
  changed = () => {};
  #session;
  #clock;
  #socket = null;
  #waiting = null;
  #heardMs = 0;
  #attempts = 0;
  #retry = 0;
  #retryAtMs = Infinity;
  #open = false;

  constructor(session, clock) {
    this.#session = session;
    this.#clock = clock;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
  }

  get workspace() {
    return `Workspaces/${this.#session.workspaceSid}`;
  }

  get worker() {
    return `${this.workspace}/Workers/${this.#session.workerSid}`;
  }

  /** Milliseconds until the next attempt to connect; 0 while one is under way. */
  get retryInMs() {
    return Number.isFinite(this.#retryAtMs) ? Math.max(0, this.#retryAtMs - Date.now()) : 0;
  }

  /** Connect and stay connected until `close`. */
  start() {
    this.#open = true;
    this.#attempts = 0;
    this.#connect();
  }

  /** Close, and do not come back. */
  close() {
    this.#open = false;
    clearTimeout(this.#retry);
    this.#drop();
  }

  /** Look whether the server is still heard; called every second. */
  tick() {
    const patience = this.#waiting === null && this.#socket ? SILENCE_MS : OPENING_MS + CALL_MS;
    if (this.#socket && Date.now() - this.#heardMs > patience) this.#lose("The server is not heard.");
  }

  /** Make a call. Returns its payload. Throws CallError. */
  async call(method, url, params = {}, token = this.#session.token) {
    const answer = await this.#send(method, url, params, token);
    if (answer.status !== 401 || !(await this.#session.renew())) return this.#payload(answer);
    return this.#payload(await this.#send(method, url, params, this.#session.token));
  }

  /** Read a list, page by page. */
  async list(url, params = {}, most = Infinity, token = undefined) {
    const found = [];
    let after = null;
    do {
      const page = await this.call("GET", url, { ...params, PageSize: PAGE, ...(after && { AfterSid: after }) }, token);
      found.push(...page.contents);
      after = page.after_sid;
    } while (after && found.length < most);
    return found;
  }

  async #send(method, url, params, token) {
    const sentMs = Date.now();
    let response;
    try {
      response = await fetch(PATH, {
        method: "POST",
        headers: { "Content-Type": "text/plain;charset=UTF-8" },
        body: JSON.stringify({ url, method, params, token }),
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(CALL_MS),
      });
    } catch {
      throw new CallError("The server does not answer. It is not known whether this was done.", 0);
    }
    this.#clock.observe(sentMs, Date.now(), response.headers.get("Date"));
    return { status: response.status, body: await response.json().catch(() => ({})) };
  }

  #payload({ status, body }) {
    if (status < 300 && body.payload !== undefined) return body.payload;
    // A sign-in tells by itself when it has ended; here it may only be that its server was not reached.
    if (status === 401 && !this.#session.kept) this.#session.refuse(body.message ?? "Your token does not hold any more.");
    throw new CallError(body.message ?? `The server answered ${status}.`, status);
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#retryAtMs = Infinity;
    if (!this.#open) return;
    this.changed("connecting", "");
    const { token } = this.#session;
    const url = new URL(PATH, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ token, closeExistingSessions: "false", clientVersion: "desk" });
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#waiting = [];
    this.#heardMs = Date.now();
    socket.onmessage = ({ data }) => this.#take(socket, token, data);
    socket.onclose = ({ reason }) => socket === this.#socket && this.#lose(reason);
  }

  #take(socket, token, text) {
    if (socket !== this.#socket) return;
    this.#heardMs = Date.now();
    if (!text.trim()) return;
    const { event_type: type, payload } = JSON.parse(text);
    if (type === "init") this.#read(socket, token);
    else if (this.#waiting) this.#waiting.push([type, payload]);
    else this.event(type, payload);
  }

  async #read(socket, token) {
    try {
      const [worker, activities, channels, reservations] = await Promise.all([
        this.call("GET", this.worker, {}, token),
        this.list(`${this.workspace}/Activities`, {}, Infinity, token),
        this.list(`${this.worker}/WorkerChannels`, {}, Infinity, token),
        this.list(`${this.worker}/Reservations`, { Active: "true" }, Infinity, token),
      ]);
      if (socket !== this.#socket) return;
      const missed = this.#waiting;
      this.#waiting = null;
      this.#attempts = 0;
      this.ready({ worker, activities, channels, reservations });
      for (const each of missed) this.event(...each);
      this.changed("online", "");
    } catch (error) {
      if (socket === this.#socket) this.#lose(error.message);
    }
  }

  /** Go through a lost connection: find out whether the token is the reason, and come back later. */
  async #lose(why) {
    const began = this.#waiting !== null;
    this.#drop();
    if (!this.#open) return;
    const pause = Math.min(PAUSE_MIN_MS * 2 ** this.#attempts++, PAUSE_MAX_MS) * (0.5 + Math.random());
    this.#retryAtMs = Date.now() + pause;
    this.#retry = setTimeout(() => this.#connect(), pause);
    this.changed("lost", why);
    if (began) await this.#ask();
  }

  /** Browsers do not tell why an upgrade was refused; a call does. */
  async #ask() {
    try {
      await this.call("GET", this.worker);
    } catch (error) {
      if (error.status === 403 || error.status === 404) this.#session.refuse(`You cannot work here: ${error.message}`);
    }
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#waiting = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #hurry() {
    if (!this.#open) return;
    if (!this.#socket) this.#connect();
    else if (Date.now() - this.#heardMs > SILENCE_MS) this.#lose("The computer slept.");
  }

  /** Read everything again, because it is not known what the server has done. */
  again() {
    if (this.#open && this.#socket && !this.#waiting) this.#lose("Reading everything again.");
  }
}
