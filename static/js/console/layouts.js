// Where each character stands on the keyboard that the VM believes to have. QEMU takes the place of a key, so text that
// is typed as keys has to be looked up in the guest's own layout.
const CODES = [
  ["Backquote", "Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0", "Minus", "Equal"],
  ["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP", "BracketLeft", "BracketRight"],
  ["KeyA", "KeyS", "KeyD", "KeyF", "KeyG", "KeyH", "KeyJ", "KeyK", "KeyL", "Semicolon", "Quote", "Backslash"],
  ["IntlBackslash", "KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash"],
];

// Row by row: plain, with Shift, with AltGr; "·" is no character. dead: keys that wait for a letter.
const LAYOUTS = {
  us: {
    rows: [
      ["`1234567890-=", "~!@#$%^&*()_+"],
      ["qwertyuiop[]", "QWERTYUIOP{}"],
      ["asdfghjkl;'\\", 'ASDFGHJKL:"|'],
      ["·zxcvbnm,./", "·ZXCVBNM<>?"],
    ],
    dead: "",
  },
  de: {
    rows: [
      ["^1234567890ß´", '°!"§$%&/()=?`', "··²³···{[]}\\·"],
      ["qwertzuiopü+", "QWERTZUIOPÜ*", "@·€········~"],
      ["asdfghjklöä#", "ASDFGHJKLÖÄ'"],
      ["<yxcvbnm,.-", ">YXCVBNM;:_", "|······µ···"],
    ],
    dead: "^´`",
  },
  fr: {
    rows: [
      ["²&é\"'(-è_çà)=", "·1234567890°+", "··~#{[|`\\^@]}"],
      ["azertyuiop·$", "AZERTYUIOP·£", "··€·········"],
      ["qsdfghjklmù*", "QSDFGHJKLM%µ"],
      ["<wxcvbn,;:!", ">WXCVBN?./§"],
    ],
    dead: "",
  },
};

const HELD = [[], ["Shift"], ["AltGraph"]];

/** {character: {names: keys to hold, keysym, code, dead}} of the layout, the US one for an unknown name. */
export function charactersOf(name) {
  const { rows, dead } = LAYOUTS[name] ?? LAYOUTS.us;
  const found = new Map([["\n", { names: ["Enter"] }], ["\t", { names: ["Tab"] }]]);
  const add = (character, code, level) => {
    if (found.has(character) || character === "·") return;
    found.set(character, { names: HELD[level], keysym: character.codePointAt(0), code, dead: dead.includes(character) });
  };
  add(" ", "Space", 0);
  for (const level of [0, 1, 2]) {
    rows.forEach((row, at) => [...(row[level] ?? "")].forEach((character, place) => add(character, CODES[at][place], level)));
  }
  return found;
}
