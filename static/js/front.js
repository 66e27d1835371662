// The screens of the cards: live, to look at only, and open only while somebody can see them.
import RFB from "@novnc/novnc";
import { makeLink } from "./console/link.js";

const watched = new Map();
const inSight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const screen = watched.get(target);
    if (screen) screen.inSight = isIntersecting;
  }
  settle();
});

function watch(element) {
  const place = element.querySelector("[data-picture]");
  const screen = { inSight: false, open: false };
  const expected = () => screen.inSight && !document.hidden && element.isConnected;
  const link = makeLink({ form: element.querySelector("form"), attach, expected, told });
  link.mode = "view";

  function attach(socket, up) {
    const rfb = new RFB(place, socket, { shared: true });
    Object.assign(rfb, { viewOnly: true, scaleViewport: true, focusOnClick: false, background: "transparent" });
    rfb.addEventListener("connect", up);
    return (closed) => closed || rfb.disconnect();
  }

  function told(state) {
    element.dataset.link = state;
  }

  screen.settle = () => {
    if (expected() === screen.open) return;
    screen.open = expected();
    if (screen.open) link.wake();
    else link.close();
  };
  watched.set(element, screen);
  inSight.observe(element);
}

/** What appeared is watched, what went is let go of. */
function find() {
  for (const element of document.querySelectorAll("[data-front-screen]")) if (!watched.has(element)) watch(element);
  settle();
  for (const element of watched.keys()) {
    if (element.isConnected) continue;
    inSight.unobserve(element);
    watched.delete(element);
  }
}

function settle() {
  for (const screen of watched.values()) screen.settle();
}

document.addEventListener("visibilitychange", settle);
document.addEventListener("kvmweb:swapped", find);
find();
