// Who works here: a one-time link, a sign-in that the browser keeps as a cookie, or a token that was pasted.

const PASTED = "pointsman.desk.token";
const RETRY_MS = 5_000;
const BUSY_MS = 15_000;

/** What is wrong with signing in; the message is for the worker. */
export class SignInError extends Error {}

/** Ask the daemon for something of the sign-in. Returns null when nobody is signed in. */
async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(BUSY_MS),
    });
  } catch {
    throw new TypeError("The server does not answer.");
  }
  if (answer.status === 204) return null;
  const document = await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  const said = document.message ?? `The server answered ${answer.status}.`;
  throw answer.status < 500 && answer.status !== 429 ? new SignInError(said) : new TypeError(said);
}

/** Return what a token says of itself, as far as it can be read. */
function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
    return { grant: claims.grants?.task_router ?? {}, expiresMs: claims.exp * 1000 };
  } catch {
    return { grant: {}, expiresMs: NaN };
  }
}

export class Session {
  token = "";
  workspaceSid = "";
  workerSid = "";
  /** Whether the token is renewed by itself. */
  kept = false;
  /** Called with a message when the sign-in is over. */
  ended = () => {};
  /** Called when there is a new token. */
  renewed = () => {};
  #renewAtMs = Infinity;
  #endsAtMs = Infinity;
  #renewing = null;
  #tabs = new BroadcastChannel("pointsman-desk");

  constructor() {
    this.#tabs.addEventListener("message", ({ data }) => {
      if (!this.kept) return;
      if (data.kind === "signed-out") this.#end("You signed out in another tab.");
      else if (data.worker !== this.workerSid) location.reload();
    });
  }

  /** Take the one-time link out of the address, where it must not stay. Returns it, or an empty text. */
  static takeLink() {
    const link = /^#link=(.+)$/.exec(location.hash)?.[1] ?? "";
    if (link) history.replaceState(null, "", location.pathname + location.search);
    return link;
  }

  /** Sign in by whatever there is. Returns whether it worked. Throws SignInError, or TypeError without a server. */
  async start(link) {
    if (link) {
      sessionStorage.removeItem(PASTED);
      this.#keep(await ask("desk/session", { Link: link }));
      this.#tabs.postMessage({ kind: "signed-in", worker: this.workerSid });
      return true;
    }
    const pasted = sessionStorage.getItem(PASTED);
    if (pasted) {
      this.paste(pasted);
      return true;
    }
    const given = await ask("desk/token");
    if (given) this.#keep(given);
    return given !== null;
  }

  /** Sign in with a token. Throws SignInError when it cannot be one. */
  paste(text) {
    const token = text.trim();
    const { grant, expiresMs } = claimsOf(token);
    if (!grant.worker_sid) throw new SignInError("This is not an access token of a worker.");
    sessionStorage.setItem(PASTED, token);
    Object.assign(this, { token, workspaceSid: grant.workspace_sid, workerSid: grant.worker_sid, kept: false });
    this.#endsAtMs = expiresMs;
    this.#renewAtMs = Infinity;
  }

  /** Renew the token when it is time; called every second, so that it happens after a sleep too. */
  tick() {
    if (this.token && Date.now() >= this.#renewAtMs) this.renew();
  }

  /** Milliseconds until a pasted token ends, by this computer's clock; Infinity when it is renewed by itself. */
  get endsInMs() {
    return this.kept ? Infinity : this.#endsAtMs - Date.now();
  }

  /** Get a new token; calls share one request. Returns whether there is one. */
  async renew() {
    if (!this.kept) return false;
    this.#renewing ??= this.#renewOnce().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renewOnce() {
    this.#renewAtMs = Date.now() + RETRY_MS;
    try {
      const given = await ask("desk/token");
      if (!this.kept) return false;
      if (!given) {
        this.#end("Your sign-in has ended. Ask for a new link.");
        return false;
      }
      if (given.worker_sid !== this.workerSid) location.reload();
      this.#keep(given);
      this.renewed();
      return true;
    } catch (error) {
      if (error instanceof SignInError) this.#end(error.message);
      return false;
    }
  }

  #keep(given) {
    this.token = given.token;
    this.workspaceSid = given.workspace_sid;
    this.workerSid = given.worker_sid;
    this.kept = true;
    this.#renewAtMs = Date.now() + (given.token_lifetime_ms * 2) / 3;
  }

  /** Sign out, here and in the other tabs. */
  async signOut() {
    const kept = this.kept;
    this.#end("");
    if (!kept) return;
    this.#tabs.postMessage({ kind: "signed-out" });
    await ask("desk/sign-out");
  }

  /** Give the token up because the server refuses it. */
  refuse(message) {
    if (this.token) this.#end(message);
  }

  #end(message) {
    sessionStorage.removeItem(PASTED);
    this.token = "";
    this.kept = false;
    this.#renewAtMs = this.#endsAtMs = Infinity;
    this.ended(message);
  }
}
