// What moves under a pressed pointer takes the click away, so words that change a layout wait for its end.
let pressed = false;
addEventListener("pointerdown", () => (pressed = true), true);
for (const over of ["pointerup", "pointercancel"]) addEventListener(over, () => (pressed = false), true);

/** Run it soon: after the click, where the pointer is being pressed now. */
export function afterPress(run) {
  if (pressed) addEventListener("pointerup", () => setTimeout(run), { capture: true, once: true });
  else setTimeout(run);
}
