// A form marked data-preview is sent there whenever something in it changes; the answer is what would be made of it.
import htmx from "htmx.org";

const REST = 250;
let timer = 0;
let asked = 0;

async function preview(form) {
  const number = ++asked;
  const response = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
  if (response.redirected) return location.assign(response.url);
  // What is older than the last question is no answer to it.
  if (!response.ok || number !== asked) return;
  await htmx.swap({ text: await response.text(), target: document.getElementById("you-get"), swap: "outerMorph", sourceElement: document.body });
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-preview]");
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => preview(form).catch(() => {}), REST);
});
