// The transfer dialog: to whom a task is handed on, and whether the worker stays until somebody has it.

import { titleOf } from "./attributes.js";
import { find, make, write } from "./dom.js";

const MOST = 1_000;
const SHOWN = 50;
const MODES = [
  ["WARM", "Warm", "You keep the task until somebody has accepted; then you both have it."],
  ["COLD", "Cold", "You wrap up at once; the task waits for somebody to accept."],
];

export class TransferDialog {
  #dialog = find("transfer");
  #bridge;
  #names;
  #begin;
  #reservation = null;
  #found = { WK: [], WQ: [] };
  #ownSid = "";
  #search = make("input", { type: "search", id: "transfer-search", autocomplete: "off" });
  #choices = make("div", { className: "choices" });
  #note = make("p", { className: "hint", role: "status" });
  #error = make("p", { className: "failure", role: "alert", hidden: true });
  #title = make("p", { className: "hint" });
  #submit = make("button", { type: "submit", className: "main" }, "Transfer");
  #form;

  /** `begin` is called with a reservation, a SID and a mode; it throws what the server says. */
  constructor(bridge, names, begin) {
    this.#bridge = bridge;
    this.#names = names;
    this.#begin = begin;
    const kinds = this.#group("Hand on to", "kind", [["WK", "A worker"], ["WQ", "A queue"]], () => this.#offer());
    const modes = this.#group("How", "mode", MODES, () => {});
    const cancel = make("button", { type: "button", on: { click: () => this.close() } }, "Do not transfer");
    this.#form = make(
      "form",
      { method: "dialog", on: { submit: (event) => this.#send(event) } },
      make("h2", { id: "transfer-heading" }, "Transfer"),
      this.#title,
      kinds,
      make("label", { htmlFor: "transfer-search" }, "Find by name"),
      this.#search,
      make("fieldset", { className: "targets" }, make("legend", { className: "unseen" }, "To"), this.#choices),
      this.#note,
      modes,
      this.#error,
      make("div", { className: "actions" }, this.#submit, cancel),
    );
    this.#dialog.append(this.#form);
    this.#search.addEventListener("input", () => this.#offer());
    this.#dialog.addEventListener("close", () => (this.#reservation = null));
  }

  get open() {
    return this.#dialog.open;
  }

  /** SID of the reservation it is about; empty when it is closed. */
  get about() {
    return this.#reservation?.sid ?? "";
  }

  close() {
    this.#dialog.close();
  }

  /** Ask to whom a task goes. `ownSid` is left out. */
  async show(reservation, ownSid) {
    this.#reservation = reservation;
    this.#ownSid = ownSid;
    this.#form.reset();
    this.#error.hidden = true;
    this.#busy(false);
    write(this.#title, titleOf(reservation.task));
    this.#choices.replaceChildren();
    write(this.#note, "Looking for workers and queues…");
    this.#dialog.showModal();
    this.#search.focus();
    try {
      const { workspace } = this.#bridge;
      const [workers, queues] = await Promise.all([
        this.#bridge.list(`${workspace}/Workers`, {}, MOST),
        this.#bridge.list(`${workspace}/TaskQueues`, {}, MOST),
      ]);
      this.#found = { WK: workers.filter(({ sid }) => sid !== this.#ownSid), WQ: queues };
      this.#names.learn([...workers, ...queues]);
      this.#offer();
    } catch (error) {
      write(this.#note, "");
      this.#fail(error.message);
    }
  }

  #group(legend, name, options, changed) {
    const radios = options.map(([value, label, hint], at) =>
      make(
        "label",
        { className: "check" },
        make("input", { type: "radio", name, value, defaultChecked: at === 0, on: { change: changed } }),
        make("span", {}, label, hint ? make("span", { className: "hint" }, ` ${hint}`) : ""),
      ),
    );
    return make("fieldset", { className: options === MODES ? "" : "row" }, make("legend", {}, legend), ...radios);
  }

  #value(name) {
    return new FormData(this.#form).get(name);
  }

  #offer() {
    const words = this.#search.value.trim().toLowerCase();
    const kind = this.#value("kind");
    const chosen = this.#value("to");
    const fits = this.#found[kind]
      .filter(({ sid, friendly_name: name }) => name.toLowerCase().includes(words) || sid === this.#search.value.trim())
      .sort((a, b) => Number(b.available ?? 0) - Number(a.available ?? 0) || a.friendly_name.localeCompare(b.friendly_name));
    this.#choices.replaceChildren(...fits.slice(0, SHOWN).map((each) => this.#choice(each, each.sid === chosen)));
    const more = fits.length > SHOWN ? ` Of ${fits.length}, the first ${SHOWN} are shown: type more of the name.` : "";
    const noun = kind === "WK" ? "worker" : "queue";
    write(this.#note, fits.length === 0 ? `No ${noun} is called that.` : more.trim());
  }

  #choice({ sid, friendly_name: name, available, activity_name: activity }, checked) {
    const state = available === undefined ? null : make("span", { className: "hint" }, activity);
    const dot = available === undefined ? null : make("span", { className: "dot", "aria-hidden": "true", dataset: { available: String(available) } });
    return make(
      "label",
      { className: "check" },
      make("input", { type: "radio", name: "to", value: sid, checked }),
      dot,
      make("span", { className: "name" }, name),
      state,
    );
  }

  async #send(event) {
    event.preventDefault();
    if (this.#submit.getAttribute("aria-disabled") === "true") return;
    const to = this.#value("to");
    if (!to) return this.#fail("Choose to whom the task goes.");
    this.#busy(true);
    try {
      await this.#begin(this.#reservation, to, this.#value("mode"));
      this.close();
    } catch (error) {
      this.#fail(error.message);
    } finally {
      this.#busy(false);
    }
  }

  #busy(busy) {
    this.#submit.setAttribute("aria-disabled", String(busy));
  }

  #fail(message) {
    this.#error.hidden = false;
    write(this.#error, message);
  }
}
