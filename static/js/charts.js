// Charts over time: one request for all of them, read again while somebody looks, closer where a part is dragged over.
// Several sources are drawn over each other. What happened in this time is marked on the axis and listed below.
import uPlot from "uplot";

const PERIOD = 15000;
const COLOURS = ["--tblr-primary", "--tblr-warning", "--tblr-success", "--tblr-danger"];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 3], [1, 2], [4, 1], [10, 2, 1, 2]];
const SHORTEST = 10;

const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i);

const all = document.querySelector("[data-charts]");
const said = document.querySelector("[data-charts-said]");
const whole = document.querySelector("[data-whole]");
const happened = document.querySelector("[data-happened]");
const beside = document.getElementById("beside-names");
const sources = all.dataset.charts.split(" ");
const sections = [...all.querySelectorAll("[data-chart]")];
const plots = new Map();
// The part that is looked at, in seconds since 1970; null: up to now.
let part = null;

function short(value, digits = 3) {
  return Number(value.toPrecision(digits)).toLocaleString(document.documentElement.lang || undefined, { maximumSignificantDigits: digits });
}

function words(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "percent") return `${short(value)} %`;
  if (unit === "s") return value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
  if (unit === "1/s") return `${short(value)}/s`;
  let step = 0;
  while (value >= 1024 && step < BYTES.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${short(value)} ${BYTES[step]}${unit === "bytes/s" ? "/s" : ""}`;
}

const zone = all.dataset.zone;
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeZone: zone, day: "numeric", month: "short" });
const month = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeZone: zone, month: "short", year: "numeric" });

function moment(t) {
  return `${day.format(t * 1000)} ${seconds.format(t * 1000)}`;
}

/** The time at a tick, as finely as ticks are apart; a day's first says which day it is. */
function ticked(plot, ticks, axis, space, apart) {
  let before = "";
  return ticks.map((t) => {
    if (apart >= 28 * 86400) return month.format(t * 1000);
    const date = day.format(t * 1000);
    if (apart >= 86400) return date;
    const time = (apart < 60 ? seconds : clock).format(t * 1000);
    const told = date === before ? time : `${time}\n${date}`;
    before = date;
    return told;
  });
}

function length(seconds) {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${short(seconds / 60)} min` : `${short(seconds / 3600)} h`;
}

function colour(name) {
  // A canvas knows no light-dark(): the colour is read where the browser has chosen.
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** One list of times for all series of a chart; what a series lacks at one is null, which breaks its line. */
function joined(series) {
  const times = [...new Set(series.flatMap((points) => points.map(([t]) => t)))].sort((one, other) => one - other);
  return [times, ...series.map((points) => {
    const known = new Map(points);
    return times.map((t) => known.get(t) ?? null);
  })];
}

function options(section, labels, unit, width) {
  const quiet = colour("--quiet");
  const line = colour("--line");
  const axis = { stroke: quiet, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width,
    height: 200,
    cursor: { sync: { key: "charts" }, drag: { x: true, y: false }, focus: { prox: 24 } },
    scales: { y: { range: (plot, lowest, highest) => [0, unit === "percent" ? Math.max(100, highest) : (highest || 1) * 1.1] } },
    tzDate: (t) => uPlot.tzDate(new Date(t * 1000), zone),
    axes: [
      { ...axis, values: ticked },
      { ...axis, size: 76, values: (plot, ticks) => ticks.map((tick) => words(tick, unit)), ...(unit.startsWith("bytes") && { incrs: POWERS }) },
    ],
    series: [
      { label: all.dataset.time, value: (plot, t) => (Number.isFinite(t) ? moment(t) : "–") },
      ...labels.map((label, i) => ({
        label,
        stroke: colour(COLOURS[i % COLOURS.length]),
        width: 1.5,
        dash: DASHES[i],
        points: { show: false },
        value: (plot, value) => words(value, unit),
      })),
    ],
    hooks: {
      draw: [(plot) => marked(plot, colour("--quiet"), colour("--tblr-danger"))],
      setCursor: [(plot) => near(plot)],
      setSelect: [(plot) => {
        if (plot.select.width < 8) return;
        const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((left) => Math.round(plot.posToVal(left, "x")));
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        if (to - from >= SHORTEST) look([from, to]);
      }],
    },
  };
}

/** A line through the chart for each thing that happened, red for what failed. */
function marked(plot, quiet, danger) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([2 * devicePixelRatio, 2 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  for (const { t, failed } of marks) {
    if (t < plot.scales.x.min || t > plot.scales.x.max) continue;
    const x = Math.round(plot.valToPos(t, "x", true));
    ctx.strokeStyle = failed ? danger : quiet;
    ctx.fillStyle = ctx.strokeStyle;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillRect(x - 2 * devicePixelRatio, bbox.top, 4 * devicePixelRatio, 4 * devicePixelRatio);
  }
  ctx.restore();
}

/** Say in the list what is marked where somebody points. */
function near(plot) {
  const { left } = plot.cursor;
  for (const mark of marks) {
    mark.line.classList.toggle("is-near", left >= 0 && Math.abs(plot.valToPos(mark.t, "x") - left) < 6);
  }
}

function listed({ items, more }) {
  const rows = items.map((event) => {
    const line = document.createElement("li");
    const when = document.createElement("time");
    when.dateTime = event.at;
    when.className = "muted when";
    const t = Date.parse(event.at) / 1000;
    when.textContent = moment(t);
    const told = document.createElement(event.sort === "operation" ? "a" : "span");
    if (event.sort === "operation") told.href = all.dataset.operation.replace("/0/", `/${event.id}/`);
    told.textContent = event.text;
    const what = document.createElement("span");
    what.className = "grow";
    what.append(told);
    if (event.who) what.append(` · ${event.who}`);
    line.append(what, when);
    const failed = event.state === "failed" || event.state === "unknown";
    line.classList.toggle("is-failed", failed);
    return { t, failed, line };
  });
  marks = rows;
  happened.querySelector("ol").replaceChildren(...rows.map(({ line }) => line));
  happened.hidden = !rows.length;
  happened.querySelector("[data-more]").hidden = !more;
}

function summary(labels, series, unit) {
  return labels.map((label, i) => {
    const values = series[i].map(([, value]) => value).filter((value) => value !== null);
    if (!values.length) return `${label}: –`;
    const told = [["last", values.at(-1)], ["lowest", Math.min(...values)], ["highest", Math.max(...values)]];
    return `${label}: ${told.map(([name, value]) => `${all.dataset[name]} ${words(value, unit)}`).join(", ")}`;
  }).join(". ");
}

function table(labels, [times, ...columns], unit) {
  const made = document.createElement("table");
  made.className = "table";
  const head = made.createTHead().insertRow();
  for (const label of [all.dataset.time, ...labels]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = label;
    head.append(cell);
  }
  const body = made.createTBody();
  times.forEach((t, i) => {
    const row = body.insertRow();
    row.insertCell().textContent = moment(t);
    for (const column of columns) row.insertCell().textContent = words(column[i], unit);
  });
  return made;
}

function draw(section, answers) {
  const [numbers] = answers;
  const names = section.dataset.chart.split(",");
  const labels = beside ? JSON.parse(beside.textContent) : section.dataset.names.split("|");
  const unit = section.dataset.unit;
  const series = beside ? answers.map((answer) => answer.series[names[0]] ?? []) : names.map((name) => numbers.series[name] ?? []);
  const data = joined(series);
  const holder = section.querySelector(".plot");
  const width = Math.max(holder.clientWidth, 200);
  const told = series.some((points) => points.some(([, value]) => value !== null));
  section.hidden = !told;
  if (!told) return;
  let plot = plots.get(section);
  if (!plot) {
    plot = new uPlot(options(section, labels, unit, Math.max(holder.clientWidth, 200)), data, holder);
    plots.set(section, plot);
  } else {
    if (plot.width !== width) plot.setSize({ width, height: 200 });
    plot.setData(data, false);
  }
  plot.setScale("x", { min: numbers.from, max: numbers.to });
  // What is told while nobody points at anything: the last of all.
  setTimeout(() => plots.get(section) === plot && plot.cursor.left < 0 && plot.setLegend({ idx: data[0].length - 1 }));
  section.querySelector(".says").textContent = summary(labels, series, unit);
  const fold = section.querySelector(".as-table");
  fold.told = () => fold.querySelector("div").replaceChildren(table(labels, data, unit));
  if (fold.open) fold.told();
}

let last = null;
let marks = [];

async function read(source, query) {
  const response = await fetch(`${source}?${query}`, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (!response.ok || response.redirected) throw new Error(String(response.status));
  return response.json();
}

/** From when to when is looked at. */
function shown() {
  const now = Math.floor(Date.now() / 1000);
  return part ?? [now - Number(all.dataset.seconds), now];
}

async function renew() {
  const [from, to] = shown();
  const query = `from=${from}&to=${to}`;
  const numbers = `${query}&of=${all.dataset.of}`;
  const [found, ...answers] = await Promise.all([
    happened && read(all.dataset.events, `${query}&limit=100`),
    ...sources.map((source) => read(source, beside ? `${numbers}&series=${sections.map((section) => section.dataset.chart)}` : numbers)),
  ]);
  if (found) listed(found);
  last = answers;
  show();
}

function show() {
  for (const section of sections) draw(section, last);
  const empty = sections.every((section) => section.hidden);
  said.textContent = empty ? all.dataset.nothing : all.dataset.every.replace("{n}", length(Math.max(last[0].step, last[0].period ?? 1)));
}

/** Half of it, twice as much, or as much before or after it; never what has not been yet. */
const ZOOM = {
  closer: ([from, to]) => [from + (to - from) / 4, to - (to - from) / 4],
  wider: ([from, to]) => [from - (to - from) / 2, to + (to - from) / 2],
  earlier: ([from, to]) => [from - (to - from) / 2, to - (to - from) / 2],
  later: ([from, to]) => [from + (to - from) / 2, to + (to - from) / 2],
};

function zoom(how) {
  const [from, to] = ZOOM[how](shown()).map(Math.round);
  const ahead = Math.max(to - Math.floor(Date.now() / 1000), 0);
  if (to - from >= SHORTEST) look([from - ahead, to - ahead]);
}

function look(at) {
  part = at;
  whole.hidden = !at;
  attempt();
}

function attempt() {
  renew().catch(() => {
    said.textContent = all.dataset.failed;
  });
}

function anew() {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  if (last) show();
}

whole.addEventListener("click", () => look(null));
for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(button.dataset.zoom));
for (const fold of all.querySelectorAll(".as-table")) fold.addEventListener("toggle", () => fold.open && fold.told?.());
let drawn = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (last && Math.round(contentRect.width) !== drawn) show();
  drawn = Math.round(contentRect.width);
}).observe(all);
new MutationObserver(anew).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme", "class", "style"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
document.addEventListener("visibilitychange", () => document.hidden || part || attempt());
setInterval(() => document.hidden || part || attempt(), PERIOD);
document.hidden || attempt();
