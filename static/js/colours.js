// XML in colours: in what is read (pre[data-xml]) by elements of their own, in a text field (textarea[data-xml]) by a
// picture of the same text behind it.
const TOKENS = /(<!--[\s\S]*?-->)|(<\/?[\w:.-]*|\/?>)|([\w:.-]+)(?==["'])|("[^"<]*"|'[^'<]*')/g;
const KINDS = ["", "x-comment", "x-tag", "x-name", "x-value"];
// More than this is left as it is.
const MOST = 200_000;

function coloured(text) {
  const found = document.createDocumentFragment();
  let end = 0;
  // Outside of tags there are no names and values.
  let inside = false;
  for (const match of text.matchAll(TOKENS)) {
    const kind = match.findIndex((part, place) => place > 0 && part !== undefined);
    if (kind === 2) inside = match[0].startsWith("<");
    else if (kind > 2 && !inside) continue;
    const part = document.createElement("span");
    part.className = KINDS[kind];
    part.textContent = match[0];
    found.append(text.slice(end, match.index), part);
    end = match.index + match[0].length;
  }
  found.append(text.slice(end));
  return found;
}

function colourRead(pre) {
  const text = pre.textContent;
  if (text.length > MOST || pre.querySelector("span")) return;
  pre.replaceChildren(coloured(text));
}

function colourWritten(field) {
  const frame = document.createElement("div");
  frame.className = "coloured";
  const picture = document.createElement("pre");
  picture.setAttribute("aria-hidden", "true");
  field.before(frame);
  frame.append(picture, field);
  const follow = () => {
    picture.scrollTop = field.scrollTop;
    picture.scrollLeft = field.scrollLeft;
  };
  const draw = () => {
    const plain = field.value.length > MOST;
    frame.classList.toggle("plain", plain);
    // A last line break would have no line in the picture.
    picture.replaceChildren(plain ? "" : coloured(`${field.value}\n`));
    follow();
  };
  field.addEventListener("input", draw);
  field.addEventListener("scroll", follow);
  new ResizeObserver(follow).observe(field);
  draw();
}

function colour() {
  for (const pre of document.querySelectorAll("pre[data-xml]")) colourRead(pre);
}

for (const field of document.querySelectorAll("textarea[data-xml]")) colourWritten(field);
colour();
document.addEventListener("htmx:after:swap", colour);
