// Tries the page of web/dist in a headless Chromium with WebGPU in software, as a person would use it. By hand, after web/build.sh:
//
//   npm install --prefix /some/folder playwright-core
//   NODE_PATH=/some/folder/node_modules node web/try.mjs target/debug/roofprobe OUTPUT_FOLDER
//
// It needs a Chromium (CHROMIUM, as a rule /usr/bin/chromium), and the program, whose answers the page's are compared with.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const { chromium } = createRequire(join(process.env.NODE_PATH, "x"))("playwright-core");
const root = fileURLToPath(new URL("..", import.meta.url));
const [program, output] = [process.argv[2] ?? join(root, "target/debug/roofprobe"), process.argv[3] ?? "/tmp/roofprobe-page"].map((path) => resolve(path));
const PROFILE = "amd-epyc-zen5-2c.toml";
const MODELS = ["qwen2.5-0.5b", "llama-3.2-1b", "qwen3-4b", "llama-3.1-8b"];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

mkdirSync(output, { recursive: true });
let failed = 0;
const check = (what, right, more = "") => {
  console.log((right ? "ok      " : "FAILED  ") + what + (more === "" ? "" : ": " + more));
  failed += right ? 0 : 1;
};

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://x").pathname).replace(/^\/$/, "/index.html");
  try {
    const bytes = readFileSync(join(root, "web/dist", path));
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const origin = "http://localhost:" + server.address().port;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist"],
});

/** A page of a context of its own, with what it asked for and what it said on its console. */
async function visit(options = {}, before = null) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const seen = { requests: [], errors: [] };
  context.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  if (before !== null) {
    await page.addInitScript(before);
  }
  await page.goto(origin);
  await page.waitForFunction(() => !document.getElementById("support").textContent.startsWith("Asking"), null, { timeout: 60000 });
  return { context, page, seen };
}

async function download(page, button, name) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  await file.saveAs(join(output, name));
  return readFileSync(join(output, name), "utf8");
}

const run = (...words) => execFileSync(program, words, { encoding: "utf8", cwd: output, maxBuffer: 1 << 28 });
const reported = (page) => page.frameLocator("#frame").locator("#roofline svg:visible").first().waitFor({ timeout: 60000 });
const text = (page, id) => page.textContent("#" + id);

async function evaluates() {
  const { context, page, seen } = await visit();
  writeFileSync(join(output, PROFILE), readFileSync(join(root, "profiles", PROFILE)));
  await page.setInputFiles("#file", join(output, PROFILE));
  await reported(page);
  const said = await download(page, "#save-evaluation", "page.json");
  const expected = run("evaluate", ...MODELS, "-p", PROFILE, "--weights", "q4_0", "--format", "json");
  const same = run("evaluate", ...MODELS, "-p", PROFILE, "--weights", "q4_k_m", "--format", "json");
  check("the page's predictions are the program's, digit for digit", said === same, said.length + " bytes");
  check("and differ from those of other weights", said !== expected);
  const json = await download(page, "#save-json", "page-profile.json");
  check("the profile as JSON is the program's", json === run("show", PROFILE, "--format", "json"));
  const toml = await download(page, "#save-toml", "page-profile.toml");
  check("the profile as TOML is the file's, byte by byte", toml === readFileSync(join(root, "profiles", PROFILE), "utf8"));
  const html = await download(page, "#save-report", "report.html");
  check("the report is a file of its own", html.startsWith("<!DOCTYPE html>") && html.includes("roofprobe report"));
  await page.selectOption("#shipped", "apple-m1-pro-clpeak");
  await page.frameLocator("#frame").locator("#compared").waitFor({ timeout: 60000 });
  check("two profiles stand side by side", true);
  await page.setInputFiles("#file", { name: "broken.toml", mimeType: "text/plain", buffer: Buffer.from("schema = 1\n[device") });
  await page.waitForSelector("#unread:not([hidden])");
  check("a broken file has its message", (await text(page, "unread")).includes("broken.toml"), await text(page, "unread"));
  check("nothing but the page's own files was asked for", seen.requests.every((url) => url.startsWith(origin) || /^(data|blob):/.test(url)));
  check("no error on the console", seen.errors.length === 0, seen.errors.join("; "));
  await context.close();
}

async function pictures(toml) {
  for (const [width, height] of [[1440, 1000], [390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page } = await visit({ viewport: { width, height }, colorScheme });
      await page.screenshot({ path: join(output, `empty-${width}-${colorScheme}.png`), fullPage: true });
      await page.setInputFiles("#file", toml);
      await reported(page);
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(output, `report-${width}-${colorScheme}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(`nothing is wider than ${width} px, ${colorScheme}`, wide <= 0, wide + " px");
      await context.close();
    }
  }
}

async function refusals() {
  const no = async (what, id, words, before) => {
    const { context, page } = await visit({}, before);
    const said = await text(page, id);
    check(what, said.includes(words) && (await page.isDisabled("#start")), said);
    await context.close();
  };
  await no("no WebGPU has its message", "support", "no WebGPU", () => delete Navigator.prototype.gpu);
  await no("a denied adapter has its message", "support", "gives this page no GPU", () => {
    GPU.prototype.requestAdapter = async () => null;
  });
  await no("no suspension has its message", "support", "cannot suspend", () => delete WebAssembly.Suspending);
}

async function ended(page, limit) {
  await page.waitForFunction(() => document.getElementById("start").checkVisibility() && !document.getElementById("outcome").hidden, null,
    { timeout: limit });
  return text(page, "outcome");
}

async function measures() {
  const { context, page, seen } = await visit();
  console.log("        " + await text(page, "support"));
  const begun = Date.now();
  await page.click("#start");
  await page.waitForTimeout(4000);
  await page.screenshot({ path: join(output, "measuring.png") });
  const said = await ended(page, 240000);
  const seconds = (Date.now() - begun) / 1000;
  check("a quick measurement ends within 90 s", said.startsWith("Measured") && seconds <= 90, seconds.toFixed(1) + " s, " + said);
  await reported(page);
  const toml = await download(page, "#save-toml", "browser.toml");
  check("its host is the browser", toml.includes('host = "browser"'));
  check("show takes it", run("show", "browser.toml").includes("GB/s"));
  check("evaluate takes it", run("evaluate", MODELS[0], "-p", "browser.toml").includes(MODELS[0]));
  check("compare takes it", run("compare", "browser.toml", PROFILE).includes("browser"));
  const statuses = {};
  toml.match(/^status = "\w+"/gm).forEach((line) => { statuses[line] = (statuses[line] ?? 0) + 1; });
  console.log("        " + JSON.stringify(statuses));
  check("nothing left the page", seen.requests.every((url) => url.startsWith(origin) || /^(data|blob):/.test(url)));
  check("no error on the console", seen.errors.length === 0, seen.errors.slice(0, 3).join("; "));
  await context.close();
}

async function interruptions() {
  const { context, page } = await visit();
  const hide = (is) => page.evaluate((is) => {
    Object.defineProperty(document, "hidden", { value: is, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, is);
  await page.click("#start");
  await page.waitForTimeout(3000);
  await hide(true);
  await page.waitForFunction(() => document.getElementById("outcome").textContent.startsWith("Paused"), null, { timeout: 30000 });
  check("a hidden page is paused and says so", true);
  await hide(false);
  await page.waitForFunction(() => document.getElementById("outcome").textContent.startsWith("The page is seen"), null, { timeout: 30000 });
  await page.click("#stop");
  const said = await ended(page, 60000);
  check("a stopped measurement keeps what there is", said.startsWith("Stopped"), said);
  const toml = await download(page, "#save-toml", "stopped.toml");
  check("and says that it is incomplete", toml.includes("complete = false"));
  await page.click("#start");
  await page.waitForTimeout(3000);
  await (await browser.newBrowserCDPSession()).send("Browser.crashGpuProcess").catch(() => null);
  const lost = await ended(page, 60000);
  check("a lost device has its message", lost.includes("lost"), lost);
  await context.close();
}

const parts = { evaluates, refusals, measures, interruptions, pictures: () => pictures(join(output, "browser.toml")) };
const asked = (process.env.PARTS ?? Object.keys(parts).join(",")).split(",");
for (const part of asked) {
  await parts[part]().catch((error) => check(part, false, String(error)));
}
await browser.close();
server.close();
console.log(failed === 0 ? "all is well" : failed + " failed");
process.exit(failed === 0 ? 0 : 1);
