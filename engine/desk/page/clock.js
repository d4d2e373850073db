// The server's time, whatever this computer's clock says.
//
// Every answer has a Date in whole seconds. It was written between sending and receiving, so it bounds how far
// the clocks are apart; a few answers together narrow that to a fraction of a second. When bounds contradict each
// other, one of the clocks was set, and only the newest answer counts.

export class ServerClock {
  #low = -Infinity;
  #high = Infinity;

  /** Take in an answer: local times of sending and receiving, and its Date header. */
  observe(sentMs, receivedMs, date) {
    const told = Date.parse(date ?? "");
    if (Number.isNaN(told)) return;
    const low = told - receivedMs;
    const high = told + 1000 - sentMs;
    this.#low = Math.max(this.#low, low);
    this.#high = Math.min(this.#high, high);
    if (this.#low > this.#high) [this.#low, this.#high] = [low, high];
  }

  /** Milliseconds since the epoch at the server, rather too late than too early. */
  now() {
    return Date.now() + (Number.isFinite(this.#high) ? Math.round(this.#high) : 0);
  }
}
