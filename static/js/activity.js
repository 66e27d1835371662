// Clicks, keys and the pointer anywhere on a page say that somebody is there: the server is told once a minute at most,
// and of nothing else. Before the session ends the page says so. It asks the server then, because another page or a
// console may have been used meanwhile.
import { forget } from "./leaving.js";

const MINUTE = 60_000;
const LONGEST = 12 * 60 * MINUTE;
const REFRESH = { "X-Kvmweb-Refresh": "1" };
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchmove"];

const box = document.getElementById("ending");
const part = (name) => box.querySelector(`[data-${name}]`);

/** To the door, which says that the session has ended, and from there back to this page. */
export function leave() {
  forget();
  const here = location.pathname + location.search;
  location.assign(`${box?.dataset.door ?? "/accounts/login/"}?ended&next=${encodeURIComponent(here)}`);
}

/** {idle, absolute}: seconds that are left; null where the session has ended. */
async function left() {
  const response = await fetch(box.dataset.left, { headers: REFRESH });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

function start() {
  const early = 1000 * box.dataset.early;
  let warned = false, toldAt = Date.now(), later = 0, timer = 0;

  /** Ask again when there may be something to say, and each minute while there is. */
  function plan({ idle, absolute }) {
    const ends = Date.now() + 1000 * Math.min(idle, absolute);
    const rest = ends - Date.now();
    warned = rest <= early;
    if (warned) say(ends, idle < absolute);
    else box.hidden = true;
    clearTimeout(timer);
    timer = setTimeout(ask, warned ? Math.min(rest, MINUTE) + 500 : Math.min(rest - early, LONGEST));
  }

  function say(ends, idle) {
    const minutes = Math.ceil((ends - Date.now()) / MINUTE);
    const at = new Date(ends);
    const clock = [at.getHours(), at.getMinutes()].map((number) => String(number).padStart(2, "0")).join(":");
    box.hidden = false;
    part("stay").hidden = !idle;
    part("again").hidden = idle;
    const text = part(minutes > 1 ? "minutes" : "moment").textContent.replace("{at}", clock).replace("{n}", minutes);
    if (part("warning").textContent !== text) part("warning").textContent = text;
  }

  async function ask() {
    clearTimeout(timer);
    try {
      const now = await left();
      if (now) plan(now);
      else leave();
    } catch {
      timer = setTimeout(ask, MINUTE);
    }
  }

  async function tell() {
    clearTimeout(later);
    later = 0;
    toldAt = Date.now();
    try {
      const { status } = await fetch(box.dataset.active, { method: "POST", body: new FormData(part("stay")), headers: REFRESH });
      if (status === 401) leave();
      else if (warned) await ask();
    } catch {
      // Without the dashboard there is no session to keep; the page says so by itself.
    }
  }

  function note({ isTrusted, type }) {
    // A hand on its way to the button must not take the button away; what it presses counts.
    if (!isTrusted || later || (warned && type === "pointermove")) return;
    const wait = warned ? 0 : Math.max(0, toldAt + MINUTE - Date.now());
    later = setTimeout(tell, wait);
  }

  for (const type of SIGNS) addEventListener(type, note, { capture: true, passive: true });
  part("stay").addEventListener("submit", (event) => {
    event.preventDefault();
    tell();
  });
  // Over a console that fills the screen nothing else is seen.
  document.addEventListener("fullscreenchange", () => (document.fullscreenElement ?? document.body).append(box));
  plan({ idle: Number(box.dataset.idle), absolute: Number(box.dataset.absolute) });
}

if (box) start();
