// Puts the page together: the suite's head, its cases, and the chosen case's run.
const head = dataOf("head");
const cases = head.cases.id.map((id, number) => Object.fromEntries(Object.keys(head.cases).map((key) => [key, head.cases[key][number]])));
const main = document.querySelector("main");
let current = { number: -1, repeat: 0, subtask: -1 };
let recolor = () => {};

const verdictWord = (one) => (one.passed === null ? words(one.status) : one.passed ? "passed" : "failed");
const stateOf = (one) => (one.passed === null ? one.status : one.passed ? "passed" : "failed");

const theme = () => {
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", class: "quiet theme", on: { click: () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; tell(); recolor(); } } });
  const tell = () => { button.textContent = dark() ? "☀" : "☾"; button.setAttribute("aria-label", dark() ? "Light colours" : "Dark colours"); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { tell(); recolor(); });
  tell();
  return button;
};

const masthead = () => {
  const sum = head.summary, tile = (name, value, note, kind) => el("div", { class: `tile ${kind || ""}` }, el("span", { text: name }), el("b", { text: value }), note ? el("small", { text: note }) : null);
  const tiles = [];
  if (sum) {
    const repeats = sum.repeats, range = repeats.interval.map((share) => Math.round(100 * share));
    tiles.push(tile("passed", `${sum.passed} / ${sum.cases}`, sum.errors ? `${sum.errors} could not be run` : `95 %: ${range[0]}–${range[1]} %`, sum.failed ? "bad" : "good"));
    if (sum.score !== null) tiles.push(tile("score", amount(Number(sum.score.toFixed(3)))));
    for (const name of ["pass@k", "pass^k"]) {
      const found = Object.entries(repeats[name] || {}).at(-1);
      if (found) tiles.push(tile(name.replace("k", found[0]), percent(found[1].mean), `95 %: ${found[1].interval.map((share) => Math.round(100 * share)).join("–")} %`));
    }
    for (const [kind, found] of Object.entries(sum.calibration || {})) if (found) tiles.push(tile(`calibration, ${kind}`, `ECE ${found.ece.toFixed(3)}`, `Brier ${found.brier.toFixed(3)}, n ${found.n}, ${found.binning}`));
    tiles.push(tile("cost", money(sum.usd)), tile("virtual time", duration(sum.makespan_s)));
    tiles.push(tile("tapes", Object.entries(sum.tapes).map(([state, count]) => `${count} ${state === "none" ? "without" : state}`).join(", ")));
  }
  const title = head.suite ? head.suite.name : cases[0]?.title || cases[0]?.id || "run";
  const under = head.suite ? head.suite.target : cases[0]?.id;
  const notice = sum?.stand_ins ? el("p", { class: "notice warn", text: `${sum.stand_ins} of ${sum.cases} cases were recorded against a scripted stand-in, not a live model: they say nothing about a model's quality.` }) : null;
  document.querySelector("header").append(el("div", { class: "title" }, el("div", null, el("p", { class: "kind", text: head.suite ? "Eval suite" : "Run" }), el("h1", { text: title }), el("p", { class: "soft", text: under })), theme()), tiles.length ? el("div", { class: "tiles" }, tiles) : "", notice || "");
  document.title = `${title} · Concertino`;
};

const sidebar = () => {
  const nav = document.querySelector("nav");
  if (cases.length < 2) { nav.remove(); return null; }
  let found = cases.map((_, number) => number);
  const draw = (row) => {
    const one = cases[found[row]];
    const note = [one.runs > 1 ? `${one.passes} of ${one.runs}` : words(one.status), one.stand_in ? "stand-in" : "", ["fresh", "none"].includes(one.tape) ? "" : one.tape].filter(Boolean).join(" · ");
    return el("div", { class: "case", "aria-label": `${one.id}: ${verdictWord(one)}` }, el("i", { class: tone(stateOf(one)), text: glyph(stateOf(one)) }), el("span", { class: "grow" }, el("b", { text: one.id }), el("small", { text: note })), one.score === null ? null : el("span", { class: "soft number", text: one.score.toFixed(2) }));
  };
  const list = rows({ label: "Cases", count: () => found.length, height: 44, most: () => (NARROW.matches ? 188 : Math.max(240, innerHeight - 170)), draw, pick: (row) => show(found[row], 0), option: "case" });
  const filter = el("input", { type: "search", placeholder: "Find a case  ( / )", "aria-label": "Find a case by name or tag" });
  const failed = el("input", { type: "checkbox", id: "failed" });
  const none = el("p", { class: "soft", hidden: true, text: "No case is like this." });
  const sift = () => {
    const text = filter.value.trim().toLowerCase();
    found = cases.flatMap((one, number) => ((!failed.checked || !one.passed) && `${one.id} ${(one.tags || []).join(" ")} ${one.status}`.toLowerCase().includes(text) ? [number] : []));
    none.hidden = found.length > 0;
    list.fit();
    list.paint(true);
    list.mark(found.indexOf(current.number), false);
  };
  filter.addEventListener("input", sift);
  failed.addEventListener("change", sift);
  nav.append(el("div", { class: "filter" }, filter, el("label", { for: "failed" }, failed, "failed only")), list.box, none);
  list.fit();
  list.paint();
  addEventListener("resize", () => { list.fit(); list.paint(); });
  return { list, filter, mark: (number) => list.mark(found.indexOf(number), true) };
};

const caseHead = (one, run, told) => {
  const badges = [pill(stateOf(told.passed === undefined ? one : told), verdictWord(told.passed === undefined ? one : told)), told.passed === undefined || told.passed === null ? null : el("span", { class: "pill", text: words(told.status) }),
    one.tape && one.tape !== "none" ? el("span", { class: `pill ${one.tape === "fresh" ? "" : "warn"}`, text: `tape ${one.tape}` }) : null,
    one.stand_in ? el("span", { class: "pill warn", text: "stand-in, no live model" }) : null, ...(one.tags || []).map((tag) => el("span", { class: "pill", text: tag }))];
  const repeats = one.runs > 1 ? el("div", { class: "repeats", role: "group", "aria-label": "Repeats" }, Array.from({ length: one.runs }, (_, number) => el("button", { type: "button", "aria-pressed": number === current.repeat, text: String(number + 1), on: { click: () => show(current.number, number) } }))) : null;
  const bound = run?.bound;
  return el("div", { class: "case-head" }, cases.length > 1 ? el("h2", { text: one.id }) : null, run?.title && cases.length > 1 ? el("p", { class: "soft", text: run.title }) : null, el("p", { class: "badges" }, badges), repeats,
    run ? facts([["subtasks", run.subtasks.length ? grouped(run.subtasks.length) : null], ["plan by", run.plan?.origin], ["makespan", bound?.makespan_s ? duration(bound.makespan_s) : null], ["bound", bound?.bound_s ? duration(bound.bound_s) : null], ["makespan / bound", bound?.ratio ? `${bound.ratio.toFixed(3)} ×` : null], ["slots", bound?.slots], ["cost", run.usage?.usd ? money(run.usage.usd) : null], ["calls", run.usage?.calls ? grouped(run.usage.calls) : null]]) : null,
    told.error ? el("p", { class: "notice bad", text: [told.error.type, placed(told.error)].filter(Boolean).join(" · ") }) : null,
    told.notes?.length ? el("details", { class: "notice warn" }, el("summary", { text: `${told.notes.length} note(s) on the tape` }), block(json(told.notes), "notes")) : null);
};

const later = (act) => requestAnimationFrame(() => setTimeout(act, 0));

const show = (number, repeat) => {
  const one = cases[number], told = dataOf(`run-${number}-${repeat}`), run = told.run ? unpack(told.run) : null;
  current = { number, repeat, subtask: -1 };
  menu?.mark(number);
  const parts = [caseHead(one, run, told), verdicts(told.verdicts)];
  recolor = () => {};
  if (!run?.subtasks.length) { main.replaceChildren(el("div", { class: "column" }, ...parts.filter(Boolean), run ? [talks(run), ...log(run)].filter(Boolean) : [])); return; }
  const choose = (subtask) => { current.subtask = subtask; plan.mark(subtask); time.mark(subtask); side.show(subtask); };
  const plan = graph(run, choose), time = timeline(run, choose), side = inspector(run, choose);
  const help = el("p", { id: "plan-help", class: "soft small", text: "Arrow keys walk along the needs, + and − zoom, 0 shows all; drag to move, Ctrl and wheel to zoom." });
  const legend = el("p", { class: "legend small", "aria-hidden": "true" }, [...new Set(run.subtasks.map((item) => item.state))].map((state) => el("span", { class: tone(state) }, el("i", { text: glyph(state) }), words(state))), el("span", null, el("i", { class: "stroke", text: "━" }), "critical path"));
  side.show(-1);
  const under = el("div", { class: "column under" });
  main.replaceChildren(el("div", { class: "columns" }, el("div", { class: "column" }, ...parts.filter(Boolean),
    section("plan", "Plan", null, plan.frame, legend, help), section("timeline", "Timeline", null, el("div", { class: "timeline" }, time.parts.filter(Boolean))), breakers(run) || ""), el("div", { class: "side" }, side.box, side.spoken)),
    under);
  plan.draw();
  time.draw();
  // What stands further down comes right after the first frame.
  later(() => under.isConnected && under.append(...[budgets(run), synthesis(run), talks(run), ...log(run)].filter(Boolean)));
  recolor = plan.recolor;
  redraw = () => { plan.draw(); time.draw(); };
};

let redraw = () => {};
masthead();
const menu = sidebar();
const asked = decodeURIComponent(location.hash.slice(1)), wanted = cases.findIndex((one) => one.id === asked);
if (cases.length) show(Math.max(0, wanted >= 0 ? wanted : cases.findIndex((one) => one.passed === false)), 0);
else main.append(el("p", { class: "soft", text: "There are no cases in this report." }));
document.querySelector("footer").textContent = head.made_by;
let due = 0;
addEventListener("resize", () => { clearTimeout(due); due = setTimeout(() => redraw(), 80); });
addEventListener("keydown", (event) => {
  if (event.target.matches("input")) { if (event.key === "Escape") event.target.blur(); return; }
  if (event.key === "/" && menu) { event.preventDefault(); menu.filter.focus(); }
  if (event.key === "Escape" && current.subtask >= 0) document.querySelector(".inspector-head button")?.click();
});
performance.mark("drawn");
later(() => performance.mark("complete"));
