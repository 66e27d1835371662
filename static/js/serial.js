// A VM's serial line: a terminal in which one types and others watch.
import "./serial/nonce.js";
import { makeFull } from "./console/full.js";
import { makeLink } from "./console/link.js";
import { afterPress } from "./console/press.js";
import { makeTouch } from "./console/touch.js";
import { word } from "./console/words.js";
import { known, sequence } from "./serial/keys.js";
import { makeTerminal } from "./serial/terminal.js";

const SILENT = 3000;
const encoder = new TextEncoder();

function start(root) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const say = part("say"), viewOnly = part("view-only"), hint = part("hint"), held = part("held");
  const card = () => root.querySelector("#serial-card");
  const company = () => root.querySelector("#serial-company");
  const expected = () => card().dataset.offer === "ready";

  // Which place of which line was drawn last: what the line repeats to who comes back is left out.
  const seen = { line: "", at: 0 };
  let socket = null, silence = 0, stand = ["connecting", {}];
  const link = makeLink({ form: part("ticket"), attach, expected, told });
  const { terminal, search, draw, text } = makeTerminal(part("terminal"), {
    typed: (data) => send(encoder.encode(data)),
    typedBytes: (data) => send(Uint8Array.from(data, (character) => character.charCodeAt(0))),
    released: () => [...root.querySelectorAll(".console-tools button")].find((tool) => !tool.disabled && tool.offsetParent)?.focus(),
  });
  makeFull(root, () => terminal.focus());
  makeTouch(root, { known, press: (names) => type(sequence(names, terminal.modes)) });

  function send(bytes) {
    if (link.connected && link.mode === "drive") socket.send(bytes);
  }

  const type = (typed) => terminal.input(typed);

  function attach(made, up) {
    socket = made;
    let skip = 0;
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") {
        const { line, at } = JSON.parse(data);
        skip = line === seen.line ? Math.max(0, seen.at - at) : 0;
        Object.assign(seen, { line, at: at + (line === seen.line ? skip : 0) });
        return up();
      }
      const bytes = new Uint8Array(data);
      const fresh = bytes.subarray(Math.min(skip, bytes.length));
      skip -= bytes.length - fresh.length;
      if (!fresh.length) return;
      hear(true);
      if (draw(fresh, () => link.open())) seen.at += fresh.length;
    });
    return (closed) => closed || made.close();
  }

  /** Whether it says something; where it does not for a while, the reader is told what may help. */
  function hear(something) {
    clearTimeout(silence);
    hint.hidden = true;
    if (!something) silence = setTimeout(() => (hint.hidden = !link.connected), SILENT);
  }

  function told(state, detail = {}) {
    root.dataset.link = state;
    stand = [state, detail];
    held.hidden = detail.reason !== "held_elsewhere";
    if (state === "connected") {
      ask();
      if (!seen.at) hear(false);
      if (document.activeElement === document.body && link.mode === "drive") terminal.focus();
    } else if (state !== "leaving") {
      clearTimeout(silence);
      hint.hidden = true;
    }
    if (state === "ended" && held.hidden && root.hasAttribute("data-own")) window.close();
    show();
  }

  /** Who else is there: told by the server, and told again whenever that changes. */
  function ask() {
    const url = new URL(card().dataset.fragment, location.href);
    url.searchParams.set("console", link.console);
    for (const element of [card(), company()]) element.dataset.fragment = url.pathname + url.search;
    document.dispatchEvent(new CustomEvent("kvmweb:names", { detail: [`vm:${root.dataset.vm}`] }));
  }

  function show() {
    const drives = link.connected && link.mode === "drive";
    for (const tool of root.querySelectorAll("[data-drives]")) tool.disabled = !drives;
    for (const tool of root.querySelectorAll("[data-shows]")) tool.disabled = !link.connected;
    terminal.options.disableStdin = !drives;
    terminal.options.cursorInactiveStyle = drives ? "outline" : "none";
    viewOnly?.setAttribute("aria-pressed", String(link.mode === "view"));
    company().hidden = !link.connected;
    say.textContent = sentence(...stand);
  }

  const why = ({ said, reason, seconds }) => said || word(reason) || word("retrying", { n: Math.ceil(seconds) });

  function sentence(state, detail) {
    if (state === "connected" && link.mode !== "drive") return word("viewing");
    if (state === "connected") return word(part("terminal").contains(document.activeElement) ? "caught" : "connected");
    if (state === "ended") return detail.said || word(detail.reason);
    if (state === "retrying") return `${why(detail)} ${link.mode === "drive" ? word("unsent") : ""}`.trim();
    return word(state);
  }

  // The card is the server's word on the VM, the company on who types: one that was taken over is asked for as a
  // watcher when the way to it is lost and found again.
  let offered;
  function look() {
    const { mode, console, fragment } = company().dataset;
    // An answer that was under way for an earlier console of this page.
    if (link.connected && !fragment.endsWith(`console=${link.console}`)) ask();
    if (mode && Number(console) === link.console && mode !== link.mode) {
      link.mode = mode;
      show();
    }
    if (card().dataset.offer === offered) return;
    offered = card().dataset.offer;
    if (expected()) link.wake();
    else link.rest();
  }
  document.addEventListener("kvmweb:swapped", look);

  root.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-take-over]");
    if (!form) return;
    event.preventDefault();
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" }).catch(() => null);
    if (response?.ok) terminal.focus();
    ask();
  });
  viewOnly?.addEventListener("click", () => {
    link.mode = link.mode === "drive" ? "view" : "drive";
    show();
    if (expected()) link.open();
  });
  part("take-line")?.addEventListener("click", () => link.open("drive", { force: "1" }));
  part("try-again")?.addEventListener("click", () => link.open());

  part("size")?.addEventListener("click", () => {
    type(`stty rows ${terminal.rows} cols ${terminal.cols}\r`);
    terminal.focus();
  });
  part("typing")?.addEventListener("submit", (event) => {
    event.preventDefault();
    type(event.target.elements.text.value.replaceAll(/\r?\n/g, "\r"));
    event.target.closest("[popover]").hidePopover();
    terminal.focus();
  });
  part("seek")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const found = search.findPrevious(event.target.elements.text.value);
    part("seek-said").textContent = found ? "" : word("not_found");
  });
  part("copy")?.addEventListener("click", () => navigator.clipboard?.writeText(terminal.getSelection()));
  terminal.onSelectionChange(() => part("copy") && (part("copy").disabled = !terminal.hasSelection()));
  part("save").addEventListener("click", () => save(text(), `${root.dataset.name} ${root.dataset.device}`));
  part("aloud").addEventListener("click", ({ currentTarget }) => {
    terminal.options.screenReaderMode = !terminal.options.screenReaderMode;
    currentTarget.setAttribute("aria-pressed", String(terminal.options.screenReaderMode));
    localStorage.setItem("kvmweb-serial-aloud", String(terminal.options.screenReaderMode));
  });
  if (localStorage.getItem("kvmweb-serial-aloud") === "true") part("aloud").click();
  part("own-window")?.addEventListener("click", (event) => {
    event.preventDefault();
    window.open(event.currentTarget.href, event.currentTarget.target, "popup,width=1040,height=840")?.focus();
  });
  part("terminal").addEventListener("focusin", show);
  part("terminal").addEventListener("focusout", () => afterPress(show));

  link.mode = root.dataset.mode;
  look();
}

/** Save the text as a file: "web-01 serial0 2026-03-01 14.02.11.txt". */
function save(text, name) {
  const link = document.createElement("a");
  const at = new Date(Date.now() - 60000 * new Date().getTimezoneOffset()).toISOString();
  link.download = `${name} ${at.slice(0, 10)} ${at.slice(11, 19).replaceAll(":", ".")}.txt`;
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

for (const root of document.querySelectorAll("[data-serial]")) start(root);
