// Runs before the page is drawn: "like the system" becomes light or dark, and stays so when the system changes;
// and the server learns in which zone to tell times.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const apply = () => {
  const chosen = root.dataset.theme;
  root.dataset.bsTheme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
};
apply();
dark.addEventListener("change", apply);
document.addEventListener("kvmweb:theme", apply);
const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC");
document.cookie = `kvmweb-zone=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
