// What a guest prints draws text and nothing else. All that reaches for the desk is swallowed: titles, colours of the
// terminal, links under another text, the clipboard; and all that would be answered, because an answer is typed into
// the guest in the name of whoever looks.

// Those that xterm knows, and the clipboard (52) and notifications (9, 777) that an addon might.
const COMMANDS = [0, 1, 2, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 52, 104, 105, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 777, 1337];

const QUESTIONS = [
  { final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, // what are you
  { final: "n" }, { prefix: "?", final: "n" }, // where is the cursor, are you well
  { intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" }, // which modes are set
  { prefix: ">", final: "q" }, // which version
  { final: "x" }, // which parameters
  { final: "t" }, // windows: size, place, title
  { prefix: "?", final: "S" }, // graphics
];
const REPORTS_FOCUS = 1004;

/** Make the terminal deaf for all of these. */
export function mute({ parser }) {
  const swallow = () => true;
  for (const command of COMMANDS) parser.registerOscHandler(command, swallow);
  for (const question of QUESTIONS) parser.registerCsiHandler(question, swallow);
  for (const intermediates of ["$", "+"]) parser.registerDcsHandler({ intermediates, final: "q" }, swallow);
  parser.registerEscHandler({ final: "Z" }, swallow);
  // A terminal that tells when it gets the focus types without anybody typing.
  parser.registerCsiHandler({ prefix: "?", final: "h" }, (params) => params.flat().includes(REPORTS_FOCUS));
}
