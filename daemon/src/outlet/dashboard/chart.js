// Minutes of a slice as a picture: what was observed, the band it was expected in, the same time a week ago,
// change markers, and where data are missing: hatched, never drawn as zero.

import { against, clock, clockZoned, compact, count, el, percent, svg, VERDICTS } from "./words.js";

const MINUTE = 60_000;
const MARGIN = { top: 26, right: 10, bottom: 26, left: 46 };
/** Below this a minute is shown as incomplete. */
const WHOLE = 0.995;

/** Whether a part of a minute's data is known to be missing. Of counts alone nobody knows. */
const isPartial = (minute) => minute.observed !== null && minute.completeness !== null && minute.completeness < WHOLE;

/** The charts on the page, by id: what the cursor needs to know of each. */
const charts = new Map();
/** Where the reader has put the cursor, by chart. */
const cursors = new Map();

/** A chart with its legend, a line that says what stands under the cursor, and a table of the same. */
export function chart(id, data, width, height) {
  const plot = { id, pattern: id.replace(/[^a-z0-9]/gi, "-"), ...data, width, height, ...scales(data, width, height) };
  charts.set(id, plot);
  const signs = drawn(plot);
  return el("figure", { class: "chart", "data-key": `chart-${id}` },
    el("div", {
      class: "plot", tabindex: "0", role: "group", "aria-roledescription": "chart", "data-chart": id,
      "data-key": `plot-${id}`, "aria-label": `${data.title}. ${summary(plot)} Arrow keys read single minutes.`,
    }, signs),
    el("p", { class: "readout", "data-readout": id }, readout(plot)),
    plot.at.length > 0 && plot.at[0] > plot.start + 15 * MINUTE && el("p", { class: "quiet" }, `Nothing is kept of the time before ${clock(plot.at[0])}.`),
    legend(plot),
    markList(plot),
    table(plot));
}

function scales(data, width, height) {
  const from = Date.parse(data.from), to = Date.parse(data.to);
  const inner = { width: Math.max(width - MARGIN.left - MARGIN.right, 50), height: height - MARGIN.top - MARGIN.bottom };
  const tops = data.minutes.flatMap((m) => [m.observed, m.high]).concat((data.lastWeek ?? []).map((m) => m.observed));
  const most = nice(Math.max(1, ...tops.filter((value) => Number.isFinite(value))));
  const x = (at) => MARGIN.left + ((at - from) / (to - from)) * inner.width;
  const y = (value) => MARGIN.top + (1 - value / most) * inner.height;
  const at = data.minutes.map((m) => Date.parse(m.minute));
  return { start: from, end: to, inner, most, x, y, at };
}

/** The next round number. */
function nice(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((part) => part * step).find((round) => round >= value * 1.04) ?? 12 * step;
}

function drawn(plot) {
  const middle = (at) => plot.x(at + MINUTE / 2);
  const known = plot.minutes.map((m, n) => ({ ...m, x: middle(plot.at[n]), at: plot.at[n] }));
  const weekAgo = (plot.lastWeek ?? []).map((m) => ({ ...m, at: Date.parse(m.minute), x: middle(Date.parse(m.minute)) }));
  const line = (points, value) => path(points.filter((p) => Number.isFinite(value(p))), value, plot.y);
  return svg("svg", { viewBox: `0 0 ${plot.width} ${plot.height}`, width: plot.width, height: plot.height, "aria-hidden": "true", focusable: "false" },
    hatches(plot.pattern),
    axes(plot),
    missing(plot, known),
    bands(known, plot.y).map((d) => svg("path", { class: "band", d })),
    losses(known, plot.y).map((d) => svg("path", { class: "loss", d })),
    svg("path", { class: "week", d: line(weekAgo, (p) => p.observed) }),
    svg("path", { class: "expected", d: line(known, (p) => p.expected) }),
    svg("path", { class: plot.inner.width < 2.5 * known.length ? "observed dense" : "observed", d: line(known, (p) => p.observed) }),
    svg("path", { class: "observed down", d: line(known.filter((p) => p.verdict === "drop"), (p) => p.observed) }),
    markers(plot),
    svg("g", { class: "cursor" }, cursorAt(plot)));
}

/** A line that breaks where minutes are missing. */
function path(points, value, y) {
  let text = "", last = null;
  for (const point of points) {
    const joins = last !== null && point.at - last === MINUTE;
    text += `${joins ? "L" : "M"}${point.x.toFixed(1)} ${y(value(point)).toFixed(1)}`;
    // A point alone is a dot.
    if (!joins) text += "h0";
    last = point.at;
  }
  return text;
}

/** Neighbouring minutes for which `wanted` holds. */
function runs(points, wanted) {
  const found = [];
  let run = [];
  for (const point of points) {
    if (!wanted(point) || (run.length && point.at - run.at(-1).at !== MINUTE)) {
      if (run.length) found.push(run);
      run = [];
    }
    if (wanted(point)) run.push(point);
  }
  return run.length ? [...found, run] : found;
}

function area(run, above, below, y) {
  const half = run.length > 1 ? 0 : 1.5;
  const there = run.map((p) => `${(p.x - half).toFixed(1)} ${y(above(p)).toFixed(1)}`);
  const back = run.toReversed().map((p) => `${(p.x + half).toFixed(1)} ${y(below(p)).toFixed(1)}`);
  return `M${there.join("L")}L${back.join("L")}Z`;
}

function bands(points, y) {
  return runs(points, (p) => p.high !== null && p.low !== null).map((run) => area(run, (p) => p.high, (p) => p.low, y));
}

/** What is missing of the expected, where a drop was found and in the minutes before that gave it away. */
function losses(points, y) {
  const falls = new Set();
  points.forEach((point, n) => {
    if (point.verdict !== "drop") return;
    falls.add(point);
    for (let at = n - 1; at >= 0 && points[at].observed !== null && points[at].observed < points[at].low && !falls.has(points[at]); at -= 1) falls.add(points[at]);
  });
  const lost = (p) => falls.has(p) && p.expected !== null && p.observed !== null && p.observed < p.expected;
  return runs(points, lost).map((run) => area(run, (p) => p.expected, (p) => p.observed, y));
}

function hatches(id) {
  const hatch = (name, gap, width) => svg("pattern", { id: `${name}-${id}`, width: gap, height: gap, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: gap, "stroke-width": width }));
  return svg("defs", {}, hatch("absent", 6, 3), hatch("partial", 9, 1.5));
}

/** Minutes without data, and those of which only a part came. */
function missing(plot, known) {
  const isAbsent = (p) => p.observed === null;
  const box = (from, to, name) => svg("rect", {
    x: plot.x(from).toFixed(1), width: Math.max(plot.x(to) - plot.x(from), 1).toFixed(1), y: MARGIN.top, height: plot.inner.height,
    fill: `url(#${name}-${plot.pattern})`, class: "missing",
  });
  const boxes = (wanted, name) => runs(known, wanted).map((run) => box(run[0].at, run.at(-1).at + MINUTE, name));
  const holes = known.slice(1).flatMap((p, n) => (p.at - known[n].at > MINUTE ? [box(known[n].at + MINUTE, p.at, "absent")] : []));
  return [boxes(isAbsent, "absent"), boxes(isPartial, "partial"), holes];
}

function axes(plot) {
  const ends = plot.width - MARGIN.right, floor = MARGIN.top + plot.inner.height;
  const levels = [0, plot.most / 2, plot.most].map((value) => [
    svg("line", { class: "grid", x1: MARGIN.left, x2: ends, y1: plot.y(value), y2: plot.y(value) }),
    svg("text", { class: "tick", x: MARGIN.left - 6, y: plot.y(value) + 4, "text-anchor": "end" }, compact(value)),
  ]);
  const room = Math.max(2, Math.floor(plot.inner.width / 70));
  const step = [10, 15, 30, 60, 120].find((minutes) => (plot.end - plot.start) / (minutes * MINUTE) <= room) ?? 180;
  const times = [];
  const first = Math.ceil(plot.start / (step * MINUTE)) * step * MINUTE;
  for (let at = first; at < plot.end; at += step * MINUTE) {
    const x = plot.x(at);
    times.push(svg("line", { class: "grid", x1: x, x2: x, y1: floor, y2: floor + 4 }));
    if (x > MARGIN.left + 12 && x < ends - 14) times.push(svg("text", { class: "tick", x, y: floor + 18, "text-anchor": "middle" }, clock(at)));
  }
  return [levels, times];
}

/** Markers within the chart, each with the number that the list below has. */
function shownMarks(plot) {
  return (plot.marks ?? []).filter((mark) => {
    const at = Date.parse(mark.at);
    return at >= plot.start && at <= plot.end;
  }).slice(-20);
}

function markers(plot) {
  const floor = MARGIN.top + plot.inner.height;
  let last = -Infinity;
  return shownMarks(plot).map((mark, n) => {
    const x = plot.x(Date.parse(mark.at));
    // Numbers that would lie on one another move aside.
    const label = Math.min(Math.max(x, last + 18), plot.width - 9);
    last = label;
    return [
      mark.until && svg("rect", { class: "marked", x, width: Math.max(plot.x(Math.min(Date.parse(mark.until), plot.end)) - x, 1), y: MARGIN.top - 4, height: 4 }),
      svg("path", { class: "mark", d: `M${label.toFixed(1)} 18L${x.toFixed(1)} ${MARGIN.top}V${floor}` }),
      svg("circle", { class: "mark-sign", cx: label, cy: 10, r: 8 }),
      svg("text", { class: "mark-no", x: label, y: 14, "text-anchor": "middle" }, String(n + 1)),
    ];
  });
}

function markList(plot) {
  const shown = shownMarks(plot);
  if (!shown.length) return null;
  const scope = (mark) => Object.entries(mark.scope ?? {}).map(([dimension, value]) => `${dimension}=${value}`).join(", ");
  return el("ol", { class: "marks", "aria-label": "Change markers" }, shown.map((mark) =>
    el("li", { "data-key": mark.id }, el("b", {}, mark.kind), ` ${mark.what} `,
      el("span", { class: "quiet" }, clock(mark.at), scope(mark) && ` (${scope(mark)})`))));
}

function legend(plot) {
  const has = (wanted) => plot.minutes.some(wanted);
  const absent = has((m) => m.observed === null) || plot.at.some((at, n) => n && at - plot.at[n - 1] > MINUTE);
  const entry = (name, words) => el("li", {}, el("span", { class: `swatch ${name}`, "aria-hidden": "true" }), words);
  return el("ul", { class: "legend" },
    entry("observed", "observed a minute"),
    has((m) => m.low !== null) && entry("band", "expected, 90 % band"),
    plot.lastWeek?.length > 0 && entry("week", "a week ago"),
    has((m) => m.verdict === "drop") && entry("loss", "missing in a drop"),
    has(isPartial) && entry("partial", "data incomplete"),
    absent && entry("absent", "no data (not zero)"));
}

function summary(plot) {
  const last = plot.minutes.at(-1);
  return last ? `${said(last)}.` : "No minutes yet.";
}

/** A minute in words. */
function said(minute) {
  const parts = [`${clockZoned(minute.minute)}: ${minute.observed === null ? "no data" : `${count(minute.observed)} a minute`}`];
  if (minute.expected !== null) parts.push(`expected ${count(minute.expected)} (${count(minute.low)} to ${count(minute.high)})`);
  if (minute.expected !== null && minute.observed !== null) parts.push(against(minute.observed, minute.expected));
  if (minute.verdict) parts.push(VERDICTS[minute.verdict]?.word ?? minute.verdict);
  if (minute.observed !== null && minute.completeness !== null && minute.completeness < 1) parts.push(`${percent(minute.completeness)} of the data`);
  return parts.join(", ");
}

function readout(plot) {
  const at = placed(plot);
  return at === null ? summary(plot) : said(plot.minutes[at]);
}

/** The index of the minute that the cursor is at. */
function placed(plot) {
  const minute = cursors.get(plot.id);
  const at = minute === undefined ? -1 : plot.at.indexOf(minute);
  return at < 0 ? null : at;
}

function cursorAt(plot) {
  const at = placed(plot);
  if (at === null) return null;
  const { observed } = plot.minutes[at];
  const x = plot.x(plot.at[at] + MINUTE / 2), floor = MARGIN.top + plot.inner.height;
  return [
    svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: floor }),
    observed !== null && svg("circle", { cx: x, cy: plot.y(observed), r: 4 }),
  ];
}

/** The same as a table, newest first, for those who cannot or would not look at a picture. */
function table(plot) {
  const cell = (text) => el("td", {}, text);
  const rows = plot.minutes.flatMap((m, n) => {
    if (plot.at[n] < plot.end - 60 * MINUTE) return [];
    const hole = n > 0 && plot.at[n] - plot.at[n - 1] > MINUTE;
    return [
      hole && el("tr", {}, el("th", { scope: "row" }, `${clock(plot.at[n - 1] + MINUTE)} to ${clock(plot.at[n] - MINUTE)}`), el("td", { colspan: 5 }, "no data")),
      el("tr", {},
        el("th", { scope: "row" }, clock(m.minute)), cell(m.observed === null ? "no data" : count(m.observed)), cell(count(m.expected)),
        cell(VERDICTS[m.verdict]?.word ?? "–"),
        cell(m.low === null ? "–" : `${count(m.low)} to ${count(m.high)}`), cell(m.completeness === null ? "–" : percent(m.completeness))),
    ].filter(Boolean);
  }).toReversed();
  return el("details", { "data-key": `table-${plot.id}` },
    el("summary", { "data-key": `table-of-${plot.id}` }, "The last hour as a table"),
    el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table of the last hour", "data-key": `rows-${plot.id}` }, el("table", { class: "figures" },
      el("caption", { class: "unseen" }, plot.title),
      el("thead", {}, el("tr", {}, ["minute", "observed", "expected", "verdict", "band", "complete"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows))));
}

function move(id, at, announce) {
  const plot = charts.get(id);
  const place = document.querySelector(`[data-chart="${CSS.escape(id)}"]`);
  if (!plot || !place) return;
  if (at === null) cursors.delete(id);
  else cursors.set(id, plot.at[at]);
  place.querySelector(".cursor")?.replaceChildren(...[cursorAt(plot)].flat().filter(Boolean));
  const line = document.querySelector(`[data-readout="${CSS.escape(id)}"]`);
  if (line) line.textContent = readout(plot);
  if (announce) document.getElementById("said").textContent = readout(plot);
}

function nearest(plot, x) {
  let best = null;
  plot.at.forEach((at, n) => {
    const far = Math.abs(plot.x(at + MINUTE / 2) - x);
    if (best === null || far < best.far) best = { n, far };
  });
  return best?.n ?? null;
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -15, PageDown: 15 };

/** Lets pointers and keys move the cursor of every chart. */
export function listen() {
  const chartOf = (event) => event.target.closest?.("[data-chart]");
  document.addEventListener("pointermove", (event) => {
    const place = chartOf(event);
    const plot = place && charts.get(place.dataset.chart);
    if (plot) move(plot.id, nearest(plot, event.clientX - place.getBoundingClientRect().left), false);
  });
  document.addEventListener("pointerout", (event) => {
    const place = chartOf(event);
    if (place && !place.contains(event.relatedTarget)) move(place.dataset.chart, null, false);
  });
  document.addEventListener("keydown", (event) => {
    const place = chartOf(event);
    const plot = place && charts.get(place.dataset.chart);
    if (!plot || !plot.minutes.length) return;
    const last = plot.minutes.length - 1, now = placed(plot) ?? last + 1;
    const to = { Home: 0, End: last }[event.key] ?? (event.key in STEPS ? now + STEPS[event.key] : null);
    if (event.key === "Escape") move(plot.id, null, true);
    else if (to !== null) move(plot.id, Math.min(Math.max(to, 0), last), true);
    else return;
    event.preventDefault();
  });
}
