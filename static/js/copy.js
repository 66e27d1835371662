// Buttons that copy a text; where the browser has no clipboard (plain http), the text is selected instead.
async function copy(button) {
  const from = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  const text = from ? from.textContent : button.dataset.copy;
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else {
    const field = document.createElement("textarea");
    field.value = text;
    field.classList.add("visually-hidden");
    button.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  event.preventDefault();
  copy(button).catch(() => {});
});
