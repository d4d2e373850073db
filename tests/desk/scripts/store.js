// Steps in an odd order, and what the store makes of them: [reservations, status, task version, transfer, told].
async () => {
  const { Store } = await import("/desk/store.js");
  const task = { sid: "WT1", version: 0, attributes: "{}" };
  const offer = { sid: "WR1", version: 0, reservation_status: "pending", reservation_timeout: 9, task };
  const transfer = { sid: "TT1", initiating_reservation_sid: "WR1", transfer_status: "initiated" };
  const worker = { sid: "WK1", version: 1, activity_sid: "WA1" };
  const flat = { sid: "WR1", version: 1, reservation_status: "accepted" };
  const accepted = { ...offer, ...flat, task: { ...task, version: 1 } };
  const state = (reservations) => ({ worker, activities: [], channels: [], reservations });
  const after = (...steps) => {
    const [store, told] = [new Store(), []];
    store.happened = (kind) => told.push(kind);
    for (const step of steps) step(store);
    const [only] = store.reservations.values();
    return [store.reservations.size, only?.reservation_status, only?.task.version, only?.outgoing?.transfer_status, told];
  };
  const event = (type, payload) => (store) => store.apply(type, payload);
  const read = (...reservations) => (store) => store.replace(state(reservations));
  return {
    answer_then_event: after(read(offer), (s) => s.putReservation(flat), event("reservation.accepted", accepted)),
    event_then_answer: after(read(offer), event("reservation.accepted", accepted), (s) => s.putReservation(flat)),
    late_offer: after(read(accepted), event("reservation.created", offer)),
    late_end: after(read(), event("reservation.canceled", { ...offer, version: 1, reservation_status: "canceled" })),
    old_task: after(read(accepted), event("task.updated", task)),
    transfer_over_meanwhile: after(read({ ...accepted, active_outgoing_task_transfer: transfer }), read(accepted)),
    transfer_known_over: after(
      read(accepted),
      event("task.transfer-initiated", transfer),
      event("task.transfer-failed", { ...transfer, transfer_status: "failed" }),
      (s) => s.putOutgoing(transfer),
      read(accepted),
    ),
    gone_meanwhile: after(read(offer), read()),
  };
}
