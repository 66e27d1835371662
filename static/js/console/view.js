// How the screen fills its place: fit or 1:1, full screen, and the handle that brings the bar back in full screen.
import { word } from "./words.js";

export function makeView(root, link) {
  const scale = root.querySelector("[data-scale]");
  const full = root.querySelector("[data-full]");
  const handle = root.querySelector("[data-handle]");
  const move = root.querySelector("[data-move]");
  let moves = false;
  // changed: told when the picture goes from fit to 1:1 and back.
  const view = { fits: true, apply, unfold, changed: () => {} };

  function apply() {
    const { fits } = view;
    root.toggleAttribute("data-one-to-one", !fits);
    scale.setAttribute("aria-pressed", String(fits));
    move.hidden = fits;
    move.setAttribute("aria-pressed", String(moves));
    if (!link.rfb) return;
    link.rfb.scaleViewport = fits;
    // A finger on the picture is the VM's mouse, so moving a picture that is larger than its place is a mode.
    link.rfb.clipViewport = !fits && matchMedia("(pointer: coarse)").matches;
    link.rfb.dragViewport = !fits && moves;
  }

  move.addEventListener("click", () => {
    moves = !moves;
    apply();
  });

  scale.addEventListener("click", () => {
    view.fits = !view.fits;
    view.changed();
    apply();
  });

  full.hidden = !document.fullscreenEnabled;
  full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()));
  document.addEventListener("fullscreenchange", () => {
    const inside = document.fullscreenElement === root;
    full.querySelector("span").textContent = word(inside ? "small" : "full");
    unfold(false);
    // So that Alt-Tab and the like reach the VM, where the browser can do that.
    if (inside) navigator.keyboard?.lock?.();
    else navigator.keyboard?.unlock?.();
    link.rfb?.focus();
  });

  function unfold(open) {
    root.toggleAttribute("data-unfolded", open);
    handle.setAttribute("aria-expanded", String(open));
  }

  let from = null;
  handle.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, left: handle.offsetLeft, moved: false };
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!from || Math.abs(event.clientX - from.x) < 4) return;
    from.moved = true;
    const most = root.clientWidth - handle.offsetWidth;
    handle.style.left = `${Math.max(0, Math.min(most, from.left + event.clientX - from.x))}px`;
  });
  handle.addEventListener("click", () => {
    if (!from?.moved) unfold(!root.hasAttribute("data-unfolded"));
    from = null;
  });

  return view;
}
