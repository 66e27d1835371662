// The page's policy takes style elements with its nonce and no style attributes. xterm makes both: its elements get
// the nonce, and what it would write as an attribute is set as a property, which is the same to a browser.
const { nonce } = document.querySelector("script[nonce]");
const { createElement } = document;
document.createElement = function (...words) {
  const element = createElement.apply(document, words);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  return element;
};
const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
