// One reservation on the page: a task, what it is about, what can be done, how long there is time.

import { listed, titleOf } from "./attributes.js";
import { countdown, make, spell, write } from "./dom.js";

const STATUS = { pending: "Offer", accepted: "In work", wrapping: "Wrapping up" };
const URGENT_MS = 6_000;

/** What can be done with a reservation: name, label, key, and when. */
export const ACTIONS = [
  { name: "accept", label: "Accept", key: "a", about: "Accept the offer", main: true, when: isOffer },
  { name: "reject", label: "Reject", key: "r", about: "Reject the offer", when: isOffer },
  { name: "wrap", label: "Wrap up", key: "w", about: "Wrap up", when: (each) => isAccepted(each) && !underWay(each) },
  {
    name: "complete",
    label: "Complete",
    key: "c",
    about: "Complete",
    main: true,
    when: (each) => each.reservation_status === "wrapping" || (isAccepted(each) && !underWay(each)),
  },
  { name: "transfer", label: "Transfer…", key: "t", about: "Transfer", when: (each) => isAccepted(each) && !underWay(each) },
  { name: "cancel", label: "Cancel transfer", key: "x", about: "Cancel the transfer", when: underWay },
];

function isOffer({ reservation_status: status }) {
  return status === "pending";
}

function isAccepted({ reservation_status: status }) {
  return status === "accepted";
}

/** Whether a transfer that the worker has begun is not over. */
export function underWay({ outgoing }) {
  return outgoing?.transfer_status === "initiated";
}

/** The page's element for a reservation; it stays the same as long as the reservation is there. */
export class Card {
  /** `act` is called with an action's name, the reservation and the button. */
  constructor(reservation, clock, names, act) {
    this.reservation = reservation;
    this.#clock = clock;
    this.#names = names;
    const { sid } = reservation;
    this.#title = make("h3", { id: `${sid}-title` });
    this.#status = make("span", { className: "badge" });
    this.#facts = make("p", { className: "facts" });
    this.#origin = make("p", { className: "origin", hidden: true });
    this.#details = make("div", { className: "details" });
    this.#transfer = make("p", { className: "under-way", hidden: true });
    this.#bar = make("div", { className: "bar" });
    this.#left = make("strong", { role: "timer", "aria-label": "Time to answer" });
    this.#timer = make("div", { className: "timer", hidden: true }, this.#left, make("div", { className: "track" }, this.#bar));
    this.#buttons = new Map(ACTIONS.map((action) => [action, this.#button(action, act)]));
    this.element = make(
      "li",
      { className: "card", tabIndex: -1, id: sid, "aria-labelledby": `${sid}-title` },
      make("div", { className: "heading" }, this.#title, this.#status),
      this.#facts,
      this.#origin,
      this.#timer,
      this.#transfer,
      this.#details,
      make("div", { className: "actions" }, ...this.#buttons.values()),
    );
    this.update(reservation);
  }

  #clock;
  #names;
  #title;
  #status;
  #facts;
  #origin;
  #details;
  #transfer;
  #bar;
  #left;
  #timer;
  #buttons;
  #shown;
  #busy = false;

  #button(action, act) {
    return make(
      "button",
      {
        type: "button",
        className: action.main ? "main" : "",
        "aria-keyshortcuts": action.key,
        "aria-describedby": `${this.reservation.sid}-title`,
        dataset: { action: action.name },
        on: { click: ({ currentTarget }) => act(action.name, this.reservation, currentTarget) },
      },
      action.label,
      make("kbd", { "aria-hidden": "true" }, action.key),
    );
  }

  /** Milliseconds left to answer an offer, rather too few than too many. */
  get leftMs() {
    const { date_created: created, reservation_timeout: timeout } = this.reservation;
    return (created + timeout) * 1000 - this.#clock.now();
  }

  /** Take in what is different. Returns whether the focus was on something that is gone. */
  update(reservation) {
    this.reservation = reservation;
    const { task, reservation_status: status, incoming } = reservation;
    write(this.#title, titleOf(task));
    write(this.#status, STATUS[status]);
    this.element.dataset.status = status;
    this.#origin.hidden = !incoming || status !== "pending";
    if (!this.#origin.hidden) write(this.#origin, `Handed on by ${this.#names.of(incoming.initiating_worker_sid)}`);
    if (this.#shown !== task.attributes) {
      this.#shown = task.attributes;
      this.#details.replaceChildren(listed(task.attributes, titleOf(task)));
    }
    this.#timer.hidden = status !== "pending";
    this.#showTransfer();
    this.tick();
    return this.#showButtons();
  }

  /** Show that something is being done, and let nothing else be done meanwhile. */
  set busy(busy) {
    this.#busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    this.#showButtons();
  }

  /** Write the times anew. */
  tick() {
    const { task, reservation_status: status } = this.reservation;
    const age = spell(this.#clock.now() - task.date_created * 1000);
    const parts = [task.queue_name, task.task_channel_unique_name, `priority ${task.priority}`, `${age} old`];
    write(this.#facts, parts.filter(Boolean).join(" · "));
    if (status !== "pending") return;
    const left = Math.max(0, this.leftMs);
    write(this.#left, left > 0 ? countdown(left) : "Time is over");
    this.#timer.classList.toggle("urgent", left < URGENT_MS);
    this.#bar.style.setProperty("--left", String(Math.min(1, left / (this.reservation.reservation_timeout * 1000))));
  }

  #showTransfer() {
    const { outgoing } = this.reservation;
    this.#transfer.hidden = !outgoing;
    if (!outgoing) return;
    const whom = this.#names.of(outgoing.transfer_to);
    const mode = outgoing.transfer_mode.toLowerCase();
    const text = {
      initiated: `Handing on to ${whom} (${mode}): nobody has accepted yet…`,
      complete: `Handed on to ${whom} (${mode}): accepted.`,
      failed: `Not handed on to ${whom}. ${outgoing.transfer_failed_reason ?? ""}`.trim(),
      canceled: `You took the transfer to ${whom} back.`,
    }[outgoing.transfer_status];
    this.#transfer.dataset.status = outgoing.transfer_status;
    write(this.#transfer, text);
  }

  #showButtons() {
    const focused = document.activeElement;
    let lost = false;
    for (const [action, button] of this.#buttons) {
      const applies = action.when(this.reservation);
      lost ||= !applies && button === focused;
      button.hidden = !applies;
      // Not `disabled`, which would take the focus away from whoever has just pressed it.
      button.setAttribute("aria-disabled", String(this.#busy));
    }
    return lost;
  }
}
