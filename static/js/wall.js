// Screens of VMs as pictures: asked for are those that are in view, while the page is seen; all their versions in one
// request, and a picture only where its version is another.
const PERIOD = 4000;
const SOON = 600;

const inView = new Set();
const watched = new Set();
let timer = 0;

const eye = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) isIntersecting ? inView.add(target) : inView.delete(target);
  hurry();
});

/** Watch the screens that have come, and no longer those that went. */
function find() {
  const there = new Set(document.querySelectorAll("[data-screen]"));
  for (const screen of [...watched]) {
    if (there.has(screen)) continue;
    eye.unobserve(screen);
    watched.delete(screen);
    inView.delete(screen);
    URL.revokeObjectURL(screen.querySelector("img").src);
  }
  for (const screen of there) {
    if (watched.has(screen)) continue;
    watched.add(screen);
    eye.observe(screen);
  }
}

function say(screen, text) {
  const [image, why, turning] = ["img", "[data-why]", ".turning"].map((what) => screen.querySelector(what));
  image.hidden = true;
  why.textContent = text;
  turning.toggleAttribute("hidden", Boolean(text));
  delete screen.dataset.version;
}

async function draw(screen, version) {
  const response = await fetch(`/api/v1/vms/${screen.dataset.screen}/screenshot`);
  if (response.status !== 200) return;
  const image = screen.querySelector("img");
  const before = image.src;
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  image.hidden = false;
  screen.dataset.version = version;
  if (before) URL.revokeObjectURL(before);
}

/** Whether all that are in view are there. */
async function renew() {
  const screens = new Map([...inView].filter((screen) => screen.isConnected).map((screen) => [screen.dataset.screen, screen]));
  if (!screens.size) return true;
  const { screens: url } = document.querySelector("[data-screens]").dataset;
  const response = await fetch(`${url}?ids=${[...screens.keys()].slice(0, 100).join(",")}`, { headers: { "X-Kvmweb-Refresh": "1" } });
  if (!response.ok || response.redirected) return true;
  const told = await response.json();
  let all = true;
  const drawn = [];
  for (const [vm, screen] of screens) {
    const [version, why] = told[vm] ?? ["", ""];
    if (why) say(screen, why);
    else if (!version) all = all && Boolean(screen.dataset.version) && vm in told;
    else if (version !== screen.dataset.version) drawn.push(draw(screen, version).catch(() => {}));
  }
  await Promise.all(drawn);
  return all;
}

let busy = false;

async function turn() {
  timer = 0;
  if (document.hidden || busy) return;
  busy = true;
  const all = await renew().catch(() => true);
  busy = false;
  if (watched.size && !timer) timer = setTimeout(turn, all ? PERIOD : SOON);
}

function hurry() {
  clearTimeout(timer);
  timer = setTimeout(turn, 50);
}

find();
document.addEventListener("kvmweb:swapped", find);
document.addEventListener("visibilitychange", () => !document.hidden && watched.size && hurry());
