// Typing a text as keys, and combinations of keys by name.
import { known, press, useLayout } from "./keys.js";
import { word } from "./words.js";

const PAUSE = 1000 / 30;

export function makeTyping(root, link) {
  const form = root.querySelector("[data-typing]");
  if (!form) return;
  const said = form.querySelector("[data-typing-said]");
  const stop = form.querySelector("[data-stop]");
  const layout = form.elements.layout;
  let going = false;

  layout.addEventListener("change", () => useLayout(layout.value));
  useLayout(layout.value);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = [...form.elements.text.value.replaceAll("\r\n", "\n")];
    const strange = [...new Set(text.filter((character) => !known(character)))];
    if (strange.length) {
      said.textContent = word("untypable", { keys: strange.join(" ") });
      return;
    }
    going = true;
    stop.hidden = false;
    // What a connection has lost is not typed into the next one.
    const { rfb } = link;
    const stands = () => link.connected && link.rfb === rfb;
    let n = 0;
    while (n < text.length && going && stands()) {
      press(rfb, [text[n++]]);
      said.textContent = word("typing", { n, all: text.length });
      await new Promise((done) => setTimeout(done, PAUSE));
    }
    said.textContent = stands() ? word(going ? "typed" : "stopped") : word("typing_lost", { n, all: text.length });
    going = false;
    stop.hidden = true;
  });
  stop.addEventListener("click", () => (going = false));
}

export function makeCombos(root, link) {
  const own = root.querySelector("[data-own-combo]");
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-combo]");
    if (!button || !link.rfb) return;
    press(link.rfb, button.dataset.combo.split("+"));
    button.closest("[popover]")?.hidePopover();
    link.rfb.focus();
  });
  own?.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = own.elements.key.value;
    const key = typed.length === 1 ? typed.toLowerCase() : typed;
    const said = own.querySelector("[data-combo-said]");
    if (!known(key)) {
      said.textContent = word("unknown_key", { key: typed });
      return;
    }
    const names = [...own.querySelectorAll("[name=modifier]:checked")].map((box) => box.value);
    if (link.connected) press(link.rfb, [...names, key]);
    said.textContent = word(link.connected ? "sent" : "not_sent", { key: [...names, typed].join("-") });
  });
}
