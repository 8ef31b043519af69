// Asks the daemon, listens to it, and shows what the address says. The only part that fetches.

import { listen } from "./chart.js";
import { alarm, overview, slice } from "./views.js";
import { clockSeconds, morph, zone } from "./words.js";

/** Answers are asked for at most this often, in milliseconds. */
const EVERY = 900;
/** Without a word for so long, what is shown is old. Heartbeats come every 10 s. */
const SILENT = 25_000;
/** A connection that is lost and had again within this is not worth a word. */
const BLIP = 5_000;
/** Of an alarm that is over this much is shown of the time behind it. */
const AFTERWARDS = 30 * 60_000;
/** After the daemon has refused to stream, it is asked again. */
const AGAIN = 10_000;

const state = {
  status: {}, alarms: { open: [], recent: [], told: { open: [], recent: [] } }, slices: { streams: [] }, marks: { marks: [] },
  /** The minutes of each slice that is shown, by stream and slice. */
  minutes: new Map(),
  alarm: null,
  hours: 3, find: "", all: false, width: 600,
  /** Nothing was heard for long: what is shown is of then. */
  old: false,
};
let heard = 0, connected = false, asking = false, due = false, loaded = false;

/** What the address asks for. */
function route() {
  const { pathname, search } = location;
  const no = pathname.match(/^\/alarms\/(\d+)$/)?.[1];
  if (no) return { view: "alarm", no };
  if (pathname !== "/slices") return { view: "overview" };
  const query = new URLSearchParams(search);
  const conditions = query.getAll("slice").filter(Boolean).map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]);
  return { view: "slice", stream: query.get("stream"), slice: Object.fromEntries(conditions.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** An answer; what the daemon says is wrong comes as `error`. */
async function ask(path) {
  const answer = await fetch(`/api/v1/${path}`);
  const said = await answer.json();
  if (!answer.ok && !said.error) throw new Error(`${path}: ${answer.status}`);
  return said;
}

/** Slices whose minutes the present view draws. */
function drawn(asked) {
  if (asked.view === "slice") return [[asked.stream ?? state.slices.streams[0]?.stream ?? "", asked.slice]];
  const record = asked.view === "alarm" ? state.alarm?.records?.at(-1) : null;
  if (record) return record.kind === "drop" ? [[record.stream, record.slice]] : [];
  if (asked.view === "alarm") return [];
  return state.slices.streams.filter((stream) => stream.slices.some((slice) => Object.keys(slice.slice).length === 0)).map((stream) => [stream.stream, {}]);
}

async function askAll() {
  const asked = route(), here = `zone=${encodeURIComponent(zone)}`;
  const [status, alarms, slices, marks, one] = await Promise.all([
    ask("status"), ask(`alarms?${here}`), ask("slices"), ask(`marks?hours=${state.hours}`),
    asked.view === "alarm" ? ask(`alarms/${asked.no}?${here}`) : null,
  ]);
  const ended = one?.records?.at(-1)?.ended;
  // What is over is shown as it was then.
  const until = ended ? `&until=${new Date(Date.parse(ended) + AFTERWARDS).toISOString()}` : "";
  const then = until ? await ask(`marks?hours=${state.hours}${until}`) : marks;
  Object.assign(state, { status, alarms, slices, marks: then, alarm: one });
  const minutes = await Promise.all(drawn(asked).map(async ([stream, wanted]) => {
    const query = new URLSearchParams([["stream", stream], ["hours", state.hours], ...Object.entries(wanted).map(([d, v]) => ["slice", `${d}=${v}`])]);
    if (Object.keys(wanted).length === 0) query.append("slice", "");
    return [`${stream}:${JSON.stringify(wanted)}`, await ask(`slices?${query}${until}`)];
  }));
  state.minutes = new Map(minutes);
  loaded = true;
}

/** Asks anew, soon: however often it is called, not more often than may be. */
function refresh() {
  if (asking) {
    due = true;
    return;
  }
  asking = true;
  due = false;
  const next = new Promise((resolve) => setTimeout(resolve, EVERY));
  askAll().then(show, (error) => pulse(`no answer: ${error.message}`, "old")).finally(() => next.then(() => {
    asking = false;
    if (due && !document.hidden) refresh();
  }));
}

function show() {
  const asked = route();
  state.width = Math.max(280, document.getElementById("main").clientWidth);
  const views = { overview: () => overview(state), slice: () => slice(state, asked), alarm: () => alarm(state, asked.no) };
  morph(document.getElementById("main"), views[asked.view]().flat(Infinity).filter(Boolean));
  document.getElementById("host").textContent = state.status.host ? `on ${state.status.host}` : "";
  const open = state.alarms.open.length;
  document.title = `${state.old ? "✕ " : open ? `▼ ${open} open: ` : ""}ebbd on ${state.status.host ?? ""}`;
  beat();
}

function pulse(text, tone) {
  const sign = document.getElementById("pulse");
  if (sign.textContent !== text) sign.textContent = text;
  sign.className = `pulse ${tone}`;
  const old = tone === "old" && loaded;
  if (old !== state.old) {
    state.old = old;
    document.body.classList.toggle("old", old);
    show();
  }
}

/** Says whether what is shown is of now. */
function beat() {
  const silent = Date.now() - heard;
  if (silent < (connected ? SILENT : BLIP)) pulse(`live, ${state.status.now ? clockSeconds(state.status.now) : ""}`, "live");
  else if (heard === 0) pulse("connecting", "plain");
  else pulse(`no word from ebbd for ${Math.round(silent / 1000)} s: what is shown is old`, "old");
}

function connect() {
  const events = new EventSource("/api/v1/live");
  const hear = () => {
    heard = Date.now();
    connected = true;
    beat();
  };
  const news = () => {
    hear();
    if (!document.hidden) refresh();
  };
  for (const name of ["hello", "alarm", "gap", "minute"]) events.addEventListener(name, news);
  events.addEventListener("heartbeat", hear);
  events.addEventListener("error", () => {
    connected = false;
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
  });
}

/** Goes to an address of this page without loading it anew. */
function go(address) {
  history.pushState(null, "", address);
  arrive();
}

function arrive() {
  state.alarm = null;
  state.find = "";
  show();
  window.scrollTo(0, 0);
  document.querySelector("h1")?.focus({ preventScroll: true });
  refresh();
}

function listenToReader() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-go]");
    if (link && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
      event.preventDefault();
      go(link.href);
      return;
    }
    const hours = event.target.closest("[data-hours]");
    if (hours) state.hours = Number(hours.dataset.hours);
    if (event.target.closest("[data-all]")) state.all = true;
    if (hours || event.target.closest("[data-all]")) {
      show();
      refresh();
    }
  });
  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-find]")) return;
    state.find = event.target.value;
    show();
  });
  window.addEventListener("popstate", arrive);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  new ResizeObserver(() => loaded && Math.abs(document.getElementById("main").clientWidth - state.width) > 1 && show()).observe(document.getElementById("main"));
}

document.getElementById("zone").textContent = zone;
listen();
listenToReader();
connect();
refresh();
setInterval(beat, 1000);
