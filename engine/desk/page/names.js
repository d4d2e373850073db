// Names of workers and queues, which events tell by SID only.

const KINDS = { WK: "Workers", WQ: "TaskQueues" };

export class Names {
  #bridge;
  #known = new Map();
  /** Called when a name has become known. */
  learned = () => {};

  constructor(bridge) {
    this.#bridge = bridge;
  }

  /** Take names in from what was read anyway. */
  learn(items) {
    for (const { sid, friendly_name: name } of items) this.#known.set(sid, name);
  }

  /** Return the name, or for now the SID; then it is asked for. */
  of(sid) {
    if (!this.#known.has(sid)) this.#ask(sid);
    return this.#known.get(sid);
  }

  async #ask(sid) {
    this.#known.set(sid, sid);
    const kind = KINDS[sid.slice(0, 2)];
    if (!kind) return;
    try {
      this.learn([await this.#bridge.call("GET", `${this.#bridge.workspace}/${kind}/${sid}`)]);
      this.learned();
    } catch {
      // The SID stands there, which names it too.
    }
  }
}
