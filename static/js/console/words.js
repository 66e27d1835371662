// The page's sentences, translated by the server.

/** The sentence under that name, with its {values}. */
export function word(name, values = {}) {
  const text = document.querySelector(`[data-words] [data-word="${CSS.escape(name)}"]`)?.textContent ?? "";
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}
