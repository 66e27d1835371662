// A button marked data-suggest writes a new password into the field of that id, where it is read and noted.
const SIGNS = "abcdefghijkmnpqrstuvwxyz23456789";

function password() {
  // 32 signs: the lowest five bits of a byte are one of them, each as likely as another.
  const signs = Array.from(crypto.getRandomValues(new Uint8Array(20)), (byte) => SIGNS[byte & 31]);
  return [0, 5, 10, 15].map((at) => signs.slice(at, at + 5).join("")).join("-");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-suggest]");
  if (!button) return;
  const field = document.getElementById(button.dataset.suggest);
  field.value = password();
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
  field.select();
});
