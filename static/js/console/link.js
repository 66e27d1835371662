// The way to a screen or a serial line: a ticket, a WebSocket; found again by itself unless somebody may no longer see
// it, or somebody else has to decide first.
const WAITS = [0.5, 1, 2, 4, 8, 15];
const FINAL = new Set(["signed_out", "session_ended", "token_ended", "dismissed", "right_gone", "vm_gone", "held_elsewhere"]);
const STATUS = { 401: "signed_out", 403: "right_gone", 404: "vm_gone" };

/**
 * form: where the ticket is asked for; attach(socket, up): takes the new socket, calls up() when there is something to
 * see, returns leave(closed), which lets go of it; expected(): whether there should be something to see now;
 * told(state, detail): connecting, connected, retrying {seconds, reason}, idle, leaving, ended {reason, said}.
 * mode is what one does, drive or view, and what is asked for when the way is found again; console is its number.
 */
export function makeLink({ form, attach, expected, told }) {
  const link = { connected: false, mode: "drive", console: 0, open, wake, rest, close, over: false };
  let socket = null, leave = () => {}, timer = 0, tries = 0, turn = 0;

  async function open(mode = link.mode, wish = {}) {
    const mine = ++turn;
    clearTimeout(timer);
    link.mode = mode;
    link.over = false;
    forget(false);
    told("connecting");
    const answer = await ask({ mode, ...wish });
    if (mine !== turn) return;
    if (answer.url) connect(answer, mine);
    else if (answer.final) end(answer.final, answer.said);
    else retry(answer.reason, answer.said);
  }

  // The way is also found again by itself, which is no activity; a click that wishes for it is told of by itself.
  async function ask(wish) {
    const body = new FormData(form);
    for (const [name, value] of Object.entries(wish)) body.set(name, value);
    try {
      const response = await fetch(form.action, { method: "POST", body, redirect: "manual", headers: { "X-Kvmweb-Refresh": "1" } });
      const json = response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : {};
      if (response.ok) return json;
      if (json.code === "no_console") return { reason: "no_screen" };
      if (json.code === "host_left_alone") return { reason: "left_alone", said: json.said };
      if (json.code === "too_many_consoles") return { reason: "refused", said: json.said };
      if (json.code) return { final: STATUS[response.status] ?? "refused", said: json.said };
      return STATUS[response.status] ? { final: STATUS[response.status] } : { reason: "lost" };
    } catch {
      return { reason: "lost" };
    }
  }

  function connect({ url, mode, console }, mine) {
    const address = new URL(url, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    link.mode = mode;
    link.console = console;
    socket = new WebSocket(address, "binary");
    socket.binaryType = "arraybuffer";
    // Before noVNC's own listener, which takes the picture away.
    socket.addEventListener("close", (event) => mine === turn && closed(event));
    leave = attach(socket, () => {
      if (mine !== turn) return;
      tries = 0;
      link.connected = true;
      told("connected");
    });
  }

  function forget(closed) {
    if (link.connected) told("leaving");
    link.connected = false;
    leave(closed);
    leave = () => {};
    socket = null;
  }

  function closed(event) {
    forget(true);
    turn++;
    if (FINAL.has(event.reason)) end(event.reason);
    else retry(event.reason || "lost");
  }

  function retry(reason, said) {
    if (!expected()) return rest();
    const seconds = WAITS[Math.min(tries++, WAITS.length - 1)];
    told("retrying", { seconds, reason, said });
    timer = setTimeout(() => open(), 1000 * seconds * (0.8 + 0.4 * Math.random()));
  }

  /** There should be something: try now. */
  function wake() {
    if (link.over || socket || link.connected) return;
    tries = 0;
    open();
  }

  /** There is nothing: wait until woken. */
  function rest() {
    clearTimeout(timer);
    if (socket || link.over) return;
    turn++;
    told("idle");
  }

  /** Nobody looks any more: let go of it, until woken. */
  function close() {
    clearTimeout(timer);
    turn++;
    forget(false);
    told("idle");
  }

  function end(reason, said) {
    link.over = true;
    told("ended", { reason, said });
  }

  return link;
}
