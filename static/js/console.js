// A VM's screen: puts the parts together and says in words how it stands.
import RFB from "@novnc/novnc";
import { makeClipboard } from "./console/clipboard.js";
import { makeFull } from "./console/full.js";
import { makeGestures } from "./console/gestures.js";
import { known, press, release } from "./console/keys.js";
import { makeLink } from "./console/link.js";
import { keep, save } from "./console/picture.js";
import { afterPress } from "./console/press.js";
import { makeTouch } from "./console/touch.js";
import { makeCombos, makeTyping } from "./console/typing.js";
import { makeView } from "./console/view.js";
import { word } from "./console/words.js";

function start(root) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const screen = part("screen"), last = part("last"), say = part("say"), viewOnly = part("view-only");
  const card = () => root.querySelector("#console-card");
  const expected = () => card().dataset.offer === "ready";

  let stand = ["connecting", {}];
  const link = makeLink({ form: part("ticket"), attach, expected, told });
  const view = makeView(root, link);
  const gestures = makeGestures(root, part("stage"), screen, { fits: () => view.fits });
  view.changed = gestures.reset;
  const full = makeFull(root, () => link.rfb?.focus());
  const clipboard = makeClipboard(root, link);
  makeTouch(root, { known, press: (names) => link.rfb && press(link.rfb, names) });
  makeTyping(root, link);
  makeCombos(root, link);

  function attach(socket, up) {
    const rfb = new RFB(screen, socket, { shared: true });
    link.rfb = rfb;
    rfb.viewOnly = link.mode !== "drive";
    rfb.background = "transparent";
    rfb.addEventListener("connect", up);
    return (closed) => {
      if (!closed) rfb.disconnect();
      link.rfb = null;
    };
  }

  function told(state, detail = {}) {
    root.dataset.link = state;
    stand = [state, detail];
    const drives = state === "connected" && link.mode === "drive";
    for (const tool of root.querySelectorAll("[data-drives]")) tool.disabled = !drives;
    for (const tool of root.querySelectorAll("[data-shows]")) tool.disabled = state !== "connected";
    if (state === "leaving") {
      // What is meant for the VM must not become the page's own commands when the picture is gone.
      if (screen.contains(document.activeElement)) screen.focus({ preventScroll: true });
      return keep(screen, last);
    }
    if (state === "connected") {
      last.hidden = true;
      view.apply();
      clipboard.listen();
      // Only where nobody is busy elsewhere on the page.
      if ([document.body, screen].includes(document.activeElement)) link.rfb.focus({ preventScroll: true });
    }
    if (state === "ended" && root.hasAttribute("data-own")) window.close();
    speak();
  }

  const speak = () => (say.textContent = sentence(...stand));

  const why = ({ said, reason, seconds }) => said || word(reason) || word("retrying", { n: Math.ceil(seconds) });

  function sentence(state, detail) {
    if (state === "connected" && link.mode !== "drive") return word("viewing");
    if (state === "connected") return word(screen.contains(document.activeElement) ? "caught" : "connected");
    if (state === "ended") return detail.said || word(detail.reason);
    if (state === "retrying") return `${why(detail)} ${link.mode === "drive" ? word("unsent") : ""}`.trim();
    return word(state);
  }

  // The card is the server's word: whether there is a screen now, and what to do where there is none.
  let offered;
  function look() {
    if (card().dataset.offer === offered) return;
    offered = card().dataset.offer;
    if (expected()) link.wake();
    else link.rest();
  }
  new MutationObserver(look).observe(part("stage"), { childList: true, subtree: true, attributeFilter: ["data-offer"] });

  viewOnly?.addEventListener("click", () => {
    const mode = link.mode === "drive" ? "view" : "drive";
    viewOnly.setAttribute("aria-pressed", String(mode === "view"));
    if (expected()) link.open(mode);
    else link.mode = mode;
  });
  part("picture").addEventListener("click", () => link.rfb && save(link.rfb, root.dataset.name));
  part("own-window")?.addEventListener("click", (event) => {
    event.preventDefault();
    // The same name twice is the same window: it comes to the front.
    window.open(event.currentTarget.href, event.currentTarget.target, "popup,width=1040,height=840")?.focus();
  });

  // Keys go to the VM while the picture has the focus, even Tab; one combination gives them back.
  screen.addEventListener("focusin", speak);
  screen.addEventListener("focusout", () => afterPress(speak));
  screen.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey && event.altKey && event.code === "Home")) return;
    event.preventDefault();
    event.stopPropagation();
    release(link.rfb);
    full.unfold(true);
    [...root.querySelectorAll(".console-tools button")].find((tool) => !tool.disabled && tool.offsetParent)?.focus();
  }, { capture: true });

  link.mode = root.dataset.mode;
  look();
}

for (const root of document.querySelectorAll("[data-console]")) start(root);
