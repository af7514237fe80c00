// The worker that measures. The program in it waits as a program does; while it waits, WebAssembly is suspended and this worker goes on.
let wake = null;
let resumed = false;
let stopped = false;
let hidden = false;
let hides = 0;

const suspend = (milliseconds) => new Promise((go) => {
  const timer = setTimeout(() => resume(), milliseconds);
  wake = () => {
    clearTimeout(timer);
    wake = null;
    resumed = false;
    go();
  };
  if (resumed) {
    wake();
  }
});

function resume() {
  resumed = true;
  if (wake !== null) {
    wake();
  }
}

globalThis.roofprobeSuspend = suspend;
globalThis.roofprobeResume = resume;
globalThis.roofprobeStopped = () => stopped;
globalThis.roofprobeHidden = () => hidden;
globalThis.roofprobeHides = () => hides;
globalThis.roofprobeTell = (kind, text) => postMessage({ kind, text });

/** The imports of a module, with the one that suspends as a function that can. */
function suspending(imports) {
  const changed = {};
  for (const [module, functions] of Object.entries(imports)) {
    changed[module] = { ...functions };
    for (const name of Object.keys(functions)) {
      if (/suspend/i.test(name)) {
        changed[module][name] = new WebAssembly.Suspending(suspend);
      }
    }
  }
  return changed;
}

const { instantiate, instantiateStreaming } = WebAssembly;
WebAssembly.instantiate = (source, imports) => instantiate(source, suspending(imports));
WebAssembly.instantiateStreaming = (source, imports) => instantiateStreaming(source, suspending(imports));

async function measure(order) {
  const roofprobe = await import("./roofprobe_page.js");
  const exports = await roofprobe.default({ module_or_path: "roofprobe_page_bg.wasm" });
  roofprobe.order(order);
  await WebAssembly.promising(exports.measure)();
}

onmessage = ({ data }) => {
  if (data.kind === "stop") {
    stopped = true;
    resume();
  } else if (data.kind === "visibility") {
    hides += data.hidden && !hidden ? 1 : 0;
    hidden = data.hidden;
  } else if (data.kind === "measure") {
    hidden = data.hidden;
    measure(data.order).catch((error) => postMessage({ kind: "failed", text: String(error.message ?? error) }));
  }
};
