// Bundles static/js and static/css with the npm packages into static/dist, under names that hold their content's hash.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "static/dist");

const options = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  minify: true,
  target: ["chrome123", "firefox128", "safari17.5"],
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  assetNames: "[name]-[hash]",
  metafile: true,
  logLevel: "warning",
};

/** What the pages ask for: "app.js" -> "app-4F2K.js". */
function names({ metafile }) {
  const outputs = Object.entries(metafile.outputs).filter(([, output]) => output.entryPoint);
  return outputs.map(([path, output]) => [basename(output.entryPoint), basename(path)]);
}

const outline = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
const filled = 'fill="currentColor"';

/** A copy of a file under its hashed name. */
function hashed(name, content) {
  const [stem, end] = name.split(".");
  const named = `${stem}-${createHash("sha256").update(content).digest("hex").slice(0, 8)}.${end}`;
  writeFileSync(join(dist, named), content);
  return [name, named];
}

/** One file with the icons that static/icons.txt names; pages point into it with <use>. */
function icons() {
  const wanted = readFileSync(join(root, "static/icons.txt"), "utf8").split("\n").filter((line) => line && !line.startsWith("#"));
  const symbols = wanted.map((line) => {
    const [name, file] = line.split(" ");
    const svg = readFileSync(join(root, "node_modules/@tabler/icons/icons", `${file}.svg`), "utf8");
    const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>")).trim();
    return `<symbol id="${name}" viewBox="0 0 24 24" ${file.startsWith("filled/") ? filled : outline}>${inner}</symbol>`;
  });
  return hashed("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
}

/** A running dashboard still points to the files of the build before; what is older than an hour goes. */
function prune(since) {
  for (const name of readdirSync(dist)) {
    if (statSync(join(dist, name)).mtimeMs < since - 3_600_000) rmSync(join(dist, name));
  }
}

const began = Date.now();
mkdirSync(dist, { recursive: true });
const modules = ["static/js/app.js", "static/js/console.js", "static/js/serial.js", "static/js/invitation.js", "static/js/front.js", "static/js/upload.js", "static/js/charts.js"].filter((path) => existsSync(join(root, path)));
const scripts = await build({ ...options, entryPoints: modules, format: "esm", splitting: true });
const early = await build({ ...options, entryPoints: ["static/js/theme.js"], format: "iife" });
const styles = await build({ ...options, entryPoints: ["static/css/app.css", "static/css/console.css", "static/css/serial.css", "static/css/charts.css"], loader: { ".svg": "dataurl" } });
const manifest = Object.fromEntries([...names(scripts), ...names(early), ...names(styles), icons(), hashed("logo.svg", readFileSync(join(root, "static/logo.svg")))]);
writeFileSync(join(dist, "manifest.json"), JSON.stringify(manifest, null, 1));
prune(began);
console.log(Object.values(manifest).join(" "));
