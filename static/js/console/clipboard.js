// The clipboards of VM and desk, which cross only by a click, each way, with the text shown.
import { word } from "./words.js";

export function makeClipboard(root, link) {
  const form = root.querySelector("[data-clipboard]");
  if (!form) return { listen() {} };
  const from = form.querySelector("[data-from-vm]");
  const take = form.querySelector("[data-take]");
  const said = form.querySelector("[data-clipboard-said]");

  take.addEventListener("click", async () => {
    await navigator.clipboard.writeText(from.value);
    said.textContent = word("taken");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    link.rfb?.clipboardPasteFrom(form.elements.text.value);
    said.textContent = word("given");
  });
  return {
    listen() {
      link.rfb.addEventListener("clipboard", (event) => {
        from.value = event.detail.text;
        take.disabled = !from.value;
      });
    },
  };
}
