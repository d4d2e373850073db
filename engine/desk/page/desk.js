// The desk put together: who works here, what the server says, what is shown, what the worker does.

import { ActivityMenu } from "./activity.js";
import { Bridge } from "./bridge.js";
import { ACTIONS } from "./card.js";
import { ServerClock } from "./clock.js";
import { count, find, write } from "./dom.js";
import { Keys } from "./keys.js";
import { Names } from "./names.js";
import { Notices } from "./notices.js";
import { Session, SignInError } from "./session.js";
import { Store } from "./store.js";
import { TransferDialog } from "./transfer.js";
import { View } from "./view.js";

const CHANNELS_AGAIN_MS = 250;
const WARN_BEFORE_MS = 300_000;
const HURRY_MS = 10_000;
const SIGN_IN_AGAIN_MS = 2_000;

const clock = new ServerClock();
const session = new Session();
const bridge = new Bridge(session, clock);
const store = new Store();
const names = new Names(bridge);
const notices = new Notices(names, clock);
const transfers = new TransferDialog(bridge, names, handOn);
const activities = new ActivityMenu(store, setActivity);
const view = new View(store, clock, names, act);
const hurried = new Set();
let connection = "connecting";
let reason = "";
let channelsTimer = 0;

// What a worker does

const STATUSES = { accept: "accepted", reject: "rejected", wrap: "wrapping", complete: "completed" };

async function act(name, reservation) {
  if (name === "transfer") return transfers.show(reservation, session.workerSid);
  const card = view.cards.get(reservation.sid);
  if (card.element.getAttribute("aria-busy") === "true") return;
  card.busy = true;
  try {
    if (name === "cancel") await takeBack(reservation);
    else {
      const url = `${bridge.worker}/Reservations/${reservation.sid}`;
      const told = await bridge.call("POST", url, { ReservationStatus: STATUSES[name] });
      notices.settled();
      store.putReservation(told);
    }
  } catch (error) {
    failed(error);
  } finally {
    card.busy = false;
  }
}

async function takeBack({ outgoing, task }) {
  const params = { TaskSid: task.sid, TransferStatus: "canceled" };
  store.putOutgoing(await bridge.call("POST", `${bridge.worker}/Transfers/${outgoing.sid}`, params));
  notices.settled();
}

async function handOn(reservation, to, mode) {
  const params = { ReservationSid: reservation.sid, TaskSid: reservation.task.sid, To: to, Mode: mode };
  try {
    store.putOutgoing(await bridge.call("POST", `${bridge.worker}/Transfers`, params));
    notices.settled();
  } catch (error) {
    if (error.status === 0) bridge.again();
    throw error;
  }
}

async function setActivity(activity, rejects) {
  const params = { ActivitySid: activity.sid, ...(rejects && { RejectPendingReservations: true }) };
  try {
    store.putWorker(await bridge.call("POST", bridge.worker, params));
    notices.settled();
  } catch (error) {
    failed(error);
  }
}

function failed(error) {
  notices.failed(error.message);
  if (error.status === 0) bridge.again();
}

/** Do something by its key: with the chosen task, or with the only one (of the offers the oldest) it can be done with. */
function press(action) {
  const all = [...store.offers, ...store.tasks];
  const fit = all.filter((each) => action.when(each));
  const focused = document.activeElement?.closest(".card")?.id;
  const chosen = fit.find((each) => each.sid === focused) ?? (fit.length === 1 || isOffered(fit) ? fit[0] : null);
  if (chosen) act(action.name, chosen);
  else notices.say(fit.length ? "Choose a task first, with j and k." : `There is nothing to ${action.about.toLowerCase()}.`);
}

const isOffered = (fit) => fit.length > 0 && fit.every((each) => each.reservation_status === "pending");

const keys = new Keys([
  ...ACTIONS.map((action) => ({ keys: [action.key], about: action.about, run: () => press(action) })),
  { keys: ["m"], about: "Activity", run: () => activities.toggle() },
  { keys: ["j", "k"], about: "Next, previous task", run: (key) => view.step(key === "j" ? 1 : -1) },
]);
keys.active = () => !find("desk").hidden && !transfers.open && !activities.open;

// What follows from what is new

function show() {
  if (!store.worker) return;
  view.update();
  activities.update();
  notices.title(store.offers, store.worker.friendly_name);
  if (transfers.open && !store.reservations.has(transfers.about)) transfers.close();
}

const showConnection = () => view.connection(connection, reason, bridge.retryInMs);

/** Read the capacities again soon: nothing tells when an offer takes or gives back some. */
function readChannelsSoon() {
  clearTimeout(channelsTimer);
  channelsTimer = setTimeout(async () => {
    try {
      if (session.token) store.replaceChannels(await bridge.list(`${bridge.worker}/WorkerChannels`));
    } catch {
      // They are read again with the next event or connection.
    }
  }, CHANNELS_AGAIN_MS);
}

/** Once a second: times, token, connection. */
function tick() {
  if (!session.token) return;
  session.tick();
  bridge.tick();
  showConnection();
  for (const card of view.cards.values()) {
    card.tick();
    const { sid, reservation_status: status, task } = card.reservation;
    if (status === "pending" && card.leftMs < HURRY_MS && card.reservation.reservation_timeout > 15 && !hurried.has(sid)) {
      hurried.add(sid);
      notices.say(`${count(Math.max(0, Math.ceil(card.leftMs / 1000)), "second")} left for ${task.queue_name}.`, true);
    }
  }
  const left = session.endsInMs;
  if (left <= 0) session.refuse("Your token has ended.");
  else if (left < WARN_BEFORE_MS && !hurried.has(session.token)) {
    hurried.add(session.token);
    notices.failed(`Your token ends in ${Math.ceil(left / 60_000)} min. Sign in with a new one before that.`);
  }
}

// Signing in and out

function begin() {
  find("sign-in").hidden = true;
  find("desk").hidden = false;
  find("work").focus();
  connection = "connecting";
  showConnection();
  bridge.start();
}

function end(message) {
  bridge.close();
  clearTimeout(channelsTimer);
  transfers.close();
  activities.close();
  store.clear();
  view.clear();
  hurried.clear();
  notices.clear();
  askToSignIn(message);
}

function askToSignIn(message) {
  find("desk").hidden = true;
  find("sign-in").hidden = false;
  const error = find("sign-in-error");
  error.hidden = !message;
  write(error, message);
  find("token").focus();
}

async function signIn() {
  const link = Session.takeLink();
  if (link && session.token) {
    bridge.close();
    end("");
  }
  await enter(link);
}

/** Sign in; without a server try until there is one. */
async function enter(link) {
  try {
    if (await session.start(link)) begin();
    else askToSignIn("");
  } catch (error) {
    if (error instanceof SignInError) return link ? stay(error) : askToSignIn(error.message);
    askToSignIn(`${error.message} Trying again…`);
    setTimeout(() => session.token || enter(link), SIGN_IN_AGAIN_MS);
  }
}

/** Go on with the sign-in that there is when a link is refused: an old one may have been opened again. */
async function stay(refused) {
  askToSignIn(refused.message);
  if (!(await session.start("").catch(() => false))) return;
  begin();
  notices.failed(`${refused.message} You are still signed in.`);
}

find("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  try {
    session.paste(find("token").value);
    find("token").value = "";
    begin();
  } catch (error) {
    askToSignIn(error.message);
  }
});
find("sign-out").addEventListener("click", () => session.signOut().catch((error) => askToSignIn(error.message)));
addEventListener("hashchange", () => /^#link=/.test(location.hash) && signIn());

session.ended = end;
// The server keeps a websocket as long as the newest token that it has seen in a call holds.
session.renewed = () => bridge.call("GET", bridge.worker).then((worker) => store.putWorker(worker), () => {});
store.changed = show;
names.learned = show;
store.happened = (kind, about) => {
  notices.happened(kind, about);
  if (kind !== "activity") readChannelsSoon();
};
bridge.event = (type, payload) => store.apply(type, payload);
bridge.ready = (state) => {
  store.replace(state);
  names.learn([state.worker]);
};
bridge.changed = (to, why) => {
  connection = to;
  if (why) reason = why;
  if (to === "online") reason = "";
  showConnection();
};
setInterval(tick, 1_000);
showConnection();
signIn();
