// A file into a pool, by tus: one request carries all that is left, and after whatever interrupts it the next one asks
// first how far the file is. Where it goes is kept in the browser, so that a reloaded page can go on with the same file.
const form = document.querySelector("[data-upload]");
const find = (name) => form.querySelector(`[data-${name}]`);
const [file, called, format] = ["file", "name", "format"].map((name) => form.querySelector(`#upload-${name}`));
const bar = form.querySelector("progress");
const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
const always = { "X-CSRFToken": token, "Tus-Resumable": "1.0.0", "X-Kvmweb-Refresh": "1" };

let place = null; // { url, operation } while an upload is going on
let request = null;
let paused = false;
let sent = 0;

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const key = () => `upload:${form.dataset.upload}:${file.files[0].name}:${file.files[0].size}:${file.files[0].lastModified}`;

const show = (...names) => {
  for (const name of ["cancel", "pause", "resume", "going-on"]) find(name).hidden = !names.includes(name);
  form.querySelector("[type=submit]").hidden = names.length > 0;
  for (const field of [file, called, format]) field.disabled = names.length > 0;
};
const say = (text) => { find("said").textContent = text; };
const complain = (text) => { find("error").textContent = text; find("error").hidden = !text; };

/** 1.5 GB, as people count them. */
function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${units[step]}`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  return seconds < 3600 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Speed over the last seconds, and what is left at that. */
const looks = [];
function tell(done) {
  const whole = file.files[0].size;
  bar.value = done / whole;
  looks.push([performance.now(), done]);
  while (looks.length > 2 && looks[0][0] < performance.now() - 5000) looks.shift();
  const [[then, before], now] = [looks[0], performance.now()];
  const speed = now > then + 500 ? ((done - before) / (now - then)) * 1000 : 0;
  const rest = speed > 0 ? ` · ${size(speed)}/s · ${duration((whole - done) / speed)} ${form.dataset.left}` : "";
  find("numbers").textContent = `${size(done)} / ${size(whole)} (${Math.floor((100 * done) / whole)} %)${rest}`;
}

class Refused extends Error {}

/** What the answer says to people; what may work in a moment is no refusal, and what is over is asked about. */
function judge(status, text) {
  if ([0, 409, 410, 429].includes(status) || status >= 500) return new Error(String(status));
  if (status === 401) return new Refused(form.dataset.signedOut);
  try {
    const told = JSON.parse(text);
    return new Refused(told.errors?.map((error) => error.detail).join(" ") || told.detail);
  } catch {
    return new Refused(form.dataset.failed);
  }
}

/** Why it ended; the answer to a file that was refused in the middle may not have come through. */
async function why() {
  const answer = await fetch(`${form.dataset.operations}/${place.operation}`, { headers: always, cache: "no-store" });
  return (answer.ok ? (await answer.json()).error?.detail : "") || form.dataset.cancelled;
}

async function offset() {
  const answer = await fetch(place.url, { method: "HEAD", headers: always, cache: "no-store" });
  if (answer.status === 410) throw new Refused(await why());
  if (!answer.ok) throw judge(answer.status, "");
  return Number(answer.headers.get("Upload-Offset"));
}

/** Send what is left; resolves when all of it was taken. */
function patch(from) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    request = sending;
    let counted = 0;
    sending.open("PATCH", place.url);
    for (const [name, value] of Object.entries(always)) sending.setRequestHeader(name, value);
    sending.setRequestHeader("Content-Type", "application/offset+octet-stream");
    sending.setRequestHeader("Upload-Offset", String(from));
    sending.upload.onprogress = (event) => {
      sent += event.loaded - counted;
      counted = event.loaded;
      form.dataset.sent = String(sent);
      tell(from + event.loaded);
    };
    sending.onload = () => (sending.status === 204 ? resolve() : reject(judge(sending.status, sending.responseText)));
    sending.onerror = sending.onabort = () => reject(new Error("0"));
    sending.send(file.files[0].slice(from));
  });
}

/** Until all has come, paused or refused. */
async function send() {
  for (let tries = 0; !paused; ) {
    try {
      const from = await offset();
      say(form.dataset.going);
      looks.length = 0;
      tell(from);
      if (from === file.files[0].size) return true;
      await patch(from);
      tries = 0;
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (paused) break;
      say(form.dataset.waiting);
      tries = Math.min(tries + 1, 5);
      await wait(tries);
    }
  }
  return false;
}

/** Until the dashboard has read it back. */
async function check() {
  say(form.dataset.checking);
  show("going-on", "cancel");
  for (;;) {
    const answer = await fetch(`${form.dataset.operations}/${place.operation}`, { headers: always, cache: "no-store" }).catch(() => null);
    if (answer?.status === 401) throw new Refused(form.dataset.signedOut);
    const told = answer?.ok ? await answer.json() : { state: "running" };
    if (told.state === "succeeded") return;
    if (!["queued", "running", "cancelling"].includes(told.state)) throw new Refused(told.error?.detail ?? form.dataset.cancelled);
    if (told.progress) bar.value = told.progress / 100;
    await wait(1);
  }
}

function over(text) {
  localStorage.removeItem(key());
  place = null;
  show();
  find("going-on").hidden = false;
  say(text);
}

async function go() {
  paused = false;
  complain("");
  show("going-on", "pause", "cancel");
  try {
    if (!(await send())) return;
    await check();
    over(form.dataset.done);
    find("numbers").textContent = "";
    form.dataset.finished = "1";
  } catch (error) {
    if (!place) return;
    over("");
    complain(error instanceof Refused ? error.message : form.dataset.failed);
  }
}

async function begin() {
  const body = JSON.stringify({ name: called.value, size_bytes: file.files[0].size, format: format.value });
  const answer = await fetch(form.dataset.begin, { method: "POST", body, headers: { ...always, "Content-Type": "application/json" } });
  const text = await answer.text();
  if (!answer.ok) throw judge(answer.status === 409 ? 400 : answer.status, text);
  const told = JSON.parse(text);
  place = { url: told.url, operation: told.operation.id, name: called.value, format: format.value };
  localStorage.setItem(key(), JSON.stringify(place));
}

/** What the file's ending says it is. */
function guess(name) {
  const ending = name.split(".").pop().toLowerCase();
  const known = { img: "raw", raw: "raw", qcow2: "qcow2", qcow: "qcow2", iso: "iso", vmdk: "vmdk", vdi: "vdi", vhdx: "vhdx", vhd: "vpc" };
  return known[ending] ?? "raw";
}

file.addEventListener("change", () => {
  if (!file.files[0]) return;
  complain("");
  called.value = file.files[0].name.replace(/[^A-Za-z0-9._+-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  format.value = guess(file.files[0].name);
  const known = localStorage.getItem(key());
  if (!known) return;
  place = JSON.parse(known);
  [called.value, format.value] = [place.name, place.format];
  complain("");
  say(form.dataset.resumes);
  go();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  complain("");
  try {
    await begin();
  } catch (error) {
    return complain(error instanceof Refused ? error.message : form.dataset.waiting);
  }
  go();
});

find("pause").addEventListener("click", () => {
  paused = true;
  request?.abort();
  say(form.dataset.paused);
  show("going-on", "resume", "cancel");
});
find("resume").addEventListener("click", go);
find("cancel").addEventListener("click", async () => {
  paused = true;
  request?.abort();
  const answer = await fetch(place.url, { method: "DELETE", headers: always }).catch(() => null);
  if (answer?.ok || answer?.status === 410 || answer?.status === 404) return over(form.dataset.cancelled);
  show("going-on", "resume", "cancel");
  complain(form.dataset.waiting);
});

const drop = find("drop");
drop.addEventListener("dragover", (event) => event.preventDefault());
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (file.disabled) return;
  file.files = event.dataTransfer.files;
  file.dispatchEvent(new Event("change"));
});
