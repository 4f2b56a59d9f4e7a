// The run along time: how many were at work, one row a subtask with every attempt, and below it the breakers.
const ROW = 26;
const NARROW = matchMedia("(max-width: 899px)");

const ticksOf = (end, most) => {
  const raw = end / most, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= raw);
  const found = [];
  for (let at = 0; at <= end * 1.0001; at += step) found.push(at);
  return found;
};
const part = (seconds, end) => `${Number(((100 * seconds) / end).toFixed(3))}%`;
const span = (kind, from, to, end, title) => el("i", { class: kind, title, css: { left: part(from, end), width: part(Math.max(0, to - from), end) } });

const axis = (end) => el("div", { class: "axis", "aria-hidden": "true" }, el("div", { class: "track" },
  ticksOf(end, NARROW.matches ? 3 : 8).map((at) => el("span", { text: at ? duration(at) : "0", css: { left: part(at, end) } }))));

// How many subtasks were at work at most in each of so many parts of the run's time.
const PARTS = 300;

const load = (run) => {
  const turns = [];
  for (const one of run.subtasks) for (const attempt of one.attempts) turns.push([attempt.start, 1], [attempt.end, -1]);
  turns.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const levels = new Array(PARTS).fill(0);
  let now = 0, at = 0, most = 0;
  for (const [when, by] of turns) {
    const here = Math.min(PARTS - 1, Math.floor((PARTS * when) / run.end));
    while (at < here) levels[++at] = now;
    now += by;
    levels[at] = Math.max(levels[at], now);
    most = Math.max(most, now);
  }
  if (!most) return null;
  const wide = PARTS, tall = 36;
  const path = `M0 ${tall}${levels.map((level, part) => `V${(tall - ((tall - 2) * level) / most).toFixed(1)}H${part + 1}`).join("")}`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), line = document.createElementNS(svg.namespaceURI, "path");
  svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `At most ${most} subtasks at work at once`);
  line.setAttribute("d", `${path}V${tall}Z`);
  svg.append(line);
  const slots = run.bound?.slots;
  return el("div", { class: "load" }, el("span", { class: "name", text: `at work, most ${most}${slots ? ` of ${slots}` : ""}` }), el("div", { class: "track" }, svg));
};

const timeline = (run, choose) => {
  const order = run.subtasks.filter((one) => one.start !== null).sort((one, other) => one.start - other.start || one.number - other.number);
  order.push(...run.subtasks.filter((one) => one.start === null));
  const place = new Map(order.map((one, row) => [one.number, row]));
  const draw = (row) => {
    const one = order[row], track = el("div", { class: "track" });
    if (one.start !== null) {
      if (one.start - one.ready > run.end / 500) track.append(span("wait", one.ready, one.start, run.end, `ready, waited ${duration(one.start - one.ready)}`));
      if (one.attempts.length > 1) track.append(span("gap", one.start, one.end, run.end));
      one.attempts.forEach((attempt, number) => {
        const title = `attempt ${number + 1}, ${attempt.specialist}: ${words(attempt.ended)} after ${duration(attempt.end - attempt.start)}${attempt.error ? ` (${short(attempt.error)})` : ""}`;
        track.append(span(`try ${tone(attempt.ended)}`, attempt.start, attempt.end, run.end, title));
      });
      for (const tool of one.tools.slice(0, 40)) track.append(span(`call ${tone(tool.outcome)}`, tool.at, tool.at + tool.took, run.end, `${tool.name}, attempt ${tool.attempt}: ${tool.outcome}, ${duration(tool.took)}`));
    }
    const said = one.start === null ? words(one.state) : `${words(one.state)}, ${duration(one.end - one.start)}${one.attempts.length > 1 ? `, ${one.attempts.length} attempts` : ""}`;
    return el("div", { class: `row${one.critical ? " critical" : ""}`, "aria-label": `${one.label}: ${said}` },
      el("span", { class: `name ${tone(one.state)}` }, el("i", { text: glyph(one.state) }), el("span", { text: one.label })), track,
      el("span", { class: "took", text: one.start === null ? words(one.state) : duration(one.end - one.start) }));
  };
  const list = rows({ label: "Subtasks by start", count: () => order.length, height: ROW, most: () => ROW * 16, draw, pick: (row) => choose(order[row].number), option: "subtask" });
  return {
    parts: run.seconds ? [load(run), axis(run.end), list.box] : [el("p", { class: "soft small", text: "No time passed: nothing in this run was waited for." }), list.box],
    mark: (number) => list.mark(number < 0 ? -1 : place.get(number), true),
    draw: () => { list.fit(); list.paint(); },
  };
};

// Each breaker's states over the run's time.
const breakers = (run) => {
  if (!run.breakers?.length) return null;
  const lanes = run.breakers.map((breaker) => {
    let at = 0, state = breaker.changes[0]?.from || breaker.state || "CLOSED";
    const parts = [...breaker.changes, { at: run.end, to: null }].map((change) => {
      const made = span(`state ${state.toLowerCase()}`, at, change.at, run.end, `${words(state.toLowerCase())} from ${duration(at)} to ${duration(change.at)}`);
      [at, state] = [change.at, change.to];
      return made;
    });
    const name = breaker.endpoint ? `${breaker.tool} · ${breaker.endpoint}` : breaker.tool, last = (breaker.state || "CLOSED").toLowerCase();
    const told = breaker.changes.map((change) => el("li", null, `${duration(change.at)}: ${words(change.from.toLowerCase())} → ${words(change.to.toLowerCase())}, ${change.reason || "no reason told"}`));
    return el("div", { class: "lane" },
      el("div", { class: "lane-head" }, el("b", { text: name }), pill({ closed: "ok", open: "blocked", half_open: "waiting" }[last], words(last)),
        el("span", { class: "soft", text: [breaker.opened ? `opened ${breaker.opened}×` : "never opened", breaker.refused ? `${breaker.refused} refused` : ""].filter(Boolean).join(", ") })),
      el("div", { class: "track", role: "img", "aria-label": `${name}: ${breaker.changes.length} changes of state` }, parts),
      told.length ? el("details", null, el("summary", { text: `${told.length} changes` }), el("ol", { class: "changes" }, told)) : null);
  });
  return section("breakers", "Breakers", null, inPieces(lanes, 12, (lane) => lane));
};
