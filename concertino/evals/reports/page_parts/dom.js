// The page's only ways to make elements and words. Text goes in as text: nothing here parses markup.
const el = (tag, props, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key === "text") node.textContent = value;
    else if (key === "on") for (const [type, act] of Object.entries(value)) node.addEventListener(type, act);
    else if (key === "css") for (const [name, set] of Object.entries(value)) node.style.setProperty(name, set);
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
};

const STATES = {
  completed: ["✓", "good"], success: ["✓", "good"], passed: ["✓", "good"], ok: ["✓", "good"],
  failed: ["✕", "bad"], blocked: ["⊘", "bad"], timeout: ["✕", "bad"], refused: ["⊘", "bad"], rejected: ["⊘", "bad"],
  waiting: ["…", "warn"], partial_success: ["◐", "warn"], interrupted: ["!", "warn"],
  running: ["▸", "live"], skipped: ["–", "idle"], cancelled: ["–", "idle"], pending: ["○", "idle"],
};
const glyph = (state) => (STATES[state] || ["•"])[0];
const tone = (state) => (STATES[state] || ["", "idle"])[1];
const words = (name) => String(name).replaceAll("_", " ");
const pill = (state, label) => el("span", { class: `pill ${tone(state)}` }, el("i", { "aria-hidden": "true", text: glyph(state) }), label || words(state));

const grouped = (number) => String(number).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ",");
const amount = (value) => {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
  if (Number.isInteger(value)) return grouped(value);
  return Math.abs(value) >= 1000 ? grouped(Math.round(value)) : String(Number(value.toPrecision(4)));
};
const money = (usd) => (usd ? `$${usd < 0.01 ? Number(usd.toPrecision(3)) : usd.toFixed(usd < 1 ? 3 : 2)}` : "$0");
const percent = (share) => (share === null || share === undefined ? "–" : `${Number((100 * share).toPrecision(3))} %`);
const duration = (exact) => {
  if (exact === null || exact === undefined) return "–";
  const seconds = Number(exact.toPrecision(6));
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds >= 0.9995) return `${Number(seconds.toPrecision(3))} s`;
  return seconds >= 0.0009995 ? `${Number((1000 * seconds).toPrecision(3))} ms` : seconds ? `${Number((1e6 * seconds).toPrecision(3))} µs` : "0 s";
};
const unit = { usd: money, seconds: duration };
const shownAs = (name, value) => (unit[name] || amount)(value);
const json = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const short = (value, most = 90) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text === undefined ? "" : text.length > most ? `${text.slice(0, most - 1)}…` : text;
};
const block = (text, label) => el("pre", { class: "block", tabindex: "0", role: "region", "aria-label": label, text });
const facts = (pairs) => el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => el("div", null, el("dt", { text: name }), el("dd", null, value))));
const section = (id, title, note, ...children) => el("section", { "aria-labelledby": id }, el("h3", { id }, title, note ? el("small", { text: note }) : null), ...children);
const bar = (share, kind) => el("span", { class: "bar" }, el("b", { class: kind || "", css: { width: `${Math.min(100, Math.max(share > 0 ? 0.5 : 0, 100 * share))}%` } }));

// More of a long list on demand, so that a long one costs nothing until somebody wants it.
const inPieces = (items, size, show) => {
  const list = el("div", { class: "pieces" });
  let shown = 0;
  const more = el("button", { type: "button", class: "quiet", on: { click: () => { const first = add(); if (first) first.focus(); } } });
  const add = () => {
    const made = items.slice(shown, shown + size).map(show);
    list.append(...made);
    shown += made.length;
    more.hidden = shown >= items.length;
    more.textContent = `Show ${Math.min(size, items.length - shown)} more of ${grouped(items.length - shown)}`;
    return made.length && shown > size ? made[0].querySelector("summary, button") : null;
  };
  add();
  return items.length > size ? [list, more] : [list];
};

// A list of rows of one height, of which only those in sight exist.
const rows = ({ label, count, height, most, draw, pick, option }) => {
  const inner = el("div", { class: "rows-inner", css: { height: `${count() * height}px` } });
  const box = el("div", { class: "rows", role: "listbox", tabindex: "0", "aria-label": label }, inner);
  let at = -1;
  let made = new Map();
  let width = "";
  const fit = () => { inner.style.height = `${count() * height}px`; box.style.height = `${Math.min(most(), count() * height) + 2}px`; };
  const paint = (anew) => {
    if (anew) { made = new Map(); inner.replaceChildren(); }
    const top = box.scrollTop, tall = box.clientHeight || most();
    const from = Math.max(0, Math.floor(top / height) - 4), to = Math.min(count(), Math.ceil((top + tall) / height) + 4);
    for (const [number, row] of made) if (number < from || number >= to) { row.remove(); made.delete(number); }
    const fresh = document.createDocumentFragment();
    for (let number = from; number < to; number++) {
      if (made.has(number)) continue;
      const row = draw(number);
      row.id = `${option}-${number}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-setsize", count());
      row.setAttribute("aria-posinset", number + 1);
      row.setAttribute("aria-selected", number === at);
      row.style.top = `${number * height}px`;
      row.style.height = `${height}px`;
      row.addEventListener("click", () => choose(number, true));
      made.set(number, row);
      fresh.append(row);
    }
    inner.append(fresh);
  };
  const mark = (number, reveal) => {
    made.get(at)?.setAttribute("aria-selected", "false");
    at = number;
    if (number < 0) { box.removeAttribute("aria-activedescendant"); return; }
    if (reveal) {
      const top = number * height;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
    }
    paint();
    made.get(number)?.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", `${option}-${number}`);
  };
  const choose = (number, told) => { mark(number, true); if (told) pick(number); };
  box.addEventListener("scroll", () => paint(), { passive: true });
  box.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(box.clientHeight / height) - 1), last = count() - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(last, to)), true);
  });
  return { box, mark, paint, fit };
};
