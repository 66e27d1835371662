// Names come in, the parts of the page that show these things are fetched again and morphed.
// An element says what it shows: data-live="vm:12 host:1 op:*"; and from where it comes: data-fragment, else this page.
import htmx from "htmx.org";
import { leave } from "./activity.js";
import { forget } from "./leaving.js";

const GATHER = 200;
const RENEW = 60_000;
const LONGEST_WAIT = 15_000;
const WHOLE_LIST = 3_000;

let names = new Set();
let timer = 0;
let busy = false;
let socket;
let wait = 500;
let last = 0;
let wholeAt = 0;
let wholeLater = 0;
// When the last renewals ended, and how long the last one took: after a rest a few go at once, in a storm there is one
// a GATHER, and fewer where the server needs long for it.
const BURST = 3;
const REST = 4;
const renewals = [];
let took = 0;
// Whole lists are fetched in a thirtieth of the time at most: meanwhile no row is.
const SHARE = 30;
let tookWhole = 0;

/** Whether one of the names is among those that the element shows. */
function shows(element, asked) {
  if (asked.has("*")) return true;
  return element.dataset.live.split(" ").some((shown) => {
    if (shown === "*" || asked.has(shown)) return true;
    const kind = shown.split(":")[0];
    return shown.endsWith(":*") ? [...asked].some((name) => name.startsWith(`${kind}:`)) : asked.has(`${kind}:*`);
  });
}

// A page that is being left, by a link or by what the reader has just asked for, must not be held back.
let leaving = false;
addEventListener("beforeunload", () => (leaving = true));
addEventListener("pageshow", () => (leaving = false));

/** Load the page again where it shows what may no longer be seen; a moment later, because what was asked for here may
    be why, and its answer leads elsewhere. */
function reload(tries = 0) {
  const waits = leaving || document.querySelector("form[data-busy]");
  if (!tries || (waits && tries < 20)) setTimeout(() => reload(tries + 1), 500);
  else {
    forget();
    location.reload();
  }
}

/** Text of a part; a session that has ended leads to the sign-in page, a right that has gone to the page that says so. */
async function get(url) {
  const response = await fetch(url, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (response.redirected && new URL(response.url).pathname === "/accounts/login/") leave();
  if (response.status === 403 || response.status === 404) reload();
  return response.ok ? response.text() : "";
}

/** What is read at a glance, before and after: what differs glows once. */
const glance = () => new Map([...document.querySelectorAll("[data-glow]")].map((element) => [element, element.textContent]));

function glow(before) {
  for (const [element, text] of before) {
    if (element.isConnected && element.textContent !== text) {
      element.classList.remove("glow");
      requestAnimationFrame(() => element.classList.add("glow"));
    }
  }
}

async function morph(text, target, select) {
  if (!text || !target.isConnected) return;
  if (select && !new DOMParser().parseFromString(text, "text/html").querySelector(select)) return;
  await htmx.swap({ text, target, select, swap: "outerMorph ignoreTitle:true", sourceElement: document.body });
}

/** The rows of a list come together in one answer; a VM that has no row here means that the list itself is old. */
async function renewRows(table, asked) {
  const rows = [...table.querySelectorAll("[data-vm][data-live]")].filter((row) => shows(row, asked));
  if (rows.length) {
    const url = new URL(table.dataset.rows, location);
    url.searchParams.set("ids", rows.map((row) => row.dataset.vm).join(","));
    const text = await get(url);
    if (text) await htmx.swap({ text, target: table, swap: "none", sourceElement: document.body });
  }
}

const unknown = (list, asked) => [...asked].some((name) => /^vm:/.test(name) && name !== "vm:*" && !list.querySelector(`[data-live="${name}"]`));

/** Fetch the list itself: now and then, for VMs that it does not show. */
function wholeSoon() {
  wholeLater ||= setTimeout(() => {
    wholeLater = 0;
    look(["vm:*"]);
  }, Math.max(wholeAt + Math.max(WHOLE_LIST, SHARE * tookWhole) - Date.now(), 0));
}

/** Whether the list itself is to be fetched, and not the rows that it shows. */
function wantsWhole(asked) {
  const all = asked.has("*") || asked.has("vm:*");
  if (all) wholeAt = Date.now();
  return all;
}

/** Whether something here is to be fetched for this name. */
function concerns(name) {
  const asked = new Set([name]);
  let found = false;
  for (const element of document.querySelectorAll("[data-live]")) {
    if (!shows(element, asked)) continue;
    if (element.hasAttribute("data-list") && unknown(element, asked)) wholeSoon();
    else found = true;
  }
  return found;
}

/** One after the other, so that an older answer never comes to stand over a newer one. */
async function renewOnce() {
  const began = performance.now();
  const wholeBefore = wholeAt;
  timer = 0;
  busy = true;
  try {
    await renew();
  } finally {
    busy = false;
    renewals.push(performance.now());
    const now = performance.now() - began;
    if (wholeAt === wholeBefore) took = now;
    else tookWhole = now;
    if (renewals.length > BURST) renewals.shift();
    if (names.size) look([]);
  }
}

async function renew() {
  const asked = names;
  names = new Set();
  const before = glance();
  const pages = new Map();
  for (const element of document.querySelectorAll("[data-live]")) {
    if (element.matches("tr, .tile") || !shows(element, asked)) continue;
    const rows = element.hasAttribute("data-list") && element.querySelector("[data-rows]");
    if (rows && !wantsWhole(asked)) {
      await renewRows(rows, asked);
      continue;
    }
    if (element.parentElement.closest("[data-live]")) continue;
    const url = element.dataset.fragment ?? location.pathname + location.search;
    pages.set(url, [...(pages.get(url) ?? []), element]);
  }
  for (const [url, elements] of pages) {
    const text = await get(url);
    for (const element of elements) await morph(text, element, `#${element.id}`);
  }
  glow(before);
  document.dispatchEvent(new Event("kvmweb:swapped"));
}

/** At once after a rest, else gather for a moment, so that a storm is few requests; a hidden page waits until seen. */
function look(some) {
  for (const name of some.map((one) => (one === "vms:*" ? "vm:*" : one))) if (concerns(name)) names.add(name);
  if (!names.size || timer || busy || document.hidden) return;
  const early = renewals.length < BURST ? 0 : BURST * Math.max(GATHER, REST * took) - (performance.now() - renewals[0]);
  timer = setTimeout(() => renewOnce().catch(() => {}), early > 0 ? early + Math.random() * 100 : 0);
}

function connect() {
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/live`);
  socket.addEventListener("open", () => {
    // What was under way when the page was made may have ended before anything was heard here.
    if (wait > 500 || last || document.querySelector("[data-under-way]")) look(["*"]);
    wait = 500;
    last = 0;
    document.getElementById("lost").hidden = true;
    document.documentElement.dataset.hears = "";
  });
  socket.addEventListener("message", (event) => {
    const { n, names: some } = JSON.parse(event.data);
    look(last && n !== last + 1 ? ["*"] : some);
    last = n;
  });
  socket.addEventListener("close", ({ code }) => {
    delete document.documentElement.dataset.hears;
    if (code === 4401) return leave();
    last = last || 1;
    if (wait > 2000) document.getElementById("lost").hidden = false;
    setTimeout(connect, wait + Math.random() * wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

if (document.getElementById("lost")) {
  connect();
  setInterval(() => look(["*"]), RENEW);
  document.addEventListener("visibilitychange", () => !document.hidden && names.size && look([]));
  document.addEventListener("kvmweb:names", (event) => look(event.detail));
  addEventListener("pagehide", () => socket?.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
