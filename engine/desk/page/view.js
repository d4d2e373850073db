// What is shown: offers and tasks as cards that stay as long as they are there, capacity, connection.

import { Card } from "./card.js";
import { arrange, find, make, write } from "./dom.js";

const SLOTS_MAX = 12;
const CONNECTION = { online: "Connected", connecting: "Connecting…", lost: "Not connected" };

export class View {
  /** The cards by SID of their reservation. */
  cards = new Map();
  #store;
  #clock;
  #names;
  #act;

  /** `act` is called with an action's name and a reservation. */
  constructor(store, clock, names, act) {
    this.#store = store;
    this.#clock = clock;
    this.#names = names;
    this.#act = act;
  }

  /** Show the worker's state as it is now. */
  update() {
    const { offers, tasks, worker, activity, reservations } = this.#store;
    write(find("worker-name"), worker.friendly_name);
    const focused = document.activeElement?.closest(".card");
    const order = [...this.cards.keys()];
    for (const sid of order) if (!reservations.has(sid)) this.cards.delete(sid);
    for (const each of [...offers, ...tasks]) {
      const card = this.cards.get(each.sid);
      if (!card) this.cards.set(each.sid, new Card(each, this.#clock, this.#names, this.#act));
      else if (card.update(each)) card.element.focus();
    }
    const list = focused?.parentElement;
    this.#arrange("offers", offers);
    this.#arrange("tasks", tasks);
    if (focused && focused.parentElement !== list) this.#refocus(focused, order);
    write(find("no-offers"), activity?.available ? "Waiting for the next offer." : "You get no offers in this activity.");
    find("no-offers").hidden = offers.length > 0;
    find("no-tasks").hidden = tasks.length > 0;
    this.#showChannels();
  }

  /** Take everything away. */
  clear() {
    this.cards.clear();
    this.#arrange("offers", []);
    this.#arrange("tasks", []);
    write(find("worker-name"), "Worker desk");
  }

  /** Move the focus to the next or previous task. */
  step(by) {
    const all = [...document.querySelectorAll(".card")];
    const at = all.indexOf(document.activeElement?.closest(".card"));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
    all[next]?.focus();
  }

  /** Show how the connection is, why, and when the next attempt is made. */
  connection(how, why, retryInMs) {
    write(find("connection"), CONNECTION[how]);
    find("desk").dataset.connection = how;
    const lost = find("lost");
    lost.hidden = how === "online" || !this.#store.worker;
    if (lost.hidden) return;
    const again = retryInMs > 0 ? ` Trying again in ${Math.ceil(retryInMs / 1000)} s.` : " Connecting…";
    write(lost, `The connection is lost${why ? ` (${why})` : ""}; what you see may be old.${again}`);
  }

  #arrange(list, reservations) {
    arrange(
      find(list),
      reservations.map(({ sid }) => this.cards.get(sid).element),
    );
  }

  /** Keep the focus on a card that moved; from one that is gone it goes to its neighbour. */
  #refocus(element, order) {
    const at = order.indexOf(element.id);
    const near = [element.id, ...order.slice(at + 1), ...order.slice(0, at).reverse()].find((sid) => this.cards.has(sid));
    (near ? this.cards.get(near).element : find("work")).focus();
  }

  #showChannels() {
    const rows = [...this.#store.channels.values()].filter((each) => each.configured_capacity > 0 || each.assigned_tasks > 0);
    find("channels").replaceChildren(...rows.map(channelRow));
  }
}

function channelRow({ task_channel_unique_name: name, configured_capacity: all, available, available_capacity_percentage: free }) {
  const used = Math.round((all * (100 - free)) / 100);
  const slots = make("span", { className: "slots", "aria-hidden": "true" });
  for (let at = 0; at < Math.min(all, SLOTS_MAX); at++) {
    slots.append(make("span", { dataset: { used: String(at < Math.ceil((used * Math.min(all, SLOTS_MAX)) / all)) } }));
  }
  const text = available ? `${used} of ${all} in use` : "turned off";
  return make("li", {}, make("span", { className: "name" }, name), make("span", { className: "hint" }, text), slots);
}
