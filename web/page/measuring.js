// The first step of the page: whether this browser can measure, a measurement under way, and its end.
import { one, say } from "./elements.js";

let worker = null;
let open = null;

const NO_GPU = "This browser has no WebGPU, or does not offer it to this page. Chrome and Edge have it on most systems, Safari from "
  + "version 26, Firefox on some; a page has to come from https or from this machine. Profiles can be looked at all the same.";
const NO_ADAPTER = "The browser gives this page no GPU: its driver may be on the browser's list of those that it does not trust, hardware "
  + "acceleration may be off, or the GPU was reset too often. A restart of the browser may help. Profiles can be looked at all the same.";
const NO_SUSPENSION = "This browser cannot suspend WebAssembly (JavaScript Promise Integration), which measuring needs: Chrome and Edge can "
  + "from version 137. Profiles can be looked at all the same.";
const COARSE = "The host of this page sends no Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy headers, so the browser gives it a "
  + "coarse clock. Measuring works all the same.";
const SOFTWARE = "The browser offers no hardware, only software that the processor runs: what is measured are no ceilings of a GPU.";

/** The adapter, or null where `support` says why there is none. */
async function adapter() {
  if (!navigator.gpu) {
    say("support", NO_GPU);
    return null;
  }
  if (!("Suspending" in WebAssembly)) {
    say("support", NO_SUSPENSION);
    return null;
  }
  const found = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (found === null) {
    say("support", NO_ADAPTER);
  }
  return found;
}

function called({ description, vendor, architecture, device }) {
  return (description || [vendor, architecture, device].filter((word) => word).join(" ")).slice(0, 120);
}

function system() {
  const agent = navigator.userAgent;
  const known = [["Android", "android"], ["iPhone", "ios"], ["iPad", "ios"], ["Windows", "windows"], ["Mac OS", "macos"], ["CrOS", "chromeos"],
    ["Linux", "linux"]];
  return known.find(([word]) => agent.includes(word))?.[1] ?? "unknown";
}

/** One step of the page's clock, ns; of the GPU's where that is coarser. */
function clockStep(found) {
  let step = Infinity;
  for (let tries = 0; tries < 20; tries += 1) {
    const begun = performance.now();
    let now = begun;
    while (now === begun) {
      now = performance.now();
    }
    step = Math.min(step, now - begun);
  }
  // Browsers round the clock of the GPU to 100 µs.
  const ofGpu = found.features.has("timestamp-query") ? 1e5 : 0;
  return Math.round(Math.max(step * 1e6, ofGpu));
}

/** What a measurement is told that there is: half of the memory as far as the browser tells it, 3.25 GiB at most. It takes two fifths. */
function memoryBytes() {
  return Math.min(3.25, (navigator.deviceMemory ?? 8) / 2) * 2 ** 30;
}

function order(found, effort) {
  return JSON.stringify({
    effort,
    os: system(),
    gpu: called(found.info ?? {}),
    memory_bytes: Math.round(memoryBytes()),
    timer_ns: clockStep(found),
    date: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
  });
}

function running(is) {
  one("start").hidden = is;
  one("stop").hidden = !is;
  one("progress").hidden = !is;
  one("efforts").disabled = is;
}

function end() {
  worker?.terminate();
  worker = null;
  running(false);
}

function fileName() {
  return "browser-" + new Date().toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-") + ".toml";
}

function progressed({ share, now, value, left }) {
  one("share").value = share;
  const reached = value ? ", " + Number(value.value.toPrecision(3)) + " " + value.unit : "";
  const rest = left === null ? "" : " · " + Math.ceil(left) + " s left at most";
  one("now").textContent = now + reached + rest;
}

const LOST = "The GPU was lost: the browser or the driver reset it, or it was needed elsewhere. ";

const heard = {
  progress: (text) => progressed(JSON.parse(text)),
  paused: () => say("outcome", "Paused: the page is hidden, and browsers slow down what is hidden. It goes on when the page is seen again.", "fair"),
  resumed: () => say("outcome", "The page is seen again: it goes on. Passes that were hidden are measured again.", "fair"),
  lost: (text) => say("outcome", LOST + "(" + text + ") What was measured until then is below, marked incomplete."),
  done: (text) => {
    end();
    say("outcome", "Measured. The profile is open below; save it as TOML to keep it.", "good");
    open(fileName(), text);
  },
  partial: (text) => {
    end();
    if (one("outcome").hidden || !one("outcome").textContent.startsWith(LOST)) {
      say("outcome", "Stopped. What was measured until then is open below, marked incomplete.", "fair");
    }
    open(fileName(), text);
  },
  failed: (text) => {
    end();
    say("outcome", "The measurement failed: " + text);
  },
};

async function start() {
  const found = await adapter();
  if (found === null) {
    return;
  }
  say("outcome", "");
  const effort = document.querySelector("input[name=effort]:checked").value;
  worker = new Worker("worker.js");
  worker.addEventListener("message", ({ data }) => heard[data.kind](data.text));
  worker.addEventListener("error", (event) => heard.failed(event.message || "the worker could not start"));
  progressed({ share: 0, now: "starting", value: null, left: null });
  running(true);
  worker.postMessage({ kind: "measure", order: order(found, effort), hidden: document.hidden });
}

/** Says what this browser can do, and listens. `opens` is told the name and the TOML of what was measured. */
export async function prepareMeasuring(opens) {
  open = opens;
  one("start").addEventListener("click", start);
  one("stop").addEventListener("click", () => worker?.postMessage({ kind: "stop" }));
  document.addEventListener("visibilitychange", () => worker?.postMessage({ kind: "visibility", hidden: document.hidden }));
  const found = await adapter();
  if (found === null) {
    return;
  }
  const software = found.info?.isFallbackAdapter ?? false;
  const name = called(found.info ?? {}) || "a GPU that the browser does not name";
  say("support", "The GPU: " + name + ". " + (software ? SOFTWARE : ""), software ? "fair" : "good");
  one("clock").textContent = crossOriginIsolated ? "" : COARSE;
  one("start").disabled = false;
}
