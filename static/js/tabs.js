// On a telephone not all parts of a page fit beside each other: the one that is shown is brought into view.
for (const here of document.querySelectorAll(".tabs [aria-current]")) {
  const row = here.parentElement;
  row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}
