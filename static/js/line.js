// A button marked data-line shows that line of the text field whose id data-of names: it is marked and in sight.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-line]");
  if (!button) return;
  const field = document.getElementById(button.dataset.of);
  const lines = field.value.split("\n");
  const line = Math.min(Number(button.dataset.line), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  field.focus();
  field.setSelectionRange(start, start + lines[line - 1].length);
  field.scrollTop = (field.scrollHeight / lines.length) * Math.max(0, line - 3);
});
