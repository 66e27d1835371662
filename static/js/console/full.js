// Full screen, and the handle that brings the bar back there.
import { word } from "./words.js";

/** focus(): give the keys back to what is shown. */
export function makeFull(root, focus) {
  const full = root.querySelector("[data-full]");
  const handle = root.querySelector("[data-handle]");

  full.hidden = !document.fullscreenEnabled;
  full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()));
  document.addEventListener("fullscreenchange", () => {
    const inside = document.fullscreenElement === root;
    full.querySelector("span").textContent = word(inside ? "small" : "full");
    unfold(false);
    // So that Alt-Tab and the like reach the VM, where the browser can do that.
    if (inside) navigator.keyboard?.lock?.();
    else navigator.keyboard?.unlock?.();
    focus();
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

  return { unfold };
}
