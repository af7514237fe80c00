// Opens a report in headless Chromium and does what a reader does: looks, sorts, filters, points, switches off, walks with keys,
// saves the profile. `cargo test` does not need it. By hand, with Debian's `chromium`, in a folder of its own:
//
//     npm install puppeteer-core axe-core
//     NODE_PATH=node_modules node .../tests/report/browser.mjs report.html profile.toml pictures/
//
// `profile.toml` is the file that the first saved profile must equal. Pictures of both widths, light and dark, go to `pictures/`.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [report, toml, pictures] = process.argv.slice(2);
const require = createRequire(path.join(process.cwd(), "x.js"));
const puppeteer = require("puppeteer-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const address = pathToFileURL(path.resolve(report)).href;

const opened = async (width, scheme, script = true) => {
  const page = await browser.newPage();
  const asked = [];
  const said = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.setJavaScriptEnabled(script);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ width, height: width < 600 ? 844 : 900, deviceScaleFactor: 1, isMobile: width < 600, hasTouch: width < 600 });
  await page.goto(address);
  return { page, asked, said };
};

const column = (page, name) => page.$eval("#predictions", (table, name) => {
  const at = [...table.tHead.rows[0].cells].findIndex((head) => head.textContent.trim() === name);
  const rows = [...table.tBodies[0].rows].filter((row) => row.getClientRects().length > 0);
  return rows.map((row) => row.cells[at].dataset.v ?? row.cells[at].textContent);
}, name);

for (const [width, scheme] of [[1440, "light"], [1440, "dark"], [390, "light"], [390, "dark"]]) {
  const { page, asked, said } = await opened(width, scheme);
  await page.screenshot({ path: path.join(pictures, `${width}-${scheme}.png`), fullPage: true });
  // Everything open, so that everything is looked at.
  await page.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert(!wide, `${width}: wider than the screen`);
  // The page's policy lets nothing in; the checker is put there by the browser itself.
  const client = await page.createCDPSession();
  await client.send("Page.setBypassCSP", { enabled: true });
  await client.send("Runtime.evaluate", { expression: axe });
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const words = found.violations.map((one) =>
    `${one.id}: ${one.help}: ${one.nodes.length}: ${one.nodes.slice(0, 3).map((node) => node.html + " " + (node.any[0]?.message ?? "")).join("\n  ")}`);
  console.log(`${width} ${scheme}: axe: ${found.violations.length} violations, ${found.passes.length} passes`);
  words.forEach((word) => console.log(word));
  assert.equal(found.violations.length, 0);
  assert.deepEqual(said, []);
  assert.deepEqual(asked.filter((url) => url !== address), []);
  await page.close();
}

const { page, asked, said } = await opened(1440, "light");
// Sorts.
const numbers = async (name) => (await column(page, name)).map(Number);
const head = async (name) => {
  const buttons = await page.$$("#predictions th button");
  for (const button of buttons) {
    if ((await button.evaluate((one) => one.textContent)) === name) {
      await button.click();
    }
  }
};
const before = await numbers("decode tok/s");
await head("decode tok/s");
assert.deepEqual(await numbers("decode tok/s"), [...before].sort((a, b) => b - a));
await head("decode tok/s");
assert.deepEqual(await numbers("decode tok/s"), [...before].sort((a, b) => a - b));
await head("model");
const models = await column(page, "model");
assert.deepEqual(models, [...models].sort((a, b) => a.localeCompare(b, "en", { numeric: true })));
// Filters.
await page.type(".controls[data-for=predictions] [type=search]", models[0]);
assert.deepEqual([...new Set(await column(page, "model"))], [models[0]]);
const shown = await page.$eval(".controls[data-for=predictions] output", (output) => output.textContent);
assert.match(shown, /^\d+ of \d+ rows$/);
// Points.
const item = await page.$("#roofline .wide g[role=img][data-k^='compute.']");
await item.evaluate((one) => one.scrollIntoView({ block: "center" }));
await new Promise((done) => setTimeout(done, 200));
const again = await item.evaluate((one) => { const { right, top, height } = one.getBoundingClientRect(); return { x: right - 40, y: top + height / 2 }; });
await page.mouse.move(again.x, again.y);
const tip = () => page.$eval("#tip", (tip) => (tip.classList.contains("shown") ? tip.textContent : ""));
assert.match(await tip(), /compute\.[a-z0-9.]+: .*GFLOP\/s/);
await page.screenshot({ path: path.join(pictures, "pointed.png") });
await page.keyboard.press("Escape");
assert.equal(await tip(), "");
// Walks.
await page.$eval("#roofline .wide g[role=img][tabindex='0']", (one) => one.focus());
const first = await tip();
await page.keyboard.press("ArrowRight");
assert.notEqual(await tip(), first);
assert.match(await tip(), /GB\/s|FLOP\/s/);
// Switches off, and on again.
const lit = () => page.$$eval("#roofline .wide [data-k='memory.l1.read']", (all) => all.filter((one) => one.getClientRects().length > 0).length);
const lines = await lit();
assert(lines > 0);
await page.click("#roofline .switches input[value='memory.l1.read']");
assert.equal(await lit(), 0);
await page.screenshot({ path: path.join(pictures, "switched.png") });
await page.click("#roofline .switches input[value='memory.l1.read']");
assert.equal(await lit(), lines);
// Saves.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "report-"));
const client = await browser.target().createCDPSession();
await client.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
await page.click("button.save");
for (let tries = 0; tries < 50 && !fs.readdirSync(folder).some((name) => name.endsWith(".toml")); tries += 1) {
  await new Promise((done) => setTimeout(done, 100));
}
const [saved] = fs.readdirSync(folder);
assert(fs.readFileSync(path.join(folder, saved)).equals(fs.readFileSync(toml)), `${saved} is another file`);
console.log(`${saved} is ${toml}, byte by byte`);
assert.deepEqual(said, []);
assert.deepEqual(asked.filter((url) => url !== address && !url.startsWith("blob:")), []);
console.log(`requests: ${[...new Set(asked)].map((url) => url.split(":")[0]).join(", ")}`);
await page.pdf({ path: path.join(pictures, "print.pdf"), format: "A4" });
await page.close();

// Without its script the page can still be read, and its policy forbids what is put into it.
const plain = await opened(1440, "light", false);
await plain.page.screenshot({ path: path.join(pictures, "no-script.png") });
await plain.page.close();
const guarded = await opened(1440, "light");
const put = await guarded.page.evaluate(async () => {
  const script = document.createElement("script");
  script.textContent = "window.ran = true";
  document.body.append(script);
  const image = new Image();
  image.src = "https://example.com/x.png";
  const fetched = await fetch("https://example.com/").then(() => "loaded", () => "refused");
  return [window.ran === true, fetched];
});
assert.deepEqual(put, [false, "refused"]);
await browser.close();
console.log("all of it holds");
