// A button marked data-add opens the forms of that page in the dialog, and the form that lacks something waits below;
// what is added is followed there, and chosen when it is there. A button marked data-start starts what it names.
import htmx from "htmx.org";

const SOON = 1000;
const dialog = document.getElementById("dialog");
const content = document.getElementById("dialog-content");
const waiting = () => document.querySelector("form[data-added]");
// Where what stands in the dialog comes from.
let at = "";

/** Two fields of one id: a label would lead to the wrong one. What is live is found again by its id. */
function rename(part) {
  for (const element of part.querySelectorAll("[id]:not([data-live])")) element.id = `add-${element.id}`;
  for (const name of ["for", "aria-describedby", "aria-labelledby"]) {
    for (const element of part.querySelectorAll(`[${name}]`)) element.setAttribute(name, element.getAttribute(name).split(" ").map((id) => `add-${id}`).join(" "));
  }
}

const from = (template) => document.getElementById(template).content.firstElementChild.cloneNode(true);

function show(part) {
  content.replaceChildren(from("put-away"), part);
  if (!dialog.open) dialog.showModal();
  part.querySelector("[aria-invalid=true], input:not([type=hidden]), select, a")?.focus();
}

/** What needs the password once more says so above what was entered. */
function askPassword(to) {
  const note = from("password-once-more");
  note.querySelector("a").href = to;
  if (dialog.open && content.querySelector("[data-adds]")) content.querySelector("[data-adds]").before(note);
  else show(note);
}

/** The answer, or nothing where the password is to be given first. */
async function ask(url, options = {}) {
  const response = await fetch(url, { ...options, headers: { "HX-Request": "true" } });
  const to = response.headers.get("HX-Redirect");
  if (response.status === 403 && to) return void askPassword(to);
  return response;
}

async function load(url, options) {
  const response = await ask(url, options);
  if (!response) return;
  at = response.url;
  const number = new URL(at).pathname.match(/^\/operations\/(\d+)\/$/)?.[1];
  if (number) {
    dialog.close();
    return follow(waiting(), number);
  }
  const answer = new DOMParser().parseFromString(await response.text(), "text/html");
  const part = answer.querySelector("[data-adds]") ?? answer.querySelector("main") ?? answer.body;
  rename(part);
  part.dataset.adds = "";
  for (const live of part.querySelectorAll("[data-live]")) live.dataset.fragment = at;
  show(part);
}

async function follow(form, number) {
  const place = document.createElement("div");
  document.getElementById("adding").append(place);
  const url = form.dataset.added.replace("/0/", `/${number}/`);
  do {
    const response = await fetch(url, { headers: { "X-Kvmweb-Refresh": "1" } }).catch(() => null);
    if (response?.ok && !response.redirected) await htmx.swap({ text: await response.text(), target: place, swap: "innerMorph", sourceElement: document.body });
    else if (response) return;
    if (!place.childElementCount || place.querySelector("[data-open]")) await new Promise((done) => setTimeout(done, SOON));
  } while (!place.childElementCount || place.querySelector("[data-open]"));
  const field = place.querySelector("[data-chose]")?.dataset.chose;
  form.querySelector(`[name=source][value="${field}"]`)?.click();
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

/** What the form has beside it tells whether it starts, and why it did not. */
async function start(button) {
  const form = button.form;
  button.disabled = true;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  await ask(button.dataset.start, { method: "POST", body }).catch(() => null);
  button.disabled = false;
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add]");
  const starter = event.target.closest("[data-start]");
  if (starter) start(starter);
  if (add) {
    const url = new URL(add.dataset.add, location.href);
    const host = waiting().elements.host.value;
    if (host) url.searchParams.set("host", host);
    dialog.setAttribute("aria-label", add.textContent.trim());
    load(url);
  }
  const link = event.target.closest("#dialog-content [data-adds] a[href]:not([data-close])");
  if (link && link.pathname === new URL(at).pathname) {
    event.preventDefault();
    load(link.href);
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target.closest("#dialog-content [data-adds] form");
  if (!form || !waiting()) return;
  event.preventDefault();
  const url = new URL(form.getAttribute("action"), at);
  const body = new FormData(form, event.submitter);
  const options = form.method === "post" ? { method: "POST", body } : {};
  if (form.method !== "post") url.search = new URLSearchParams(body);
  // Once is enough; what comes has a button of its own.
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  load(url, options).finally(() => form.querySelectorAll("button").forEach((button) => (button.disabled = false)));
});

dialog?.addEventListener("close", () => waiting() && content.replaceChildren());
