// Keys by the names that browsers give them, each with its X11 keysym and the code of its place on the keyboard.
// QEMU takes the place: what needs Shift must be sent with Shift.

const NAMED = {
  Control: [0xffe3, "ControlLeft"], Alt: [0xffe9, "AltLeft"], Shift: [0xffe1, "ShiftLeft"], Meta: [0xffeb, "MetaLeft"],
  Escape: [0xff1b, "Escape"], Tab: [0xff09, "Tab"], Enter: [0xff0d, "Enter"], Backspace: [0xff08, "Backspace"],
  Delete: [0xffff, "Delete"], Insert: [0xff63, "Insert"], Home: [0xff50, "Home"], End: [0xff57, "End"],
  PageUp: [0xff55, "PageUp"], PageDown: [0xff56, "PageDown"], PrintScreen: [0xff61, "PrintScreen"],
  ArrowLeft: [0xff51, "ArrowLeft"], ArrowUp: [0xff52, "ArrowUp"],
  ArrowRight: [0xff53, "ArrowRight"], ArrowDown: [0xff54, "ArrowDown"],
};
for (let n = 1; n <= 12; n++) NAMED[`F${n}`] = [0xffbd + n, `F${n}`];

const PLACES = [
  ["`~", "Backquote"], ["1!", "Digit1"], ["2@", "Digit2"], ["3#", "Digit3"], ["4$", "Digit4"], ["5%", "Digit5"],
  ["6^", "Digit6"], ["7&", "Digit7"], ["8*", "Digit8"], ["9(", "Digit9"], ["0)", "Digit0"], ["-_", "Minus"],
  ["=+", "Equal"], ["[{", "BracketLeft"], ["]}", "BracketRight"], ["\\|", "Backslash"], [";:", "Semicolon"],
  ["'\"", "Quote"], [",<", "Comma"], [".>", "Period"], ["/?", "Slash"], ["  ", "Space"],
];
for (const letter of "abcdefghijklmnopqrstuvwxyz") PLACES.push([letter + letter.toUpperCase(), `Key${letter.toUpperCase()}`]);

const CHARACTERS = new Map([["\n", { names: ["Enter"] }], ["\t", { names: ["Tab"] }]]);
for (const [[plain, shifted], code] of PLACES) {
  CHARACTERS.set(shifted, { keysym: shifted.codePointAt(0), code, shift: true });
  CHARACTERS.set(plain, { keysym: plain.codePointAt(0), code, shift: false });
}

/** Whether this name is a key or a character of the US keyboard. */
export function known(name) {
  return name in NAMED || CHARACTERS.has(name);
}

function named(name) {
  const [keysym, code] = NAMED[name];
  return { keysym, code };
}

/** Press these keys in turn and let them go in reverse: ["Control", "Alt", "Delete"]. */
export function press(rfb, names) {
  const keys = names.flatMap(strokes);
  for (const key of keys) rfb.sendKey(key.keysym, key.code, true);
  for (const key of keys.reverse()) rfb.sendKey(key.keysym, key.code, false);
}

function strokes(name) {
  if (name in NAMED) return [named(name)];
  const character = CHARACTERS.get(name);
  if (character.names) return character.names.map(named);
  return character.shift ? [named("Shift"), character] : [character];
}

/** Let go of what the guest may believe to be held. */
export function release(rfb) {
  for (const [keysym, code] of [[0xffe3, "ControlLeft"], [0xffe4, "ControlRight"], [0xffe9, "AltLeft"], [0xffea, "AltRight"], [0xffe1, "ShiftLeft"], [0xffe2, "ShiftRight"]]) {
    rfb.sendKey(keysym, code, false);
  }
}
