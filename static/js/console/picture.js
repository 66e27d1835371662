// The last picture, kept under the card that says why there is no newer one, and the picture as a file.

/** Keep what the screen shows now. */
export function keep(screen, last) {
  const canvas = screen.querySelector("canvas");
  if (!canvas?.width) return;
  last.width = canvas.width;
  last.height = canvas.height;
  last.getContext("2d").drawImage(canvas, 0, 0);
  last.hidden = false;
}

/** Save the screen as a PNG: "web-01 2026-03-01 14.02.11.png". */
export function save(rfb, name) {
  rfb.toBlob((blob) => {
    const link = document.createElement("a");
    const at = new Date(Date.now() - 60000 * new Date().getTimezoneOffset()).toISOString();
    link.download = `${name} ${at.slice(0, 10)} ${at.slice(11, 19).replaceAll(":", ".")}.png`;
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
