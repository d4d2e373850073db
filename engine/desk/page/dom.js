// Elements without markup in strings, and times in words.

/** Make an element. `given` are properties, attributes (with a dash or for ARIA) and, under `on`, listeners. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return the element of the page with this id. */
export const find = (id) => document.getElementById(id);

/** Write text into an element, unless it stands there: what does not change is not announced again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a list's items by key, in order; elements of keys that stay are kept, and so is the focus. */
export function arrange(list, elements) {
  for (const old of [...list.children]) if (!elements.includes(old)) old.remove();
  elements.forEach((element, at) => {
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
  });
}

/** Return a duration in short words, such as 4 min. */
export function spell(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h ${Math.floor((seconds % 3600) / 60)} min` : `${Math.floor(hours / 24)} days`;
}

/** Return a time that runs out, such as 1:05 or 9 s; a second that has begun counts. */
export function countdown(milliseconds) {
  const seconds = Math.ceil(Math.max(0, milliseconds) / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Return a number with its noun, such as 1 offer. */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
