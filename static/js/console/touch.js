// A telephone's keyboard and a row of the keys that it lacks. What it writes arrives in a hidden field; the difference
// to what was there before is typed, because such keyboards replace words and name no keys.
const FILLER = "_".repeat(64);

/** press(names): what is done with keys; known(name): whether there is such a key. */
export function makeTouch(root, { press, known }) {
  const button = root.querySelector("[data-keyboard]");
  const row = root.querySelector("[data-key-row]");
  const field = root.querySelector("[data-catcher]");
  if (!button) return;
  const held = new Set();

  function send(name) {
    if (!known(name)) return;
    press([...held, name]);
    for (const sticky of [...held]) stick(sticky, false);
  }

  function stick(name, on) {
    if (on) held.add(name);
    else held.delete(name);
    row.querySelector(`[data-sticky="${name}"]`).setAttribute("aria-pressed", String(on));
  }

  function refill() {
    field.value = FILLER;
    field.setSelectionRange(FILLER.length, FILLER.length);
  }

  function typed() {
    const value = field.value;
    let same = 0;
    while (same < Math.min(value.length, before.length) && value[same] === before[same]) same++;
    for (let n = before.length; n > same; n--) send("Backspace");
    for (const character of value.slice(same)) send(character);
    before = value;
  }

  let before = FILLER;
  field.addEventListener("input", (event) => {
    typed();
    if (!event.isComposing && (field.value.length > 2 * FILLER.length || field.value.length < FILLER.length / 2)) {
      refill();
      before = FILLER;
    }
  });
  field.addEventListener("keydown", (event) => {
    // Keys that have a name are sent as they are; a Backspace is seen in the text.
    if (event.isComposing || event.key.length === 1 || event.key === "Backspace" || !known(event.key)) return;
    if (["Control", "Alt", "Shift", "Meta"].includes(event.key)) return;
    event.preventDefault();
    send(event.key);
  });
  field.addEventListener("focus", () => {
    refill();
    before = FILLER;
    show(true);
  });
  field.addEventListener("blur", () => show(false));

  function show(on) {
    row.hidden = !on;
    root.toggleAttribute("data-typing-on", on);
    fit();
    if (on) root.scrollIntoView({ block: "start" });
    button.setAttribute("aria-pressed", String(on));
  }

  // What the telephone's keyboard leaves free of the window.
  const fit = () => root.style.setProperty("--seen", `${visualViewport.height}px`);
  visualViewport.addEventListener("resize", fit);

  // The row must not take the focus: the keyboard would go away.
  for (const element of [row, button]) element.addEventListener("pointerdown", (event) => event.preventDefault());
  button.addEventListener("click", () => (document.activeElement === field ? field.blur() : field.focus()));
  row.addEventListener("click", (event) => {
    const key = event.target.closest("button");
    if (key?.dataset.sticky) stick(key.dataset.sticky, !held.has(key.dataset.sticky));
    else if (key?.dataset.key) send(key.dataset.key);
  });
}
