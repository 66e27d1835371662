// Files into a pool, by tus, one after the other: one request carries all that is left of a file, and after whatever
// interrupts it the next one asks first how far the file is. Where it goes is kept in the browser, so that a reloaded
// page can go on with the same file.
const form = document.querySelector("[data-upload]");
const chosen = form.querySelector("[type=file]");
const list = form.querySelector("[data-files]");
const words = form.dataset;
const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
const always = { "X-CSRFToken": token, "Tus-Resumable": "1.0.0", "X-Kvmweb-Refresh": "1" };

// A connection on which nothing moves for so long is given up; the dashboard itself waits a minute for a host.
const STALLED = 90_000;

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const ask = (url, wish = {}) => fetch(url, { headers: always, cache: "no-store", signal: AbortSignal.timeout(STALLED), ...wish });

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

/** What the file's ending says it is. */
function guess(name) {
  const ending = name.split(".").pop().toLowerCase();
  const known = { img: "raw", raw: "raw", qcow2: "qcow2", qcow: "qcow2", iso: "iso", ova: "ova", vmdk: "vmdk", vdi: "vdi", vhdx: "vhdx", vhd: "vpc" };
  return known[ending] ?? "raw";
}

class Refused extends Error {}

/** What the answer says to people; what may work in a moment is no refusal, and what is over is asked about. */
function judge(status, text) {
  if ([0, 409, 410, 429].includes(status) || status >= 500) return new Error(String(status));
  if (status === 401) return new Refused(words.signedOut);
  try {
    const told = JSON.parse(text);
    return new Refused(told.errors?.map((error) => error.detail).join(" ") || told.detail);
  } catch {
    return new Refused(words.failed);
  }
}

// The end of what was begun last: the next file waits for it.
let line = Promise.resolve();
const rows = new Map();

/** One file, its row on the page, and where it goes: place is { url, operation, name, format } once it has one. run is
 * what goes on now; whoever sees another one there stops. */
class Sending {
  constructor(file) {
    this.file = file;
    this.key = `upload:${words.upload}:${file.name}:${file.size}:${file.lastModified}`;
    this.looks = [];
    this.place = this.run = this.request = null;
    this.row = form.querySelector("template").content.firstElementChild.cloneNode(true);
    this.find("file").textContent = `${file.name} · ${size(file.size)}`;
    this.bar = this.row.querySelector("progress");
    [this.called, this.format] = [this.row.querySelector("[name=name]"), this.row.querySelector("[name=format]")];
    this.called.value = file.name.replace(/[^A-Za-z0-9._+-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
    this.format.value = guess(file.name);
    for (const does of ["pause", "resume", "cancel", "remove"]) this.find(does).addEventListener("click", () => this[does]());
    this.show("remove");
    list.append(this.row);
  }

  find(name) {
    return this.row.querySelector(`[data-${name}]`);
  }

  /** Of what is seen at times just these; who was on a button that goes is led to one that stays and does no harm. */
  show(...names) {
    const was = this.row.contains(document.activeElement) || document.activeElement === document.body;
    for (const name of ["remove", "cancel", "pause", "resume", "going-on"]) this.find(name).hidden = !names.includes(name);
    for (const field of [this.called, this.format]) field.disabled = !names.includes("remove");
    const safe = ["resume", "pause", "remove"].find((name) => names.includes(name));
    if (was && safe && (document.activeElement.hidden || document.activeElement === document.body)) this.find(safe).focus();
    settle();
  }

  say(text) {
    if (this.find("said").textContent !== text) this.find("said").textContent = text;
  }

  complain(text) {
    this.find("error").textContent = text;
    this.find("error").hidden = !text;
  }

  /** How far, how fast over the last seconds, and what is left at that. */
  tell(done) {
    const whole = this.file.size;
    this.bar.value = done / whole;
    this.looks.push([performance.now(), done]);
    while (this.looks.length > 2 && this.looks[0][0] < performance.now() - 5000) this.looks.shift();
    const [[then, before], now] = [this.looks[0], performance.now()];
    const speed = now > then + 500 ? ((done - before) / (now - then)) * 1000 : 0;
    const rest = speed > 0 ? ` · ${size(speed)}/s · ${duration((whole - done) / speed)} ${words.left}` : "";
    this.find("numbers").textContent = `${size(done)} / ${size(whole)} (${Math.floor((100 * done) / whole)} %)${rest}`;
  }

  /** A place for it, unless it has one from before. */
  async begin() {
    const body = JSON.stringify({ name: this.called.value, size_bytes: this.file.size, format: this.format.value });
    const answer = await ask(words.begin, { method: "POST", body, headers: { ...always, "Content-Type": "application/json" } });
    const text = await answer.text();
    if (!answer.ok) throw judge(answer.status === 409 ? 400 : answer.status, text);
    const told = JSON.parse(text);
    this.place = { url: told.url, operation: told.operation.id, name: this.called.value, format: this.format.value };
    localStorage.setItem(this.key, JSON.stringify(this.place));
  }

  /** Why it ended; the answer to a file that was refused in the middle may not have come through. */
  async why() {
    const answer = await ask(`${words.operations}/${this.place.operation}`);
    return (answer.ok ? (await answer.json()).error?.detail : "") || words.cancelled;
  }

  async offset() {
    const answer = await ask(this.place.url, { method: "HEAD" });
    if (answer.status === 410) throw new Refused(await this.why());
    if (!answer.ok) throw judge(answer.status, "");
    return Number(answer.headers.get("Upload-Offset"));
  }

  /** Send what is left; resolves when all of it was taken. */
  patch(from) {
    return new Promise((resolve, reject) => {
      const sending = new XMLHttpRequest();
      this.request = sending;
      let watch = 0;
      const moves = () => {
        clearTimeout(watch);
        watch = setTimeout(() => sending.abort(), STALLED);
      };
      sending.open("PATCH", this.place.url);
      for (const [name, value] of Object.entries(always)) sending.setRequestHeader(name, value);
      sending.setRequestHeader("Content-Type", "application/offset+octet-stream");
      sending.setRequestHeader("Upload-Offset", String(from));
      sending.upload.onprogress = (event) => {
        moves();
        this.tell(from + event.loaded);
      };
      sending.onload = () => (sending.status === 204 ? resolve() : reject(judge(sending.status, sending.responseText)));
      sending.onerror = sending.onabort = () => reject(new Error("0"));
      sending.onloadend = () => clearTimeout(watch);
      moves();
      sending.send(this.file.slice(from));
    });
  }

  /** Whether all has come; not where it was paused. Throws Refused. */
  async send(run) {
    for (let tries = 0; this.run === run; ) {
      try {
        const from = await this.offset();
        if (this.run !== run) break;
        this.say(words.going);
        this.looks.length = 0;
        this.tell(from);
        if (from === this.file.size) return true;
        await this.patch(from);
        tries = 0;
      } catch (error) {
        if (error instanceof Refused) throw error;
        if (this.run !== run) break;
        this.say(words.waiting);
        tries = Math.min(tries + 1, 5);
        await wait(tries);
      }
    }
    return false;
  }

  /** Until the dashboard has read it back. Throws Refused. */
  async check(run) {
    this.say(words.checking);
    this.show("going-on", "cancel");
    this.find("numbers").textContent = "";
    while (this.run === run) {
      const answer = await ask(`${words.operations}/${this.place.operation}`).catch(() => null);
      if (answer?.status === 401) throw new Refused(words.signedOut);
      const told = answer?.ok ? await answer.json() : { state: "running" };
      if (told.state === "succeeded") return true;
      if (!["queued", "running", "cancelling"].includes(told.state)) throw new Refused(told.error?.detail ?? words.cancelled);
      if (told.progress) this.bar.value = told.progress / 100;
      await wait(1);
    }
    return false;
  }

  /** In its turn, until all has come and is read back, paused or refused. */
  go() {
    const run = (this.run = {});
    this.complain("");
    this.say(words.queued);
    this.show("going-on", "pause", "cancel");
    line = line.then(async () => {
      try {
        if (this.run !== run || !(await this.send(run)) || !(await this.check(run))) return;
        this.bar.value = 1;
        this.over(words.done);
        form.dataset.finished = String(Number(words.finished ?? 0) + 1);
      } catch (error) {
        if (this.run !== run) return;
        this.over("");
        this.complain(error instanceof Refused ? error.message : words.failed);
      }
    });
  }

  /** It has ended, as the text says; what ended without one can be tried otherwise. */
  over(text) {
    localStorage.removeItem(this.key);
    if (text) rows.delete(this.key);
    this.place = this.run = null;
    this.find("numbers").textContent = "";
    this.say(text);
    this.show(text ? "going-on" : "remove");
  }

  async start() {
    this.complain("");
    this.show();
    try {
      await this.begin();
    } catch (error) {
      this.show("remove");
      return this.complain(error instanceof Refused ? error.message : words.waiting);
    }
    this.go();
  }

  pause() {
    this.run = null;
    this.request?.abort();
    this.say(words.paused);
    this.show("going-on", "resume", "cancel");
  }

  resume() {
    this.go();
  }

  async cancel() {
    this.pause();
    const answer = await ask(this.place.url, { method: "DELETE" }).catch(() => null);
    if (answer?.ok || [404, 410].includes(answer?.status)) {
      this.bar.value = 0;
      return this.over(words.cancelled);
    }
    this.complain(words.waiting);
  }

  remove() {
    rows.delete(this.key);
    this.row.remove();
    settle();
    chosen.focus();
  }
}

/** What can be done with the form as a whole: nothing without a file, nothing where all are on their way. */
function settle() {
  chosen.required = list.children.length === 0;
  form.querySelector("[type=submit]").hidden = list.children.length > 0 && !list.querySelector("[data-remove]:not([hidden])");
}

/** A row for each file that has none; one that was interrupted goes on. */
function add(files) {
  for (const file of files) {
    const made = new Sending(file);
    if (rows.has(made.key)) {
      made.row.remove();
      continue;
    }
    rows.set(made.key, made);
    const known = localStorage.getItem(made.key);
    if (!known) continue;
    made.place = JSON.parse(known);
    [made.called.value, made.format.value] = [made.place.name, made.place.format];
    made.go();
  }
  settle();
}

chosen.addEventListener("change", () => {
  add(chosen.files);
  // The same one can be chosen again.
  chosen.value = "";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const waiting = [...rows.values()].filter((each) => !each.find("remove").hidden);
  for (const each of waiting) await each.start();
});

const drop = form.querySelector("[data-drop]");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
