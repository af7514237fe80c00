"use strict";
// What a page without it does not have: words for what is pointed at, switches, tables that sort and filter, and the profile as a
// file. Nothing here asks a network for anything.
(() => {
  const all = (what, root = document) => [...root.querySelectorAll(what)];
  const tip = document.getElementById("tip");
  all("[hidden]").forEach((one) => { one.hidden = false; });

  // Pictures: pointing at a thing, touching it, or walking to it with the arrow keys shows its numbers.
  const visible = (item) => !item.classList.contains("off") && item.getClientRects().length > 0;
  const hide = () => {
    tip.classList.remove("shown");
    all(".at").forEach((item) => item.classList.remove("at"));
  };
  const show = (item, x, y) => {
    hide();
    item.classList.add("at");
    tip.textContent = item.getAttribute("aria-label");
    tip.classList.add("shown");
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - 8;
    tip.style.left = Math.max(8, Math.min(x + 14, room)) + "px";
    tip.style.top = (y + 18 + height > window.innerHeight ? Math.max(8, y - height - 14) : y + 18) + "px";
  };
  const beside = (item) => {
    const box = item.getBoundingClientRect();
    show(item, box.left + box.width / 2, box.top + box.height / 2);
  };
  for (const picture of all("svg.roofline")) {
    const items = all("[role=img]", picture);
    for (const item of items) {
      const title = item.querySelector("title");
      item.setAttribute("aria-label", title.textContent);
      title.remove();
      // Thin strokes and small dots are hard to meet: each has a wide one that is not seen.
      for (const path of all("path", item)) {
        const wide = path.cloneNode();
        wide.setAttribute("class", "hit");
        item.append(wide);
      }
      item.addEventListener("focus", () => beside(item));
      item.addEventListener("blur", hide);
    }
    const first = () => items.find(visible);
    const only = (one) => items.forEach((item) => item.setAttribute("tabindex", item === one ? "0" : "-1"));
    if (items.length > 0) {
      only(items[0]);
    }
    picture.addEventListener("keydown", (event) => {
      const there = items.filter(visible);
      const at = there.indexOf(document.activeElement);
      const to = {
        ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: there.length - 1,
      }[event.key];
      if (to === undefined || there.length === 0) {
        return;
      }
      event.preventDefault();
      const next = there[(to + there.length) % there.length];
      only(next);
      next.focus();
    });
    const pointed = (event) => {
      const item = event.target.closest("[role=img]");
      if (item) {
        show(item, event.clientX, event.clientY);
      } else {
        hide();
      }
    };
    picture.addEventListener("pointermove", pointed);
    picture.addEventListener("pointerdown", pointed);
    picture.addEventListener("pointerleave", hide);
    picture.addEventListener("switched", () => {
      const one = first();
      if (one && !visible(items.find((item) => item.getAttribute("tabindex") === "0") || one)) {
        only(one);
      }
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      hide();
    }
  });
  // Walking with keys scrolls: what is walked to keeps its numbers.
  window.addEventListener("scroll", () => {
    const item = document.activeElement;
    if (item.matches("svg [role=img]")) {
      beside(item);
    } else {
      hide();
    }
  }, { passive: true });

  // Switches: what is not ticked is not shown, in every picture of its figure.
  for (const box of all(".switches input")) {
    const figure = box.closest("figure");
    box.addEventListener("change", () => {
      for (const part of all("[data-k]", figure)) {
        if (part.getAttribute("data-k") === box.value) {
          part.classList.toggle("off", !box.checked);
        }
      }
      all("svg.roofline", figure).forEach((picture) => picture.dispatchEvent(new Event("switched")));
    });
  }

  // Tables: a head sorts its column, first downwards where it has numbers; what has no value stays at the end.
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.hasAttribute("data-v") ? cell.getAttribute("data-v") : cell.textContent.trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compared = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  for (const table of all("table.sorted")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      head.firstElementChild.addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const before = head.getAttribute("aria-sort");
        const order = before === null ? (numeric ? "descending" : "ascending")
          : before === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
        rows.sort(([a], [b]) =>
          a === null || b === null ? (a === null) - (b === null) : order === "ascending" ? compared(a, b) : compared(b, a));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  // Filters: all words must stand in a row, and its cells be those that were chosen.
  for (const form of all("form.controls")) {
    const table = document.getElementById(form.dataset.for);
    const search = form.querySelector("[type=search]");
    const choices = all("[data-column]", form);
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
      const rows = [...table.tBodies[0].rows];
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const chosen = (choice) => {
          const wanted = choice.type === "checkbox" && !choice.checked ? "" : choice.value;
          return wanted === "" || row.cells[choice.dataset.column].textContent.trim() === wanted;
        };
        const fits = words.every((word) => text.includes(word)) && choices.every(chosen);
        row.classList.toggle("off", !fits);
        shown += fits;
      }
      form.querySelector("output").textContent = shown + " of " + rows.length + " rows";
    };
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  }

  // The profile as a file, byte by byte.
  for (const button of all("button.save")) {
    button.addEventListener("click", () => {
      const text = button.closest(".profile").querySelector("pre").textContent;
      const address = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
      const link = document.createElement("a");
      link.href = address;
      link.download = button.dataset.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    });
  }
})();
