// Two fingers on the picture: spreading them makes it larger than its place, dragging them moves it there. noVNC sees
// the fingers and names the gesture; what is ours it does not hear, so that nothing of it reaches the VM.
const MOST = 5;

/** fits(): whether the picture is fitted into its place, which is where it can be made larger. */
export function makeGestures(root, stage, screen, { fits }) {
  let zoom = 1, left = 0, top = 0, from = null;

  function show() {
    const limit = (value, size) => Math.max(0, Math.min(value, (zoom - 1) * size));
    left = limit(left, stage.clientWidth);
    top = limit(top, stage.clientHeight);
    screen.style.width = screen.style.height = zoom > 1 ? `${100 * zoom}%` : "";
    screen.style.left = zoom > 1 ? `${-left}px` : "";
    screen.style.top = zoom > 1 ? `${-top}px` : "";
    root.toggleAttribute("data-zoomed", zoom > 1);
  }

  function reset() {
    zoom = 1;
    show();
  }

  function pinch({ magnitudeX, magnitudeY }) {
    const before = zoom;
    zoom = Math.max(1, Math.min(MOST, (from.zoom * Math.hypot(magnitudeX, magnitudeY)) / from.spread));
    // What lies between the fingers stays there.
    left = ((left + from.x) * zoom) / before - from.x;
    top = ((top + from.y) * zoom) / before - from.y;
    show();
  }

  function drag({ magnitudeX, magnitudeY }) {
    left = from.left - magnitudeX;
    top = from.top - magnitudeY;
    show();
  }

  function gesture(event) {
    const { detail } = event;
    const ours = detail.type === "pinch" || (detail.type === "twodrag" && zoom > 1);
    if (!ours || !fits()) return;
    event.stopImmediatePropagation();
    if (event.type === "gesturestart") {
      const place = stage.getBoundingClientRect();
      from = {
        zoom, left, top, x: detail.clientX - place.left, y: detail.clientY - place.top,
        spread: Math.hypot(detail.magnitudeX, detail.magnitudeY) || 1,
      };
    } else if (event.type === "gesturemove" && from) {
      (detail.type === "pinch" ? pinch : drag)(detail);
    } else {
      from = null;
    }
  }

  for (const name of ["gesturestart", "gesturemove", "gestureend"]) stage.addEventListener(name, gesture, { capture: true });
  new ResizeObserver(show).observe(stage);
  return { reset };
}
