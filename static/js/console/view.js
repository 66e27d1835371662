// How the screen fills its place: fit, or 1:1.
export function makeView(root, link) {
  const scale = root.querySelector("[data-scale]");
  const move = root.querySelector("[data-move]");
  let moves = false;
  // changed: told when the picture goes from fit to 1:1 and back.
  const view = { fits: true, apply, changed: () => {} };

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

  return view;
}
