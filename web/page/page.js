// The page: what is open, what is chosen, and the report about it. Measuring is in measuring.js; what anything means is in the program.
import init, * as roofprobe from "./roofprobe_page.js";
import { one, say } from "./elements.js";
import { prepareMeasuring } from "./measuring.js";

const profiles = [];
const models = ["qwen2.5-0.5b", "llama-3.2-1b", "qwen3-4b", "llama-3.1-8b"];
const FORMATS = ["q4_k_m", "q4_0", "q6_k", "q8_0", "bf16", "f16"];
const PROMPTS = [512, 4096, 16384];

function sheet(view, text) {
  const made = new view.CSSStyleSheet();
  made.replaceSync(text);
  return made;
}

/** Opens a profile under a name that no other one has, or says what is wrong with it. */
function open(name, toml) {
  let unique = name;
  for (let count = 2; profiles.some((other) => other.name === unique); count += 1) {
    unique = name.replace(/(\.toml)?$/, " (" + count + ")$1");
  }
  try {
    profiles.push({ name: unique, toml, device: roofprobe.device(toml) });
    say("unread", "");
  } catch (error) {
    say("unread", name + " cannot be read: " + error.message);
  }
  show();
}

function chips(list, items, words, remove) {
  list.replaceChildren(...items.map((item) => {
    const entry = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = words(item);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", "Remove " + words(item));
    button.addEventListener("click", () => remove(item));
    entry.append(text, button);
    return entry;
  }));
}

function without(list, item) {
  list.splice(list.indexOf(item), 1);
  show();
}

function request() {
  const weights = [...one("weights").querySelectorAll("input:checked")].map((box) => box.value);
  const opened = profiles.map(({ name, toml }) => ({ name, toml }));
  return JSON.stringify({ profiles: opened, models, weights, prompts: PROMPTS });
}

/** The report in a frame of its own, loaded anew each time, so that its script sees a whole document. */
async function report(body) {
  const frame = one("frame");
  frame.hidden = false;
  await new Promise((loaded) => {
    frame.addEventListener("load", loaded, { once: true });
    frame.src = "frame.html?" + Date.now();
  });
  const page = frame.contentDocument;
  page.adoptedStyleSheets = [sheet(frame.contentWindow, roofprobe.style())];
  page.body.innerHTML = body;
  const script = page.createElement("script");
  script.src = "report.js";
  page.body.append(script);
  const fit = () => { frame.style.height = page.documentElement.offsetHeight + 4 + "px"; };
  new frame.contentWindow.ResizeObserver(fit).observe(page.body);
}

let shown = 0;

/** Shows what is open and chosen. Of calls in a row the last one counts. */
async function show() {
  chips(one("opened"), profiles, ({ name, device }) => name + ": " + device, (item) => without(profiles, item));
  chips(one("chosen"), models, (name) => name, (item) => without(models, item));
  const some = profiles.length > 0;
  one("none").hidden = some;
  one("empty").hidden = some;
  one("saves").hidden = !some;
  if (!some) {
    one("frame").hidden = true;
    return;
  }
  shown += 1;
  const mine = shown;
  await new Promise((later) => setTimeout(later, 0));
  if (mine === shown) {
    try {
      await report(roofprobe.report(request()));
      say("unknown", "");
    } catch (error) {
      say("unknown", error.message);
    }
  }
}

function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A name for files, from that of the first profile. */
function stem() {
  return profiles[0].name.replace(/\.toml$/, "").replace(/[^A-Za-z0-9._-]+/g, "-");
}

function listenToSaves() {
  const saves = {
    "save-toml": () => save(stem() + ".toml", "application/toml", profiles[0].toml),
    "save-json": () => save(stem() + ".json", "application/json", roofprobe.profile_json(profiles[0].toml)),
    "save-evaluation": () => save(stem() + "-models.json", "application/json", roofprobe.evaluation_json(request())),
    "save-report": () => save(stem() + ".html", "text/html", roofprobe.report_file(request())),
  };
  for (const [id, act] of Object.entries(saves)) {
    one(id).addEventListener("click", () => {
      try {
        act();
      } catch (error) {
        say("unknown", error.message);
      }
    });
  }
}

function listenToProfiles() {
  one("file").addEventListener("change", async (event) => {
    for (const file of event.target.files) {
      open(file.name, await file.text());
    }
    event.target.value = "";
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    for (const file of event.dataTransfer.files) {
      open(file.name, await file.text());
    }
  });
  const shipped = one("shipped");
  shipped.append(...roofprobe.shipped().split("\n").map((name) => new Option(name)));
  shipped.addEventListener("change", () => {
    const toml = roofprobe.shipped_toml(shipped.value);
    if (toml !== undefined) {
      open(shipped.value, toml);
    }
    shipped.value = "";
  });
}

function listenToModels() {
  const names = roofprobe.models().split("\n");
  one("names").append(...names.map((name) => new Option(name)));
  one("model").addEventListener("change", (event) => {
    const name = event.target.value.trim();
    if (names.includes(name)) {
      if (!models.includes(name)) {
        models.push(name);
      }
      event.target.value = "";
      say("unknown", "");
      show();
    } else if (name !== "") {
      say("unknown", "There is no model “" + name + "” here: choose one of the list.", "fair");
    }
  });
  one("weights").append(...FORMATS.map((format) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = format;
    box.checked = ["q4_k_m", "q8_0", "f16"].includes(format);
    label.append(box, " " + format);
    return label;
  }));
  one("weights").addEventListener("change", show);
}

try {
  await init({ module_or_path: "roofprobe_page_bg.wasm" });
  document.adoptedStyleSheets = [sheet(window, roofprobe.page_style())];
  one("version").textContent = roofprobe.version();
  listenToProfiles();
  listenToModels();
  listenToSaves();
  show();
  prepareMeasuring(open);
} catch (error) {
  say("failure", "The page could not start: " + error.message + ". It needs a browser with WebAssembly, and all files of its folder.");
}
