// The terminal: draws what comes, at the speed at which it can, and hands on what is typed.
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { mute } from "./mute.js";

const LINES = 10_000;
// So much may wait to be drawn; a page that cannot follow lets the rest go and asks for the last of it afterwards.
const MOST_WAITING = 1 << 20;

/** typed(text), typedBytes(string of bytes): what the user entered; released(): he wants his keys back. */
export function makeTerminal(place, { typed, typedBytes, released }) {
  const dark = getComputedStyle(place).getPropertyValue("--dark").trim();
  const terminal = new Terminal({
    allowProposedApi: true, // unicode 11's widths
    scrollback: LINES,
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    fontSize: matchMedia("(max-width: 576px)").matches ? 12 : 14,
    theme: { background: dark, foreground: "#e6eaee", cursor: "#6cb2ff", selectionBackground: "#3d5a80" },
    minimumContrastRatio: 4.5,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    linkHandler: { activate: () => {} },
  });
  mute(terminal);
  const fit = new FitAddon(), search = new SearchAddon();
  for (const addon of [fit, search, new Unicode11Addon(), new WebLinksAddon(follow)]) terminal.loadAddon(addon);
  terminal.unicode.activeVersion = "11";
  terminal.open(place);
  terminal.textarea.setAttribute("autocapitalize", "off");

  /** Only what it says, in full, is where it leads. */
  function follow(event, address) {
    if (/^https?:\/\//i.test(address)) window.open(address, "_blank", "noopener,noreferrer");
  }

  terminal.onData(typed);
  terminal.onBinary(typedBytes);
  terminal.attachCustomKeyEventHandler((event) => {
    if (!(event.ctrlKey && event.altKey && event.code === "Home")) return true;
    if (event.type === "keydown") released();
    return false;
  });
  new ResizeObserver(() => place.clientHeight && fit.fit()).observe(place);

  let waiting = 0, lost = false;
  /** Draw it; false when it was let go because too much waits. caughtUp() is called when nothing waits any more. */
  function draw(bytes, caughtUp) {
    lost ||= waiting > MOST_WAITING;
    if (lost) return false;
    waiting += bytes.length;
    terminal.write(bytes, () => {
      waiting -= bytes.length;
      if (waiting || !lost) return;
      lost = false;
      caughtUp();
    });
    return true;
  }

  /** All that is in it as text, without the blanks at the ends of lines. */
  function text() {
    const buffer = terminal.buffer.active, lines = [];
    for (let n = 0; n < buffer.length; n++) {
      const line = buffer.getLine(n);
      if (line.isWrapped && lines.length) lines[lines.length - 1] += line.translateToString(true);
      else lines.push(line.translateToString(true));
    }
    return lines.join("\n").trimEnd() + "\n";
  }

  return { terminal, search, draw, text };
}
