// Keys by the names that browsers give them, each with its X11 keysym and the code of its place on the keyboard.
// QEMU takes the place: what needs Shift must be sent with Shift.
import { charactersOf } from "./layouts.js";

const NAMED = {
  Control: [0xffe3, "ControlLeft"], Alt: [0xffe9, "AltLeft"], Shift: [0xffe1, "ShiftLeft"], Meta: [0xffeb, "MetaLeft"],
  AltGraph: [0xfe03, "AltRight"],
  Escape: [0xff1b, "Escape"], Tab: [0xff09, "Tab"], Enter: [0xff0d, "Enter"], Backspace: [0xff08, "Backspace"],
  Delete: [0xffff, "Delete"], Insert: [0xff63, "Insert"], Home: [0xff50, "Home"], End: [0xff57, "End"],
  PageUp: [0xff55, "PageUp"], PageDown: [0xff56, "PageDown"], PrintScreen: [0xff61, "PrintScreen"],
  ArrowLeft: [0xff51, "ArrowLeft"], ArrowUp: [0xff52, "ArrowUp"],
  ArrowRight: [0xff53, "ArrowRight"], ArrowDown: [0xff54, "ArrowDown"],
};
for (let n = 1; n <= 12; n++) NAMED[`F${n}`] = [0xffbd + n, `F${n}`];

let characters = charactersOf("us");

/** Type for a VM whose keyboard has this layout; one that is not known is taken for the US layout. */
export function useLayout(name) {
  characters = charactersOf(name);
}

/** Whether this name is a key or a character of the VM's keyboard. */
export function known(name) {
  return name in NAMED || characters.has(name);
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
  // A dead key is a character of its own with a space after it.
  if (names.some((name) => characters.get(name)?.dead)) press(rfb, [" "]);
}

function strokes(name) {
  if (name in NAMED) return [named(name)];
  const { names = [], keysym, code } = characters.get(name);
  return [...names.map(named), ...(code ? [{ keysym, code }] : [])];
}

/** Let go of what the guest may believe to be held. */
export function release(rfb) {
  for (const [keysym, code] of [[0xffe3, "ControlLeft"], [0xffe4, "ControlRight"], [0xffe9, "AltLeft"], [0xffea, "AltRight"], [0xffe1, "ShiftLeft"], [0xffe2, "ShiftRight"]]) {
    rfb.sendKey(keysym, code, false);
  }
}
