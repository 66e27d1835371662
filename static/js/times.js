// "5 min ago" stays true while the page is open.
const UNITS = [["d", 86400, "h", 3600], ["h", 3600, "min", 60]];

function duration(seconds) {
  if (seconds < 60) return `${Math.max(seconds, 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const [unit, size, small, part] = UNITS.find(([, least]) => seconds >= least);
  return `${Math.floor(seconds / size)} ${unit} ${Math.floor((seconds % size) / part)} ${small}`;
}

/** The server's wording with the age in it anew: only the number changes, so that translations stay. */
function renew() {
  for (const time of document.querySelectorAll("time[data-time=age], time[data-time=ago]")) {
    const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
    const text = time.dataset.time === "age" ? duration(seconds) : time.dataset.words?.replace("{age}", duration(seconds));
    if (text && time.textContent !== text) time.textContent = text;
  }
}
setInterval(renew, 10_000);
document.addEventListener("kvmweb:swapped", renew);
