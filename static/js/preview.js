// A form marked data-preview is sent there whenever something in it changes; the answer is what would be made of it.
import htmx from "htmx.org";

const REST = 250;
// So often it is asked what becomes of what is being started.
const SOON = 1000;
let timer = 0;
let asked = 0;

async function preview(form, headers = {}) {
  const number = ++asked;
  const response = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true", ...headers } });
  if (response.redirected) return location.assign(response.url);
  // What is older than the last question is no answer to it.
  if (!response.ok || number !== asked) return;
  await htmx.swap({ text: await response.text(), target: document.getElementById("you-get"), swap: "outerMorph", sourceElement: document.body });
  if (document.querySelector("#you-get [data-open]")) later(form, SOON, { "X-Kvmweb-Refresh": "1" });
}

function later(form, rest, headers) {
  clearTimeout(timer);
  timer = setTimeout(() => preview(form, headers).catch(() => {}), rest);
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-preview]");
  if (form) later(form, REST);
});
