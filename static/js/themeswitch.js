// The theme menu changes the page at once, without a new page (a console may be open in it).
document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-switch]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const { value } = event.submitter;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `kvmweb-theme=${value}; path=/; max-age=31536000; samesite=lax${secure}`;
  document.documentElement.dataset.theme = value;
  document.dispatchEvent(new Event("kvmweb:theme"));
  for (const button of form.querySelectorAll("button")) {
    button.toggleAttribute("aria-current", button === event.submitter);
    if (button === event.submitter) button.setAttribute("aria-current", "true");
  }
  form.closest("[popover]").hidePopover();
});
