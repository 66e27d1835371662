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
    for (let n = 0; n < text.length && going && link.rfb; n++) {
      press(link.rfb, [text[n]]);
      said.textContent = word("typing", { n: n + 1, all: text.length });
      await new Promise((done) => setTimeout(done, PAUSE));
    }
    said.textContent = word(going ? "typed" : "stopped");
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
    if (link.rfb) press(link.rfb, [...names, key]);
    said.textContent = word("sent", { key: [...names, typed].join("-") });
  });
}
