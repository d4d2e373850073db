// Attributes of a task as a person reads them.

import { make } from "./dom.js";

const TITLES = ["title", "subject", "name", "customer_name", "customerName", "from", "type"];
const DEPTH_MAX = 4;
const ROWS_MAX = 200;

/** Return the attributes as an object; text that is none is shown as it is. */
export function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : { attributes: value };
  } catch {
    return { attributes: text };
  }
}

/** Return what to call a task: the first of its attributes that names it, else its queue. */
export function titleOf(task) {
  const attributes = parsed(task.attributes);
  const found = TITLES.map((name) => attributes[name]).find((value) => typeof value === "string" && value.trim());
  return (found ?? `Task in ${task.queue_name || "no queue"}`).slice(0, 120);
}

/** Return a list of all attributes, but for the one that is the title. */
export function listed(text, title) {
  const all = [];
  walk(parsed(text), "", 0, all);
  const rows = all.filter(([name, value]) => value !== title || !TITLES.map(spaced).includes(name));
  if (rows.length === 0) return make("p", { className: "hint" }, "There is nothing more about this task.");
  const list = make("dl", { className: "attributes" });
  for (const [name, value] of rows.slice(0, ROWS_MAX)) {
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, shown(value))));
  }
  if (rows.length > ROWS_MAX) list.append(make("p", { className: "hint" }, `and ${rows.length - ROWS_MAX} more`));
  return list;
}

function walk(value, name, depth, rows) {
  const isPlain = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isPlain || depth >= DEPTH_MAX) {
    rows.push([name, value]);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    walk(inner, name ? `${name} / ${spaced(key)}` : spaced(key), depth + 1, rows);
  }
}

const spaced = (key) => key.replaceAll("_", " ");

function shown(value) {
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ") || "none";
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = value === null ? "none" : String(value);
  if (!/^https?:\/\/\S+$/.test(text)) return text || "empty";
  return make("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
}
