// Keys: one letter for each thing that can be done. They can be turned off, because speech input types letters too.

import { find, make } from "./dom.js";

const OFF = "pointsman.desk.keys-off";
const TYPING = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";

export class Keys {
  #commands;
  #on = find("keys-on");
  /** Tells whether keys mean something now. */
  active = () => true;

  /** `commands` are `{keys, about, run}`; the first of the keys is what `event.key` says. */
  constructor(commands) {
    this.#commands = commands;
    this.#on.checked = localStorage.getItem(OFF) === null;
    this.#show();
    this.#on.addEventListener("change", () => {
      if (this.#on.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
      this.#show();
    });
    find("keys").append(
      ...commands.map(({ keys, about }) =>
        make("div", {}, make("dt", {}, ...keys.map((key) => make("kbd", {}, SHOWN[key] ?? key))), make("dd", {}, about)),
      ),
    );
    document.addEventListener("keydown", (event) => this.#press(event));
  }

  #show() {
    document.body.classList.toggle("keyless", !this.#on.checked);
  }

  #press(event) {
    if (!this.#on.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.defaultPrevented || event.target.closest?.(TYPING) || !this.active()) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const command = this.#commands.find(({ keys }) => keys.includes(key));
    if (!command) return;
    event.preventDefault();
    command.run(key);
  }
}

const SHOWN = { ArrowDown: "↓", ArrowUp: "↑" };
