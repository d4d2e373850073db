// What is said to the worker: announcements for screen readers, a list of what happened, failures, sound, title.

import { titleOf } from "./attributes.js";
import { count, find, make, write } from "./dom.js";

const NEWS_MAX = 30;
const QUIET = "pointsman.desk.quiet";
const RUNG = "pointsman.desk.rung";

/** What to say of what happened: [text, tone]. `names` gives names of SIDs. */
const WORDS = {
  offer: ({ task }) => [`New offer: ${titleOf(task)}`, "new"],
  accepted: ({ task }) => [`You have accepted ${titleOf(task)}`, "good"],
  wrapping: ({ task }) => [`You are wrapping up ${titleOf(task)}`, ""],
  completed: ({ task }) => [`Completed: ${titleOf(task)}`, "good"],
  rejected: ({ task }) => [`Rejected: ${titleOf(task)}`, ""],
  timeout: ({ task }) => [`Not answered in time: ${titleOf(task)}`, "bad"],
  canceled: ({ task }) => [`Withdrawn: ${titleOf(task)}`, "bad"],
  rescinded: ({ task }) => [`Somebody else has accepted ${titleOf(task)}`, ""],
  gone: ({ task }) => [`No longer yours: ${titleOf(task)}`, "bad"],
  activity: ({ activity_name: name }) => [`Your activity is now ${name}`, ""],
  "transfer-initiated": ({ transfer }, names) => [`Handing on to ${names.of(transfer.transfer_to)}`, ""],
  "transfer-attempt-failed": ({ transfer }, names) => [
    `Not accepted yet by ${names.of(transfer.transfer_to)}; it is offered on`,
    "",
  ],
  "transfer-completed": ({ transfer }, names) => [
    `The transfer to ${names.of(transfer.transfer_to)} was accepted`,
    "good",
  ],
  "transfer-failed": ({ transfer }, names) => [
    `Not handed on to ${names.of(transfer.transfer_to)}: ${transfer.transfer_failed_reason ?? "it failed"}`,
    "bad",
  ],
  "transfer-canceled": ({ transfer }, names) => [`You took the transfer to ${names.of(transfer.transfer_to)} back`, ""],
};

export class Notices {
  #names;
  #clock;
  #audio = null;
  #sound = find("sound");
  #page = document.title;

  constructor(names, clock) {
    this.#names = names;
    this.#clock = clock;
    this.#sound.addEventListener("click", () => this.#turn(this.#sound.getAttribute("aria-pressed") !== "true"));
    this.#sound.setAttribute("aria-pressed", String(localStorage.getItem(QUIET) === null));
    // Browsers let a page sound only after somebody has used it.
    for (const type of ["pointerdown", "keydown"]) addEventListener(type, () => this.#wake(), { once: true });
  }

  /** Say something to who cannot see the page; at once interrupts what is being read out. */
  say(text, atOnce = false) {
    write(find(atOnce ? "said-at-once" : "said-politely"), text);
  }

  /** Tell what happened. */
  happened(kind, about) {
    const words = WORDS[kind]?.(about, this.#names);
    if (!words) return;
    const [text, tone] = words;
    const seconds = kind === "offer" ? Math.round((about.date_created + about.reservation_timeout) - this.#clock.now() / 1000) : 0;
    this.say(seconds > 0 ? `${text}. ${count(seconds, "second")} to answer.` : text, kind === "offer");
    const time = new Date(this.#clock.now());
    const news = find("news");
    news.prepend(
      make(
        "li",
        { dataset: { tone } },
        make("time", { dateTime: time.toISOString() }, time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })),
        make("span", {}, text),
      ),
    );
    while (news.children.length > NEWS_MAX) news.lastChild.remove();
    find("no-news").hidden = true;
    if (kind === "offer") this.#ring(about.sid);
  }

  /** Show what went wrong until the worker has seen it; the same thing is shown once. */
  failed(text) {
    const shown = find("failures");
    for (const old of shown.children) if (old.dataset.text === text) old.remove();
    const close = make("button", { type: "button", className: "quiet" }, "Close");
    const box = make("div", { className: "failure", role: "alert", dataset: { text } }, make("p", {}, text), close);
    close.addEventListener("click", () => {
      box.remove();
      find("work").focus();
    });
    shown.prepend(box);
    while (shown.children.length > 3) shown.lastChild.remove();
  }

  /** Take away what went wrong before: something has worked since. */
  settled() {
    find("failures").replaceChildren();
  }

  /** Forget everything that was said. */
  clear() {
    this.settled();
    find("news").replaceChildren();
    find("no-news").hidden = false;
    document.title = this.#page;
  }

  /** Write the number of offers into the title. */
  title(offers, name) {
    const title = offers.length ? `(${offers.length}) ${titleOf(offers[0].task)}` : (name ?? "");
    document.title = title ? `${title} · ${this.#page}` : this.#page;
  }

  #turn(on) {
    this.#sound.setAttribute("aria-pressed", String(on));
    if (on) localStorage.removeItem(QUIET);
    else localStorage.setItem(QUIET, "1");
    if (on) this.#beep();
  }

  #wake() {
    this.#audio ??= new AudioContext();
    this.#audio.resume();
  }

  /** Sound for an offer, in one of the tabs. */
  #ring(sid) {
    if (this.#sound.getAttribute("aria-pressed") !== "true") return;
    setTimeout(() => {
      if (localStorage.getItem(RUNG) === sid) return;
      localStorage.setItem(RUNG, sid);
      this.#beep();
    }, Math.random() * 80);
  }

  #beep() {
    const audio = this.#audio;
    if (audio?.state !== "running") return;
    [660, 880].forEach((frequency, at) => {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      const from = audio.currentTime + at * 0.16;
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.0001, from);
      volume.gain.exponentialRampToValueAtTime(0.2, from + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, from + 0.15);
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + 0.16);
    });
  }
}
