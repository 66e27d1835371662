// Keys by the names that browsers give them, as a terminal sends them.
const PLAIN = {
  Escape: "\x1b", Tab: "\t", Enter: "\r", Backspace: "\x7f", Delete: "\x1b[3~", Insert: "\x1b[2~",
  PageUp: "\x1b[5~", PageDown: "\x1b[6~", F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS", F5: "\x1b[15~",
  F6: "\x1b[17~", F7: "\x1b[18~", F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~", F11: "\x1b[23~", F12: "\x1b[24~",
};
const CURSOR = { ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D", Home: "H", End: "F" };
const HELD = new Set(["Control", "Alt"]);

/** Whether this name is a key or a character. */
export function known(name) {
  return name in PLAIN || name in CURSOR || [...name].length === 1;
}

/** What these keys, pressed together, send: ["Control", "c"]. */
export function sequence(names, { applicationCursorKeysMode }) {
  const name = names.find((one) => !HELD.has(one));
  let sent = PLAIN[name] ?? (name in CURSOR ? `\x1b${applicationCursorKeysMode ? "O" : "["}${CURSOR[name]}` : name);
  if (sent === "\n") sent = "\r";
  if (names.includes("Control") && sent.length === 1) sent = String.fromCharCode(sent.toUpperCase().charCodeAt(0) & 0x1f);
  return names.includes("Alt") ? `\x1b${sent}` : sent;
}
