// What each address shows, as elements made from the API's answers. Fetches nothing, keeps nothing.

import { chart } from "./chart.js";
import { against, clock, clockDay, clockSeconds, clockZoned, conditions, count, el, percent, sliceAddress, svg, tied, verdict, VERDICTS } from "./words.js";

/** Slices that are listed until more are asked for. */
const ROWS = 40;

const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** `/`: is the shop well, what is wrong, which slices, can it be trusted. */
export function overview(state) {
  const streams = state.slices.streams;
  const drops = state.alarms.open.filter((record) => record.kind !== "ebbd");
  return [
    headline(state, streams, drops),
    degraded(state.status),
    openAlarms(state),
    streams.length === 0 && el("p", { class: "quiet" }, "No minute has been judged yet: the first one is, seconds after its end."),
    streams.map((stream) => streamCharts(state, stream)),
    el("div", { class: "columns" },
      el("div", {}, streams.map((stream) => sliceTable(state, stream, stream.slices, streams.length > 1 ? `Slices of ${stream.stream}` : "Slices"))),
      el("div", {}, dataHealth(state.status), recentAlarms(state))),
  ];
}

/** The worst of it, in a sentence. */
function headline(state, streams, open) {
  const pages = open.filter((record) => record.severity === "page" && record.state !== "recovering").length;
  const whole = (word) => streams.filter((stream) => wholeOf(stream)?.verdict === word).map((stream) => stream.stream);
  const down = streams.reduce((sum, stream) => sum + (stream.verdicts.drop ?? 0), 0);
  const [tone, text] =
    state.old ? ["mild", `No word from ebbd: this is of ${state.status.now ? clock(state.status.now) : "before"}`]
    : pages > 0 ? ["loud", `${open.some((record) => record.kind === "drop") ? `Missing ${[...new Set(open.map((record) => record.stream))].join(", ")}: ` : ""}${plural(pages, "open alarm that pages", "open alarms that page")}`]
    : open.length > 0 ? ["mild", open.every((record) => record.state === "recovering") ? "Recovering" : plural(open.length, "open alarm")]
    : down > 0 ? ["mild", `${plural(down, "slice")} down`]
    : whole("no_data").length ? ["mild", `No data of ${whole("no_data").join(", ")}: nothing can be said`]
    : whole("incomplete").length ? ["mild", `Data of ${whole("incomplete").join(", ")} are incomplete`]
    : streams.length === 0 ? ["plain", "Nothing judged yet"]
    : streams.every((stream) => (wholeOf(stream)?.verdict ?? "ok") === "learning") ? ["plain", "Learning: counts are shown, nothing alarms yet"]
    : ["good", "All is well"];
  const signs = { loud: "▼", mild: "!", good: "✓", plain: "◌" };
  return el("h1", { class: `headline ${tone}`, tabindex: "-1", "data-key": "headline" }, el("span", { class: "sign", "aria-hidden": "true" }, signs[tone]), " ", text);
}

const wholeOf = (stream) => stream.slices.find((slice) => Object.keys(slice.slice).length === 0);

function degraded(status) {
  const words = [...(status.degraded ?? []), ...(status.ledger?.balances === false ? ["The ledger does not balance: lines were lost or counted twice without being told. This is a bug; see the log."] : [])];
  return words.length > 0 && el("ul", { class: "degraded" }, words.map((word) => el("li", {}, el("b", {}, "Degraded: "), word)));
}

/** The blocks of `ebbd watch`, as cards. */
function openAlarms(state) {
  if (state.alarms.open.length === 0) return null;
  return el("section", { "aria-labelledby": "open", "data-key": "open" }, el("h2", { id: "open", class: "unseen" }, "Open alarms"),
    state.alarms.open.map((record, n) => card(record, state.alarms.told.open[n])));
}

function card(record, block) {
  const [what, ...rest] = block.head;
  return el("article", { class: `card ${block.tone}`, "data-key": `card-${record.no}` },
    el("h3", {},
      el("span", { class: "badge" }, block.mark), " ",
      el("a", { href: `/alarms/${record.no}`, "data-go": true, "data-key": `alarm-${record.no}` }, tied(what.trim())), " ",
      rest.map((part) => el("strong", {}, tied(part))),
      record.state !== "firing" && el("em", {}, ` ${stateWord(record.state)}`)),
    facts(block));
}

const stateWord = (state) => ({ firing: "firing", firing_blind: "firing, blind: no data", recovering: "recovering", resolved: "resolved", withdrawn: "withdrawn" }[state] ?? state);

/** The lines of a block. */
function facts(block) {
  if (block.lines.length === 0) return null;
  return el("dl", { class: "facts" }, block.lines.map((line) => [
    el("dt", {}, line.label || "now"),
    el("dd", {}, line.parts.map((part) => el("span", {}, line.label === "next" && part.startsWith("ebbd ") ? commands(part) : tied(part.replace(/^now /, ""))))),
  ]));
}

/** What to type, each command whole. */
const commands = (text) => text.split(" | ").map((command, n) => [n ? " or " : "", el("code", {}, n && !command.startsWith("ebbd") ? `ebbd alarms ${command}` : command)]);

function streamCharts(state, stream) {
  const whole = wholeOf(stream);
  const down = stream.verdicts.drop ?? 0;
  const words = Object.entries(VERDICTS).filter(([name]) => stream.verdicts[name]);
  return el("section", { "aria-labelledby": `stream-${stream.stream}`, "data-key": `stream-${stream.stream}` },
    el("div", { class: "title" },
      el("h2", { id: `stream-${stream.stream}` }, stream.stream),
      whole && verdict(whole.verdict, whole.verdict === "ok" && down > 0 ? " as a whole" : ""), down > 0 && whole?.verdict !== "drop" && verdict("drop", `: ${plural(down, "slice")}`),
      whole && el("p", { class: "figures" }, nowWords(whole))),
    whole ? chartOf(state, stream.stream, whole.slice, `${stream.stream}, the whole stream`) : el("p", { class: "quiet" }, "The whole stream is not watched; its slices are below."),
    hours(state),
    el("p", { class: "quiet" }, `Watched slices: `, words.map(([name, { word }], n) => `${n ? ", " : ""}${count(stream.verdicts[name])} ${word}`), "."));
}

/** A slice's minute in a line. */
function nowWords(slice) {
  const now = slice.observed === null ? "no data" : `${count(slice.observed)} a minute`;
  const expected = slice.expected === null ? "" : `, expected ${count(slice.expected)} (${count(slice.low)} to ${count(slice.high)})`;
  return [el("b", {}, now), expected, ` at ${clock(slice.minute)}`, slice.completeness !== null && slice.completeness < 0.995 && slice.observed !== null && `, ${percent(slice.completeness)} of the data`];
}

function chartOf(state, stream, slice, title) {
  const id = `${stream}:${JSON.stringify(slice)}`;
  const answer = state.minutes.get(id);
  if (!answer) return el("p", { class: "quiet" }, "Asking for its minutes.");
  if (answer.error) return el("p", { class: "quiet" }, answer.error);
  const data = { title, from: answer.from, to: answer.to, minutes: answer.minutes, lastWeek: answer.last_week, marks: state.marks.marks };
  return chart(id, data, state.width, state.width < 600 ? 210 : 270);
}

/** How far back the charts look. */
function hours(state) {
  return el("div", { class: "hours", role: "group", "aria-label": "How far back" }, [1, 3, 6].map((number) =>
    el("button", { type: "button", "data-hours": number, "data-key": `hours-${number}`, "aria-pressed": String(state.hours === number) }, `${number} h`)));
}

function sliceTable(state, stream, slices, title) {
  const wanted = state.find.trim().toLowerCase();
  const found = slices.filter((slice) => !wanted || `${slice.title} ${conditions(slice.slice)}`.toLowerCase().includes(wanted));
  const rank = (slice) => VERDICTS[slice.verdict]?.rank ?? 9;
  found.sort((a, b) => rank(a) - rank(b) || (b.expected ?? b.observed ?? 0) - (a.expected ?? a.observed ?? 0) || a.title.localeCompare(b.title));
  const shown = found.slice(0, state.all ? found.length : ROWS);
  const head = ["slice", "verdict", "now", "expected", "against it"];
  return el("section", { "aria-label": title, "data-key": `slices-${stream.stream}` },
    el("div", { class: "title" }, el("h2", {}, title), finder(state, stream)),
    el("table", { class: "slices" },
      el("thead", {}, el("tr", {}, head.map((name, n) => el("th", { scope: "col", class: n > 1 && n < 4 ? "n" : "" }, name)))),
      el("tbody", {}, shown.map((slice) => row(stream.stream, slice)))),
    found.length === 0 && el("p", { class: "quiet" }, wanted ? "No slice is called so." : "None."),
    shown.length < found.length && el("p", {}, el("button", { type: "button", "data-all": true, "data-key": "all" }, `Show all ${count(found.length)}`)),
    stream.watched > stream.slices.length && el("p", { class: "quiet" }, `${count(stream.watched - stream.slices.length)} further slices are watched and not listed here.`));
}

function finder(state, stream) {
  const id = `find-${stream.stream}`;
  return stream.slices.length > 8 && el("span", { class: "find" }, el("label", { for: id, class: "unseen" }, "Find a slice"),
    el("input", { id, type: "search", placeholder: "Find a slice", "data-find": true, "data-key": id, autocomplete: "off", spellcheck: "false" }));
}

function row(stream, slice) {
  const key = JSON.stringify(slice.slice);
  return el("tr", { class: slice.verdict, "data-key": `${stream}${key}` },
    el("th", { scope: "row" }, el("a", { href: sliceAddress(stream, slice.slice), "data-go": true, "data-key": `to-${stream}${key}` }, slice.title),
      slice.since && el("span", { class: "quiet" }, ` since ${clock(slice.since)}`)),
    el("td", {}, verdict(slice.verdict, slice.recovering ? ", recovering" : "")),
    el("td", { class: "n" }, slice.observed === null ? "no data" : count(slice.observed)),
    el("td", { class: "n" }, count(slice.expected)),
    el("td", { class: "against" }, el("span", { class: "n" }, against(slice.observed, slice.expected)), gauge(slice)));
}

/** Where a minute stands against its band: a bar from nothing to twice the expected. */
function gauge(slice) {
  if (!(slice.expected > 0) || slice.observed === null) return null;
  const x = (value) => Math.min(Math.max(value / slice.expected / 2, 0), 1) * 76 + 2;
  return svg("svg", { class: "gauge", viewBox: "0 0 80 14", width: 80, height: 14, "aria-hidden": "true", focusable: "false" },
    svg("rect", { class: "rail", x: 2, y: 6, width: 76, height: 2 }),
    svg("rect", { class: "band", x: x(slice.low), y: 2, width: Math.max(x(slice.high) - x(slice.low), 2), height: 10 }),
    svg("rect", { class: "dot", x: x(slice.observed) - 2, y: 0, width: 4, height: 14, rx: 1 }));
}

/** Sources, what became of every line, how far it has learnt. */
function dataHealth(status) {
  return el("section", { "aria-labelledby": "data", "data-key": "data" }, el("h2", { id: "data" }, "Data"),
    sources(status), ledger(status.ledger ?? {}), learning(status), notes(status));
}

const SOURCES = { alive: "✓ alive", idle: "◌ nothing yet", silent: "▨ silent", closed: "▨ closed", left: "said goodbye", never_seen: "∅ never seen" };
const isMissing = (state) => ["silent", "closed", "never_seen"].includes(state);

function sources(status) {
  const line = (name, source, kind) => el("li", { class: isMissing(source.state) ? "missing" : "", "data-key": `source-${kind}-${name}` },
    el("b", {}, name), ` ${SOURCES[source.state] ?? source.state}`,
    source.last && isMissing(source.state) && `, last heard ${clock(source.last)}`,
    source.share > 0 && source.share < 1 && `, usually ${percent(source.share)} of the events`);
  const origins = (source) => (source.origins ?? []).filter((origin) => origin.name).sort((a, b) => isMissing(b.state) - isMissing(a.state));
  return el("ul", { class: "sources", "aria-label": "Sources" }, (status.sources ?? []).map((source) => {
    const hosts = origins(source), missing = hosts.filter((origin) => isMissing(origin.state));
    const some = [...missing, ...hosts.filter((origin) => !isMissing(origin.state))].slice(0, Math.max(6, missing.length));
    return [line(source.name, source, source.kind), hosts.length > 0 && el("li", { "data-key": `of-${source.name}` },
      el("ul", {}, some.map((origin) => line(origin.name, origin, source.name)),
        hosts.length > some.length && el("li", {}, `and ${plural(hosts.length - some.length, "further host")}, all heard`)))];
  }));
}

function ledger(ledger) {
  const rejected = Object.entries(ledger.rejected ?? {});
  const others = [
    ["control", ledger.control], ["duplicate", ledger.duplicate], ["shed, queue full", ledger.dropped_queue],
    ["lost in a crash", ledger.dropped_crash], ["lost before us, kernel", ledger.kernel_datagrams], ["dropped by senders", ledger.sender_dropped],
    ...rejected.map(([reason, lines]) => [`rejected as ${reason}`, lines]),
  ].filter(([, lines]) => lines > 0);
  const bad = ledger.balances === false;
  return el("div", { class: bad ? "missing" : "" }, el("p", {},
    el("b", {}, "Ledger "), bad ? "does NOT balance" : "✓ balances", `: ${count(ledger.received)} lines received, ${count(ledger.counted)} counted`,
    others.map(([what, lines]) => `, ${count(lines)} ${what}`), "."));
}

function learning(status) {
  const left = (status.streams ?? []).filter((stream) => stream.learning?.learning > 0);
  return left.map((stream) => el("p", {}, el("b", {}, "Learning "), `${stream.name}: ${count(stream.learning.learning)} of ${plural(stream.learning.slices, "slice")} not judged yet. They alarm when enough of their weeks is known.`));
}

function notes(status) {
  return (status.notes ?? []).length > 0 && el("ul", { class: "notes", "aria-label": "What happened" }, status.notes.map((note) => el("li", {}, note)));
}

/** Alarms that are over, newest first, each once. */
function recentAlarms(state) {
  const seen = new Set(state.alarms.open.map((record) => record.no));
  const over = [];
  // A record that ends an alarm tells of the minute in which all was well again.
  const titles = new Map(state.alarms.recent.filter((record) => !isOver(record)).toReversed().map((record) => [record.no, record.title]));
  state.alarms.recent.forEach((record, n) => {
    if (seen.has(record.no)) return;
    seen.add(record.no);
    over.push([record, state.alarms.told.recent[n]]);
  });
  return el("section", { "aria-labelledby": "over", "data-key": "over" }, el("h2", { id: "over" }, "Over lately"),
    over.length === 0 ? el("p", { class: "quiet" }, "No alarm of late.")
      : el("ul", { class: "over" }, over.slice(0, 8).map(([record, block]) => el("li", { "data-key": `over-${record.no}` },
        el("a", { href: `/alarms/${record.no}`, "data-go": true, "data-key": `alarm-${record.no}` }, tied((titles.get(record.no) ?? record.title).split(" since ")[0])),
        el("span", { class: "quiet" }, ` ${tied([block.mark, ...block.head].join(" "))}`)))));
}

const isOver = (record) => record.state === "resolved" || record.state === "withdrawn";

/** `/slices?…`: one slice, those around it, the alarms about it. */
export function slice(state, asked) {
  const stream = state.slices.streams.find((stream) => stream.stream === asked.stream) ?? state.slices.streams[0];
  if (!stream) return [el("h1", { class: "headline plain", tabindex: "-1", "data-key": "headline" }, conditions(asked.slice)), el("p", { class: "quiet" }, "No minute has been judged yet.")];
  const key = JSON.stringify(sorted(asked.slice));
  const now = stream.slices.find((slice) => JSON.stringify(slice.slice) === key);
  const isIn = (inner, outer) => Object.entries(outer).every(([dimension, value]) => inner[dimension] === value);
  const others = stream.slices.filter((slice) => slice !== now && (isIn(slice.slice, asked.slice) || isIn(asked.slice, slice.slice)));
  const about = state.alarms.open.filter((record) => record.stream === stream.stream && (isIn(record.slice, asked.slice) || isIn(asked.slice, record.slice)));
  const title = `${stream.stream}: ${now?.title ?? conditions(asked.slice)}`;
  return [
    back(),
    el("div", { class: "title" }, el("h1", { tabindex: "-1", "data-key": "headline" }, title), now && verdict(now.verdict)),
    el("p", { class: "quiet" }, conditions(asked.slice)),
    now && el("p", { class: "figures" }, nowWords(now), now.since && `; missing since ${clockZoned(now.since)}`),
    about.map((record) => card(record, state.alarms.told.open[state.alarms.open.indexOf(record)])),
    chartOf(state, stream.stream, sorted(asked.slice), title),
    hours(state),
    others.length > 0 && sliceTable(state, stream, others, "Within it and around it"),
  ];
}

const sorted = (slice) => Object.fromEntries(Object.entries(slice).sort(([a], [b]) => (a < b ? -1 : 1)));

const back = () => el("p", {}, el("a", { href: "/", "data-go": true, "data-key": "back" }, "← the whole shop"));

/** `/alarms/NO`: everything about one alarm. */
export function alarm(state, no) {
  const answer = state.alarm;
  if (!answer) return [back(), el("h1", { tabindex: "-1", "data-key": "headline" }, `Alarm ${no}`), el("p", { class: "quiet" }, "Asking for it.")];
  if (answer.error) return [back(), el("h1", { tabindex: "-1", "data-key": "headline" }, `Alarm ${no}`), el("p", {}, answer.error)];
  const record = answer.records.at(-1);
  const ended = isOver(record);
  const block = answer.now;
  return [
    back(),
    el("h1", { class: `headline ${block.tone}`, tabindex: "-1", "data-key": "headline" }, el("span", { class: "badge" }, block.mark), " ", block.head.map((part, n) => (n ? el("strong", {}, ` ${tied(part.trim())}`) : tied(part.trim())))),
    ended ? answer.while_open && [el("h2", {}, "While it was open"), el("p", {}, tied(answer.while_open.head.join(" "))), facts({ lines: answer.while_open.lines.filter((line) => line.label !== "next") })] : facts(block),
    el("h2", {}, "What it is and what it costs"),
    details(record),
    record.kind === "drop" && [
      el("h2", {}, ended ? "Its slice at that time" : "Its slice, the last hours"),
      chartOf(state, record.stream, sorted(record.slice), `${record.stream}: ${conditions(record.slice)}`), hours(state)],
    el("h2", {}, "What happened when"),
    el("ol", { class: "story" }, answer.records.map((each, n) => el("li", { "data-key": `record-${each.seq}` },
      el("time", { datetime: each.at }, clockSeconds(each.at)), " ", el("span", { class: `badge ${answer.told[n].tone}` }, each.because), " ",
      tied([answer.told[n].mark, ...answer.told[n].head].join(" ")))).toReversed()),
  ];
}

function details(record) {
  const interval = (parts, unit = "") => (parts ? `${count(parts[1])}${unit} (${count(parts[0])} to ${count(parts[2])})` : null);
  const money = Object.entries(record.lost?.amount ?? {}).map(([currency, parts]) => interval(parts, ` ${currency}`));
  const entries = [
    ["state", stateWord(record.state)],
    ["slice", el("a", { href: sliceAddress(record.stream, record.slice), "data-go": true, "data-key": "its-slice" }, `${record.stream}: ${conditions(record.slice)}`)],
    ["since", record.onset && `${clockDay(record.onset[1])} (between ${clock(record.onset[0])} and ${clock(record.onset[2])})`],
    ["until", record.ended && clockDay(record.ended)],
    ["cause", causes(record)],
    [isOver(record) ? "lost" : "lost so far", [interval(record.lost?.orders, ` ${record.stream}`), ...money, record.lost?.customers && interval(record.lost.customers, " customers")].filter(Boolean).join("; ")],
    ["came later", record.lost?.recovered_later > 0 && `${count(record.lost.recovered_later)} ${record.stream} after the recovery`],
    ["changes near", (record.changes ?? []).map((change) => el("span", {}, `${change.kind} "${change.what}" ${clockSeconds(change.at)}: ${change.why}`))],
    ["data", `${percent(record.completeness.fraction)} complete${record.completeness.missing.map((m) => `; ${m.origin} silent since ${clock(m.since)} (${percent(m.share)})`).join("")}`],
    ["evidence", record.evidence !== null && !isOver(record) && `${count(record.evidence)} of ${count(record.threshold)} needed`],
    ["acked", record.acked],
    ["silenced until", record.silenced_until && clockDay(record.silenced_until)],
    ["label", record.label],
    ["why it ended", record.reason],
    ["on disk", record.durable ? null : "no: it was sent while the disk failed"],
  ];
  return el("dl", { class: "facts" }, entries.filter(([, value]) => value && value.length !== 0).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function causes(record) {
  return (record.causes ?? []).map((cause) => el("span", {},
    el("a", { href: sliceAddress(record.stream, cause.slice), "data-go": true, "data-key": `cause-${JSON.stringify(cause.slice)}` }, conditions(cause.slice)),
    `: explains ${percent(cause.explains)}, ${percent(cause.effect[1])} of it is gone`));
}
