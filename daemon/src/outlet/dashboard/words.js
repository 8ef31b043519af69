// Elements, numbers and times, as every part of the page writes them. Knows nothing of the API.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; texts stay text, whatever they hold. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same within a picture. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Makes `parent` look as if it had just these children, and touches what is the same already as little as
 * can be: focus, selection, scrolling and what was opened stay. */
export function morph(parent, nodes) {
  const focused = document.activeElement?.dataset?.key;
  change(parent, nodes);
  if (focused && document.activeElement?.dataset?.key !== focused) {
    parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}

function change(parent, nodes) {
  const byKey = new Map();
  for (const child of parent.childNodes) if (child.dataset?.key) byKey.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const node of nodes.map((node) => (typeof node === "string" ? document.createTextNode(node) : node))) {
    const wanted = node.dataset?.key;
    const found = wanted ? byKey.get(wanted) : at;
    if (found && isLike(found, node)) {
      if (found === at) at = at.nextSibling;
      else parent.insertBefore(found, at);
      sync(found, node);
    } else {
      parent.insertBefore(node, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function isLike(one, other) {
  return one.nodeName === other.nodeName && (one.dataset?.key ?? "") === (other.dataset?.key ?? "");
}

function sync(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // What the reader has opened stays open.
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  change(old, [...fresh.childNodes]);
}

/** The reader's time zone, by name. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const hm = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const hms = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const zoned = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
const dayed = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** A number of things: `1,234`, small ones with a tenth. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) < 10 ? fine.format(value) : whole.format(value);
}

/** A number where there is little room: `12.3K`. */
export const compact = (value) => (Math.abs(value) < 10000 ? count(value) : short.format(value));

/** `97 %`; what is not whole is never shown as 100. */
export function percent(fraction) {
  const rounded = Math.round(fraction * 100);
  return `${fraction < 1 && rounded === 100 ? "> 99" : rounded}\u00a0%`;
}

/** How far `observed` is from `expected`: `−98 %`. */
export function against(observed, expected) {
  if (observed === null || observed === undefined || !(expected > 0)) return "";
  const change = Math.round((observed / expected - 1) * 100);
  return change === 0 ? "±0\u00a0%" : `${change < 0 ? "−" : "+"}${Math.min(Math.abs(change), 999)}\u00a0%`;
}

export const clock = (at) => hm.format(new Date(at));
export const clockSeconds = (at) => hms.format(new Date(at));
export const clockZoned = (at) => zoned.format(new Date(at));
export const clockDay = (at) => dayed.format(new Date(at));

/** What each verdict is called, and its sign: never told by colour alone. */
export const VERDICTS = {
  drop: { sign: "▼", word: "down", rank: 0 },
  incomplete: { sign: "▨", word: "incomplete", rank: 1 },
  no_data: { sign: "∅", word: "no data", rank: 2 },
  ok: { sign: "✓", word: "ok", rank: 3 },
  learning: { sign: "◌", word: "learning", rank: 4 },
};

/** A verdict as sign and word. */
export function verdict(name, more = "") {
  const known = VERDICTS[name] ?? { sign: "?", word: name ?? "not judged" };
  return el("span", { class: `verdict ${name}` }, el("span", { class: "sign", "aria-hidden": "true" }, known.sign), " ", known.word, more);
}

/** A sentence whose figures stay with their signs, units, currencies and zones at a line's end. */
export const tied = (text) => text.replace(/(\d) %/g, "$1\u00a0%").replace(/(\d[kM]?) ([A-Z]{3})\b/g, "$1\u00a0$2").replace(/\/min\b/g, "/\u2060min");

/** The address of a slice's page. */
export function sliceAddress(stream, slice) {
  const query = new URLSearchParams([["stream", stream]]);
  const conditions = Object.entries(slice);
  for (const [dimension, value] of conditions) query.append("slice", `${dimension}=${value}`);
  if (conditions.length === 0) query.append("slice", "");
  return `/slices?${query}`;
}

/** A slice's conditions, written out. */
export function conditions(slice) {
  const parts = Object.entries(slice).map(([dimension, value]) => `${dimension} = ${value || "(none)"}`);
  return parts.length ? parts.join(", ") : "the whole stream";
}
