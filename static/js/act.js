// Forms marked data-act are sent by htmx and answered with the part of the page that changed; a question opens a dialog.
import htmx from "htmx.org";

const dialog = () => document.getElementById("dialog");

/** Where the answer goes: the head of the VM's page when this is one, else the messages. */
const target = () => document.getElementById("vm-header") ?? document.getElementById("messages");

const fill = (text) => htmx.swap({ text, target: document.getElementById("dialog-content"), swap: "innerHTML", sourceElement: document.body });

/** Show the question that the server asks before it does harm, or to do it. */
async function ask(url, body) {
  const response = await fetch(url, { method: body ? "POST" : "GET", body, headers: { "HX-Request": "true" } });
  const to = response.headers.get("HX-Redirect");
  if (to) return location.assign(to);
  if (!response.ok || response.redirected) return location.assign(location.href);
  await fill(await response.text());
  for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
  dialog().showModal();
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-act]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter;
  const url = button?.getAttribute("formaction") ?? form.getAttribute("action");
  const bulk = form.id === "vms-form";
  if (bulk && button?.matches(".harmful, [data-ask]")) return ask(url, new FormData(form));
  if (button?.hasAttribute("data-ask")) return ask(url);
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
  try {
    const body = new FormData(form, button);
    const answerTo = target();
    body.set("tab", document.querySelector("[name=tab]")?.value ?? "overview");
    if (document.querySelector("[data-rows]")) body.set("rows", "1");
    for (const row of document.querySelectorAll("[data-rows] tr[data-vm]")) body.append("shown", row.dataset.vm);
    const headers = { "HX-Request": "true", "HX-Target": `div#${answerTo.id}` };
    const response = await fetch(url, { method: "POST", body, headers });
    const to = response.headers.get("HX-Redirect") ?? (response.redirected && response.url);
    if (to) return location.assign(to);
    // The question again, with what is wrong with the answer to it.
    if (response.status === 422) return await fill(await response.text());
    dialog().close();
    if (response.status === 204) return document.dispatchEvent(new CustomEvent("kvmweb:names", { detail: ["*"] }));
    const text = await response.text();
    if (!response.ok && response.status !== 409) return location.reload();
    await htmx.swap({ text, target: answerTo, swap: "outerMorph", sourceElement: document.body });
    if (bulk) document.getElementById("messages")?.scrollIntoView({ block: "nearest" });
    document.dispatchEvent(new Event("kvmweb:swapped"));
  } catch {
    document.getElementById("lost").hidden = false;
  } finally {
    delete form.dataset.busy;
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]") && dialog()?.open) {
    event.preventDefault();
    dialog().close();
  } else if (event.target.closest("[data-dismiss]")) {
    event.target.closest(".message").remove();
  } else if (event.target === dialog()) {
    dialog().close();
  }
});
