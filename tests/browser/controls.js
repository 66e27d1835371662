// In every page of the dead-control test: what can be pressed, and what has come of pressing it.
// What was folded before stands open again.
sessionStorage.clear();

// Its live channel says nothing: what happens elsewhere must not pass for what came of pressing.
window.WebSocket = new Proxy(WebSocket, {
  construct(real, words) {
    if (!String(words[0]).endsWith("/ws/live")) return new real(...words);
    const silent = Object.assign(new EventTarget(), { close() {} });
    setTimeout(() => silent.dispatchEvent(new Event("open")));
    return silent;
  },
});

// A link that nothing else has taken is noted and not followed, so that the page stays.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented) return;
  event.preventDefault();
  controls.followed = link.href;
  // A file is nothing to look at, and may be large.
  controls.isFile = link.hasAttribute("download");
});

window.controls = {
  wanted: "a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button]",

  /** What it is called and does, without the numbers in it: the same after the page was loaded anew. */
  name(element) {
    // What happened last is another thing a moment later.
    if (element.closest(".stream")) return `${element.localName} to what happened`;
    const called = element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
    const does = element.getAttribute("href") ?? element.getAttribute("formaction") ?? element.name ?? "";
    return `${element.localName} ${called} ${does}`.replace(/\d+/g, "0").replace(/\s+/g, " ").trim();
  },

  seen(element) {
    const box = element.getBoundingClientRect();
    const visible = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    return visible && box.width > 1 && box.height > 1 && box.right > 0 && box.bottom + scrollY > 0;
  },

  /** Rows that come after the first few are the same template; one may have nothing to press. */
  repeats(element, most) {
    const row = element.closest("tbody tr, ol li, .function-keys button");
    const has = (one) => one.matches(this.wanted) || one.querySelector(this.wanted);
    return row && [...row.parentElement.children].filter(has).indexOf(row) >= most;
  },

  kind(element) {
    if (element.matches("select")) return "choice";
    if (element.matches("a")) return "link";
    return element.matches("input:not([type=checkbox]), textarea") ? "field" : "button";
  },

  /** Elements inside the parts of the page that the selector names; an open dialog lies above all else. */
  all(within, most) {
    const above = document.querySelector("dialog[open]");
    return [...document.querySelectorAll(within)]
      .flatMap((root) => [...root.querySelectorAll(this.wanted)])
      .filter((element) => this.seen(element) && !element.disabled && !this.repeats(element, most))
      // Of one choice nothing can be chosen.
      .filter((element) => !element.matches("select") || element.options.length > 1)
      .filter((element) => !above || above.contains(element));
  },

  describe(element, place, all) {
    const name = this.name(element);
    const same = all.slice(0, place).filter((one) => this.name(one) === name).length;
    const frame = element.closest("#vm-header, nav.tabs");
    return {
      name,
      same,
      kind: this.kind(element),
      menu: Boolean(element.closest("[popover]")),
      frame: frame?.id || frame?.ariaLabel || "",
    };
  },

  find(within, most) {
    return this.all(within, most).map((element, place, all) => this.describe(element, place, all));
  },

  /** The element that was described so. */
  again(within, most, { name, same }) {
    return this.all(within, most).filter((element) => this.name(element) === name)[same] ?? null;
  },

  /** Resolves when nothing has changed for a moment: what a page does at its start is no effect of pressing. */
  calm: () =>
    new Promise((resolve) => {
      const done = () => (observer.disconnect(), resolve());
      let timer = setTimeout(done, 200);
      const observer = new MutationObserver(() => (clearTimeout(timer), (timer = setTimeout(done, 200))));
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    }),

  open: () => document.querySelectorAll(":popover-open, dialog[open]").length,

  /** From here on, note what changes; numbers and ages change by themselves. */
  arm(pressed) {
    this.rest?.abort();
    this.rest = new AbortController();
    this.before = { open: this.open(), scroll: scrollY, checked: pressed.checked, selected: pressed.selectedIndex };
    this.changes = this.focus = false;
    this.followed = "";
    const own = (node) => !(node.nodeType === 1 ? node : node.parentElement)?.closest(".cpu, .memory, time");
    const observer = new MutationObserver((found) => (this.changes ||= found.some(({ target }) => own(target))));
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    this.rest.signal.addEventListener("abort", () => observer.disconnect());
    document.addEventListener("focusin", ({ target }) => (this.focus ||= target !== pressed), this.rest);
  },

  effects(pressed) {
    const { open, scroll, checked, selected } = this.before;
    const found = {
      link: this.followed,
      changes: this.changes,
      focus: this.focus,
      scroll: scrollY !== scroll,
      menu: this.open() !== open,
      tick: pressed.checked !== checked && pressed.type !== "radio",
      chosen: pressed.checked !== checked && pressed.type === "radio",
      // A choice that a button sends.
      choice: pressed.selectedIndex !== selected && Boolean(pressed.form?.querySelector("[type=submit]")),
      field: document.activeElement === pressed && this.kind(pressed) === "field",
    };
    return Object.keys(found).filter((name) => found[name]);
  },
};
