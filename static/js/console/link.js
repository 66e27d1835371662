// The way to the screen: a ticket, a WebSocket, noVNC; found again by itself unless somebody may no longer see it.
import RFB from "@novnc/novnc";

const WAITS = [0.5, 1, 2, 4, 8, 15];
const FINAL = new Set(["signed_out", "session_ended", "token_ended", "right_gone", "vm_gone"]);
const STATUS = { 401: "signed_out", 403: "right_gone", 404: "vm_gone" };

/**
 * form: where the ticket is asked for; screen: the element for the picture; expected(): whether there should be a
 * picture now; told(state, detail): connecting, connected, retrying {seconds, reason}, idle, leaving, ended {reason, said}.
 */
export function makeLink({ form, screen, expected, told }) {
  const link = { rfb: null, connected: false, mode: "drive", open, wake, rest, over: false };
  let socket = null, timer = 0, tries = 0, turn = 0;

  async function open(mode = link.mode) {
    const mine = ++turn;
    clearTimeout(timer);
    link.mode = mode;
    link.over = false;
    drop();
    told("connecting");
    const answer = await ask(mode);
    if (mine !== turn) return;
    if (answer.url) connect(answer.url, mine);
    else if (answer.final) end(answer.final, answer.said);
    else retry(answer.reason, answer.said);
  }

  async function ask(mode) {
    const body = new FormData(form);
    body.set("mode", mode);
    try {
      const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      const json = response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : {};
      if (response.ok) return json;
      if (json.code === "no_console") return { reason: "no_screen" };
      if (json.code === "too_many_consoles") return { reason: "refused", said: json.said };
      if (json.code) return { final: STATUS[response.status] ?? "refused", said: json.said };
      return STATUS[response.status] ? { final: STATUS[response.status] } : { reason: "lost" };
    } catch {
      return { reason: "lost" };
    }
  }

  function connect(path, mine) {
    const address = new URL(path, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(address, "binary");
    socket.binaryType = "arraybuffer";
    // Before noVNC's own listener, which takes the picture away.
    socket.addEventListener("close", (event) => mine === turn && closed(event));
    const rfb = new RFB(screen, socket, { shared: true });
    link.rfb = rfb;
    rfb.viewOnly = link.mode !== "drive";
    rfb.background = "transparent";
    rfb.addEventListener("connect", () => {
      if (mine !== turn) return;
      tries = 0;
      link.connected = true;
      told("connected");
    });
  }

  function closed(event) {
    if (link.connected) told("leaving");
    link.connected = false;
    link.rfb = socket = null;
    turn++;
    if (FINAL.has(event.reason)) end(event.reason);
    else retry(event.reason || "lost");
  }

  function drop() {
    if (link.connected) told("leaving");
    link.connected = false;
    link.rfb?.disconnect();
    link.rfb = socket = null;
  }

  function retry(reason, said) {
    if (!expected()) return rest();
    const seconds = WAITS[Math.min(tries++, WAITS.length - 1)];
    told("retrying", { seconds, reason, said });
    timer = setTimeout(open, 1000 * seconds * (0.8 + 0.4 * Math.random()));
  }

  /** There should be a picture: try now. */
  function wake() {
    if (link.over || socket || link.connected) return;
    tries = 0;
    open();
  }

  /** There is none: wait until woken. */
  function rest() {
    clearTimeout(timer);
    if (socket || link.over) return;
    turn++;
    told("idle");
  }

  function end(reason, said) {
    link.over = true;
    told("ended", { reason, said });
  }

  return link;
}
