// The activity menu: a button that tells the present activity, and the others to choose from.

import { find, make, write } from "./dom.js";

export class ActivityMenu {
  #button = find("activity");
  #menu = find("activity-menu");
  #dot = make("span", { className: "dot", "aria-hidden": "true" });
  #name = make("span");
  #store;
  #choose;
  #rejecting = true;

  /** `choose` is called with the SID of an activity, and whether pending offers are to be rejected. */
  constructor(store, choose) {
    this.#store = store;
    this.#choose = choose;
    this.#button.append(this.#dot, make("span", { className: "unseen" }, "Activity: "), this.#name);
    this.#button.append(make("kbd", { "aria-hidden": "true" }, "m"));
    this.#button.addEventListener("click", () => this.toggle());
    this.#menu.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", ({ target }) => {
      if (this.open && !this.#menu.contains(target) && !this.#button.contains(target)) this.close();
    });
    this.#menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && relatedTarget !== this.#button && !this.#menu.contains(relatedTarget)) this.close();
    });
  }

  get open() {
    return !this.#menu.hidden;
  }

  /** Show the present activity. */
  update() {
    const { activity, worker } = this.#store;
    write(this.#name, activity?.friendly_name ?? worker?.activity_name ?? "");
    this.#dot.dataset.available = String(activity?.available ?? false);
  }

  toggle() {
    if (this.open) this.close(true);
    else this.#show();
  }

  close(back = false) {
    this.#menu.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    if (back) this.#button.focus();
  }

  #show() {
    const { activities, offers, worker } = this.#store;
    const items = activities.map((each, at) =>
      make(
        "button",
        {
          type: "button",
          role: "menuitemradio",
          tabIndex: -1,
          "aria-checked": String(each.sid === worker.activity_sid),
          on: { click: () => this.#take(each) },
        },
        make("span", { className: "dot", "aria-hidden": "true", dataset: { available: String(each.available) } }),
        make("span", {}, each.friendly_name),
        make("span", { className: "unseen" }, each.available ? ", you are offered tasks" : ", no tasks"),
        at < 9 ? make("kbd", { "aria-hidden": "true" }, String(at + 1)) : null,
      ),
    );
    if (offers.length > 0) items.push(this.#rejection());
    this.#menu.replaceChildren(...items);
    this.#menu.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    (items.find((each) => each.getAttribute("aria-checked") === "true") ?? items[0])?.focus();
  }

  #rejection() {
    const item = make(
      "button",
      { type: "button", role: "menuitemcheckbox", tabIndex: -1, className: "also", "aria-checked": String(this.#rejecting) },
      "When not available, reject pending offers",
    );
    item.addEventListener("click", () => {
      this.#rejecting = !this.#rejecting;
      item.setAttribute("aria-checked", String(this.#rejecting));
    });
    return item;
  }

  #take(activity) {
    this.close(true);
    if (activity.sid === this.#store.worker.activity_sid) return;
    this.#choose(activity, this.#rejecting && this.#store.offers.length > 0 && !activity.available);
  }

  #key(event) {
    const items = [...this.#menu.children];
    const at = items.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 };
    if (event.key in moves) items[moves[event.key] % items.length]?.focus();
    else if (event.key === "Escape") this.close(true);
    else if (event.key === "Tab") return this.close();
    else if (/^[1-9]$/.test(event.key)) items[event.key - 1]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
