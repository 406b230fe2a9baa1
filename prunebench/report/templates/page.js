const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);
root.classList.add("js");

// State lives in the address: it can be shared, reloaded, and gone back to.
const LISTS = ["family", "of"];
const read = () => {
  const text = location.hash.slice(1);
  return new URLSearchParams(!text || text.includes("=") ? text : "at=" + text);
};
const write = (changes, replace = false) => {
  const next = read();
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const hash = "#" + next;
  if (replace) location.replace(hash);
  else location.hash = hash;
  apply();
};

const listed = all(".methods li");
const methods = new Map(listed.map((item) => [item.dataset.method, item]));
const marked = new Map();
for (const element of all("[data-method]")) {
  const id = element.dataset.method;
  if (!marked.has(id)) marked.set(id, []);
  marked.get(id).push(element);
}
const tables = all(".table").map((box) => ({ box, rows: all("tbody tr", box), note: null }));
const filter = one("#filter");
const boxes = all("input[data-family], input[data-of]");

// Filter
const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
const has = (text, wanted) => wanted.every((word) => text.toLowerCase().includes(word));
const show = (state) => {
  const wanted = words(state.get("q") || "");
  const off = Object.fromEntries(LISTS.map((name) => [name, new Set(state.getAll("no-" + name).join("|").split("|"))]));
  let count = 0;
  const hidden = new Set();
  for (const [id, item] of methods) {
    item.hidden = off.family.has(item.dataset.family) || !has(item.title, wanted);
    if (item.hidden) hidden.add(id);
    else count += 1;
  }
  for (const [id, elements] of marked)
    for (const element of elements) element.classList.toggle("off", hidden.has(id));
  for (const table of tables) {
    let left = 0;
    for (const row of table.rows) {
      const id = row.dataset.method;
      row.hidden = id !== undefined && hidden.has(id);
      left += !row.hidden;
    }
    const none = table.rows.length > 0 && left === 0;
    table.box.classList.toggle("filtered", none);
    if (none && !table.note) {
      table.note = document.createElement("p");
      table.note.className = "note";
      const title = table.box.querySelector("caption bdi, caption .alarm, summary");
      table.note.textContent = `${title ? title.textContent : "Table"}: no row fits the filter`;
      table.box.append(table.note);
    }
  }
  for (const element of all("[data-dataset]")) element.hidden = off.of.has(element.dataset.dataset);
  for (const text of all("[data-shown]")) text.textContent = `${count} of ${methods.size} methods shown`;
  const filtered = count < methods.size || wanted.length > 0 || state.has("no-of");
  for (const button of all("[data-reset]")) button.hidden = !filtered;
  for (const note of all("[data-empty]")) note.hidden = count > 0 || methods.size === 0;
  if (filter && document.activeElement !== filter) filter.value = state.get("q") || "";
  for (const box of boxes) {
    const name = box.dataset.family === undefined ? "of" : "family";
    box.checked = !off[name].has(box.dataset[name]);
  }
};
let typing = false;
filter?.addEventListener("input", () => {
  write({ q: filter.value }, typing);
  typing = true;
});
filter?.addEventListener("blur", () => (typing = false));
for (const box of boxes)
  box.addEventListener("change", () => {
    const name = box.dataset.family === undefined ? "of" : "family";
    const off = boxes.filter((other) => other.dataset[name] !== undefined && !other.checked);
    write({ ["no-" + name]: off.map((other) => other.dataset[name]).join("|") });
  });
for (const button of all("[data-reset]"))
  button.addEventListener("click", () => {
    if (filter) filter.value = "";
    write({ q: "", "no-family": "", "no-of": "" });
    filter?.focus();
  });

// Light a method up wherever it is
let lit = null;
let pinned = null;
const light = (id) => {
  if (id === lit) return;
  for (const element of marked.get(lit) || []) element.classList.remove("lit");
  lit = marked.has(id) ? id : null;
  for (const element of marked.get(lit) || []) element.classList.add("lit");
  root.classList.toggle("lighting", lit !== null);
};
const about = (event) => event.target.closest?.("[data-method]")?.dataset.method ?? null;
document.addEventListener("mouseover", (event) => light(about(event) ?? pinned));
document.addEventListener("focusin", (event) => light(about(event) ?? pinned));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (pinned !== null) write({ pin: "" });
  light(null);
});
for (const item of listed) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...item.childNodes);
  item.append(button);
  button.addEventListener("click", () => write({ pin: item.dataset.method === pinned ? "" : item.dataset.method }));
}
document.addEventListener("click", (event) => {
  const mark = event.target.closest?.("svg [data-method]");
  if (mark) write({ pin: mark.dataset.method === pinned ? "" : mark.dataset.method });
});
const pin = (id) => {
  pinned = marked.has(id) ? id : null;
  for (const item of listed) item.firstChild.setAttribute("aria-pressed", String(item.dataset.method === pinned));
  light(pinned);
};

// Sort: ascending, descending, as it was. Rows with holes come last in any order, then cells without a number.
const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const sortable = new Map();
const asked = () => new Map((read().get("sort") || "").split("|").map((text) => text.split(/:(?=\d+[ad]$)/)));
const sort = (table, way = "") => {
  if (table.way === way) return;
  table.way = way;
  const column = parseInt(way, 10);
  const sign = way.endsWith("d") ? -1 : 1;
  for (const header of table.head) header.removeAttribute("aria-sort");
  table.head[column]?.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
  const line = (row) => {
    const cell = row.cells[column];
    const number = cell.dataset.k;
    const text = cell.textContent.trim();
    const key = number === undefined ? text : Number(number);
    return { row, key, none: number === "" || text === "" || text === "–", hole: row.classList.contains("hole") };
  };
  const compare = (a, b) =>
    a.hole - b.hole ||
    a.none - b.none ||
    (a.none ? 0 : sign * (typeof a.key === "number" ? a.key - b.key : order.compare(a.key, b.key)));
  table.body.append(...(table.head[column] ? table.rows.map(line).sort(compare).map((at) => at.row) : table.rows));
};
for (const element of all("table")) {
  const table = { head: all("thead th", element), body: element.tBodies[0], way: "" };
  const id = element.closest(".table").id;
  table.rows = [...table.body.rows];
  sortable.set(id, table);
  const meanings = new Map(
    all(".meanings dl > div", element.closest("section") || root).map((pair) => [...pair.children].map((of) => of.textContent)),
  );
  for (const header of table.head) {
    const text = header.textContent;
    if (meanings.has(text)) header.title = meanings.get(text);
    if (table.rows.length < 2) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const [up, down] = [header.cellIndex + "a", header.cellIndex + "d"];
      sort(table, { "": up, [up]: down, [down]: "" }[table.way] ?? up);
      const ways = [...asked().set(id, table.way)].filter((pair) => pair[1]);
      write({ sort: ways.map((pair) => pair.join(":")).join("|") });
    });
  }
}

// Theme
const THEMES = { "": "as the system", light: "light", dark: "dark" };
const theme = (name) => {
  if (name in THEMES && name) root.dataset.theme = name;
  else delete root.dataset.theme;
  for (const button of all("[data-theme-button]")) button.textContent = `Theme: ${THEMES[root.dataset.theme || ""]}`;
};
for (const button of all("[data-theme-button]"))
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    write({ theme: names[(names.indexOf(root.dataset.theme || "") + 1) % names.length] });
  });

// Anchors share the address with the state
const go = (id) => {
  const target = document.getElementById(id);
  if (!target) return;
  for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  target.querySelector(":scope > details")?.setAttribute("open", "");
  target.scrollIntoView();
};
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link) return;
  event.preventDefault();
  const id = link.getAttribute("href").slice(1);
  write({ at: id });
  go(id);
  if (id === "main") one("#main").focus();
});

let applied = null;
const apply = () => {
  if (applied === location.hash) return;
  applied = location.hash;
  const state = read();
  theme(state.get("theme") || "");
  show(state);
  pin(state.get("pin"));
  const ways = asked();
  for (const [id, table] of sortable) sort(table, ways.get(id));
};
addEventListener("hashchange", apply);
const side = one(".side > details");
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => side && (side.open = !narrow.matches);
narrow.addEventListener("change", fold);
fold();
apply();
if (read().has("at")) go(read().get("at"));

// Paper folds nothing away
let folded = [];
addEventListener("beforeprint", () => {
  folded = all("details:not([open])");
  for (const box of folded) box.open = true;
});
addEventListener("afterprint", () => {
  for (const box of folded) box.open = false;
});
