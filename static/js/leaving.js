// A form marked data-leaving in which something was changed is not left without the browser's question.
const changed = new Set();

/** Nothing holds the page back any more: it is left for a reason that is nobody's choice. */
export const forget = () => changed.clear();

// What was refused is on the page again, and nowhere else.
for (const form of document.querySelectorAll("form[data-leaving]")) {
  const wrong = form.querySelector("[aria-invalid=true], [role=alert]");
  if (wrong) changed.add(form);
  wrong?.focus();
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-leaving]");
  if (form) changed.add(form);
});
// Whatever sends a form itself has said so by now, since this module is loaded after it.
document.addEventListener("submit", (event) => event.defaultPrevented || forget());
addEventListener("pagehide", forget);
addEventListener("beforeunload", (event) => {
  if ([...changed].some((form) => form.isConnected)) event.preventDefault();
});
