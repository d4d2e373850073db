// What the worker has: activity, channels, reservations with their tasks, transfers under way.
//
// Everything that comes in carries a version, and an older one never replaces a newer one: the answer to a call, the
// event that follows it and a list that was read meanwhile may come in any order.

const ENDED = new Set(["rejected", "timeout", "canceled", "rescinded", "completed"]);
const OVER = new Set(["complete", "failed", "canceled"]);

export class Store {
  worker = null;
  activities = [];
  channels = new Map();
  /** Open reservations by SID. `outgoing` is the transfer that the worker has begun from one, `incoming` the one it
   * came by. */
  reservations = new Map();
  /** Called when anything is different. */
  changed = () => {};
  /** Called with a kind and what it is about, for what a person wants to hear of. */
  happened = () => {};

  get offers() {
    return this.#sorted((each) => each.reservation_status === "pending");
  }

  get tasks() {
    return this.#sorted((each) => each.reservation_status !== "pending");
  }

  get activity() {
    return this.activities.find((each) => each.sid === this.worker?.activity_sid);
  }

  /** Forget everything: another worker may sign in. */
  clear() {
    this.worker = null;
    this.activities = [];
    this.channels = new Map();
    this.reservations = new Map();
  }

  /** Take the whole state in, and tell what is different from what was known. */
  replace({ worker, activities, channels, reservations }) {
    const first = this.worker === null;
    const before = this.reservations;
    this.worker = worker;
    this.activities = activities;
    this.replaceChannels(channels);
    this.reservations = new Map(reservations.map((each) => [each.sid, listed(each, before.get(each.sid))]));
    for (const each of this.reservations.values()) {
      const isNew = !before.has(each.sid);
      if (isNew && each.reservation_status === "pending") this.happened("offer", each);
    }
    if (!first) for (const old of before.values()) if (!this.reservations.has(old.sid)) this.happened("gone", old);
    this.changed();
  }

  replaceChannels(channels) {
    this.channels = new Map(channels.map((each) => [each.sid, each]));
    this.changed();
  }

  /** Take an event in. */
  apply(type, payload) {
    const [subject, what] = [type.slice(0, type.indexOf(".")), type.slice(type.indexOf(".") + 1)];
    if (subject === "reservation" && payload.reservation_status) this.putReservation(payload);
    else if (what.startsWith("transfer-")) this.#putTransfer(what.slice("transfer-".length), payload);
    else if (subject === "task") this.putTask(payload);
    else if (what.startsWith("capacity") || what.startsWith("channel")) this.#putChannel(payload);
    else if (subject === "worker") this.putWorker(payload);
  }

  putWorker(worker) {
    if (this.worker && Number(worker.version) < Number(this.worker.version)) return;
    const moved = this.worker && worker.activity_sid !== this.worker.activity_sid;
    this.worker = worker;
    if (moved) this.happened("activity", worker);
    this.changed();
  }

  /** Take a reservation in, from an event, or from the answer to a call, which is without its task. */
  putReservation(told) {
    const known = this.reservations.get(told.sid);
    const over = ENDED.has(told.reservation_status);
    if (!known && (over || !told.task)) return;
    if (known && Number(told.version) < Number(known.version)) return;
    const reservation = taken(told, known);
    const moved = known?.reservation_status !== told.reservation_status;
    if (over) this.reservations.delete(told.sid);
    else this.reservations.set(told.sid, reservation);
    if (!known) this.happened("offer", reservation);
    else if (moved) this.happened(told.reservation_status, reservation);
    this.changed();
  }

  putTask(task) {
    for (const each of this.reservations.values()) {
      if (each.task.sid === task.sid && Number(task.version) >= Number(each.task.version)) each.task = task;
    }
    this.changed();
  }

  /** Take in a transfer that the worker has begun, from the answer to the call that began it. */
  putOutgoing(transfer) {
    const reservation = this.reservations.get(transfer.initiating_reservation_sid);
    const known = reservation?.outgoing;
    if (!reservation || (known?.sid === transfer.sid && OVER.has(known.transfer_status))) return;
    reservation.outgoing = transfer;
    this.changed();
  }

  #putTransfer(what, transfer) {
    const reservation = this.reservations.get(transfer.initiating_reservation_sid);
    if (reservation) reservation.outgoing = transfer;
    this.happened(`transfer-${what}`, { transfer, reservation });
    this.changed();
  }

  #putChannel(channel) {
    this.channels.set(channel.sid, channel);
    this.changed();
  }

  #sorted(keep) {
    return [...this.reservations.values()].filter(keep).sort((a, b) => (a.sid < b.sid ? -1 : 1));
  }
}

/** Return a reservation from a list, which has every transfer that is not over. */
function listed(told, known) {
  const outgoing = told.active_outgoing_task_transfer ?? (OVER.has(known?.outgoing?.transfer_status) ? known.outgoing : undefined);
  return { ...taken(told, known), outgoing };
}

/** Return a reservation with what its message did not have, because it was told before. */
function taken(told, known) {
  const newer = known && told.task && Number(known.task.version) > Number(told.task.version);
  return {
    ...told,
    reservation_timeout: told.reservation_timeout ?? known?.reservation_timeout,
    task: newer ? known.task : (told.task ?? known?.task),
    incoming: told.task_transfer ?? known?.incoming,
    outgoing: told.active_outgoing_task_transfer ?? known?.outgoing,
  };
}
