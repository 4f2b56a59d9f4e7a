// What a run came to: verdicts, money, weights, and what else happened.
const DIMENSIONS = ["tokens", "calls", "usd", "documents", "seconds"];

// An error's message, which begins with file and line where it has them.
const placed = (error) => !error.file || error.message.startsWith(error.file) ? error.message : `${error.file}${error.line ? `:${error.line}` : ""}: ${error.message}`;

const reasonOf = (verdict) => {
  const detail = verdict.detail || {};
  if (detail.message) return placed(detail);
  if (detail.error) return detail.error.message || short(detail.error, 300);
  if (detail.f1 !== undefined) {
    const lists = [["missing", detail.missing], ["extra", detail.extra]].filter(([, list]) => list?.length);
    const told = lists.map(([name, list]) => `${name}: ${list.map((one) => (Array.isArray(one) ? one.join(" → ") : one)).join(", ")}`);
    return [`precision ${percent(detail.precision)}, recall ${percent(detail.recall)}`, ...told].join("; ");
  }
  if (verdict.name === "makespan") return `${detail.ratio ? `${amount(detail.ratio)} × the bound of ${duration(detail.bound_s)}` : "no work"}`;
  if (verdict.name === "calibration") return `${detail.right ? "right" : "wrong"} at ${percent(detail.confidence)}; pooled over the suite`;
  if (verdict.name === "budget") return detail.over?.length || detail.breaches?.length ? short([...detail.over, ...detail.breaches], 300) : detail.used === null ? "" : `${percent(detail.used)} of the tightest limit used`;
  if (detail.criteria) return detail.criteria.map((one) => `${one.met ? "✓" : "✕"} ${one.criterion}${one.reason ? `: ${one.reason}` : ""}`).join("\n");
  if (detail.expected !== undefined && verdict.passed === false) return `expected ${short(detail.expected)}, found ${short(detail.found)}`;
  const listed = ["wrong", "faults"].find((key) => detail[key]?.length);
  if (listed) return detail[listed].map((one) => (typeof one === "string" ? one : Object.entries(one).map(([key, value]) => `${key} ${short(value, 40)}`).join(", "))).join("\n");
  if (verdict.name === "deadline") return detail.limit ? `${duration(detail.seconds)} of ${duration(detail.limit)}` : duration(detail.seconds);
  return "";
};

const verdicts = (list) => !list?.length ? null : section("verdicts", "Verdicts", null, el("ul", { class: "verdicts" }, list.map((one) => {
  const kind = one.passed === null ? "idle" : one.passed ? "good" : "bad", said = reasonOf(one);
  return el("li", { class: kind }, el("div", { class: "verdict" }, el("i", { "aria-hidden": "true", text: one.passed === null ? "○" : one.passed ? "✓" : "✕" }),
    el("b", { text: one.name }), el("span", { class: "hidden", text: one.passed === null ? "not judged alone" : one.passed ? "passed" : "failed" }),
    one.score === null ? null : el("span", { class: "score", text: Number(one.score.toFixed(3)) })), said ? el("p", { text: said }) : null);
})));

const budgets = (run) => {
  const used = run.usage || {}, limits = run.limits || {};
  const shown = DIMENSIONS.filter((name) => limits[name] !== undefined || used[name]);
  if (!shown.length) return null;
  const meters = shown.map((name) => {
    const limit = limits[name], share = limit ? (used[name] || 0) / limit : null;
    const alerts = (run.alerts || []).filter((alert) => alert.dimension === name);
    const told = limit === undefined ? `${shownAs(name, used[name] || 0)}, no limit` : `${shownAs(name, used[name] || 0)} of ${shownAs(name, limit)}`;
    return el("div", { class: "meter" }, el("div", { class: "meter-head" }, el("span", { text: name }), el("b", { text: told }), share === null ? null : el("span", { class: "soft", text: percent(share) })),
      share === null ? null : el("div", { class: "bar tall", role: "meter", "aria-label": `${name}: ${told}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.min(100, Math.round(100 * share)) },
        el("b", { class: share > 1 ? "bad" : share >= 0.8 ? "warn" : "good", css: { width: `${Math.min(100, Math.max(share > 0 ? 0.5 : 0, 100 * share))}%` } }),
        [50, 80, 95].map((mark) => el("i", { class: alerts.some((alert) => alert.percent === mark) ? "alert on" : "alert", css: { left: `${mark}%` }, title: `alert at ${mark} %` }))),
      alerts.length ? el("p", { class: "soft", text: alerts.map((alert) => `${alert.percent} % at ${duration(alert.at)}`).join(", ") }) : null);
  });
  const dims = DIMENSIONS.filter((name) => (run.specialists || []).some((one) => one.used[name] || one.limit[name] !== undefined));
  const table = dims.length ? el("div", { class: "scroll" }, el("table", null, el("thead", null, el("tr", null, el("th", { scope: "col", text: "who" }), dims.map((name) => el("th", { scope: "col", class: "number", text: name })))),
    el("tbody", null, run.specialists.slice(0, 60).map((one) => el("tr", null, el("th", { scope: "row", text: one.name }), dims.map((name) => {
      const limit = one.limit[name], amountUsed = one.used[name] || 0;
      return el("td", { class: "number" }, shownAs(name, amountUsed), limit === undefined ? null : el("span", { class: "soft", text: ` / ${shownAs(name, limit)}` }), limit ? bar(amountUsed / limit, amountUsed > limit ? "bad" : "good") : null);
    })))))) : null;
  const breach = run.breaches?.length ? el("p", { class: "notice bad", text: `${run.breaches.length} overrun(s): ${short(run.breaches, 300)}` }) : null;
  return section("budgets", "Budgets", null, breach, el("div", { class: "meters" }, meters), table);
};

const synthesis = (run) => {
  const told = run.synthesis;
  if (!told.rows?.length && !told.claims?.length) return null;
  const parts = [facts([["method", told.method && words(told.method)], ["share", run.share === undefined ? null : percent(run.share)], ["confidence", run.confidence === undefined ? null : percent(run.confidence)],
    ["calibrated", run.calibration ? `ECE ${amount(run.calibration.ece)} over ${run.calibration.n}` : "no track record"], ["abstains", run.abstain ? run.abstain_reason : null], ["stands in", told.fallback]]), curveOf(told.record, run.confidence)];
  if (told.rows?.length) {
    const most = Math.max(...told.rows.map((row) => row.weight || 0), 1e-9), many = new Set(told.rows.map((row) => row.question)).size > 1;
    const ranked = [...told.rows].sort((one, other) => one.question.localeCompare(other.question) || other.weight - one.weight);
    parts.push(el("h4", { text: told.record ? `Weights: what the track record gives each voice, as shares of a question${told.added_up ? `; ${grouped(told.added_up)} findings added up by specialist` : ""}` : "Weights: confidence × authority, as shares of a question" }), el("div", { class: "weights" }, inPieces(ranked, 15, (row) => el("div", { class: "weight" },
      el("span", { class: "who" }, row.specialist, many && row.question ? el("small", { text: row.question }) : row.label && row.label !== row.specialist ? el("small", { text: row.label }) : null), bar((row.weight || 0) / most, "accent"),
      el("span", { class: "number", text: percent(row.weight) }), el("span", { class: "soft number", text: `${amount(row.confidence)} × ${amount(row.authority)}` })))));
  }
  if (told.claims?.length) parts.push(el("h4", { text: "Claims" }), inPieces(told.claims, 12, (claim) => el("details", { class: "line" }, el("summary", null,
    el("code", { text: [claim.question_id, claim.field].filter(Boolean).join(" · ") || "answer" }), el("span", { class: "grow", text: short(claim.answer, 140) }), el("span", { class: "soft", text: `${words(claim.method || "")}${claim.tied ? ", tied" : ""} · share ${percent(claim.share)} · confidence ${percent(claim.confidence)}` })),
    el("ul", null, claim.supporters.map((one) => el("li", null, el("b", { text: one.specialist }), ` ${percent(one.weight)}${one.count > 1 ? `, ${one.count} findings` : ""}`, one.evidence.length ? el("span", { class: "soft", text: ` — ${one.evidence.join("; ")}` }) : null))), learnedOf(claim))));
  if (told.dissent?.length) parts.push(el("h4", { text: "Dissent" }), inPieces(told.dissent, 12, (one) => el("p", { class: "line" }, el("code", { text: one.field || "answer" }), el("span", { class: "grow", text: short(one.answer, 140) }),
    el("span", { class: "soft", text: `${one.who} · share ${percent(one.share)}${one.tied ? ", tied" : ""}${one.weight_to_flip !== undefined ? ` · flips with ${amount(one.weight_to_flip)} more weight` : ""}${one.switches ? ` · wins if ${one.switches.join(" and ")} came over` : ""}` }))));
  if (told.worth?.length) parts.push(el("h4", { text: "Weighed before it was started" }), inPieces(told.worth, 12, (one) => el("p", { class: "line" }, el("b", { text: one.name }), el("span", { class: "grow", text: one.reason }), el("span", { class: "soft", text: one.asked ? "started" : "left out" }))));
  if (told.missing?.length) parts.push(el("h4", { text: "Missing" }), inPieces(told.missing, 12, (one) => el("p", { class: "line" }, el("b", { text: one.specialist }), el("span", { class: "grow", text: one.reason || "" }), el("span", { class: "soft", text: one.impact || "" }))));
  if (told.vetoes?.length) parts.push(el("h4", { text: "Vetoes" }), el("ul", null, told.vetoes.map((one) => el("li", { text: short(one, 300) }))));
  if (told.left_out) parts.push(el("p", { class: "soft", text: `${told.left_out} more in the JSON report` }));
  return section("synthesis", "Synthesis", null, parts);
};

const callLine = (run) => (call) => {
  const who = [call.node, call.subtask >= 0 ? run.subtasks[call.subtask].label : null].filter(Boolean).join(" · ");
  const body = el("div", { class: "talk" });
  const open = () => {
    if (body.childElementCount) return;
    for (const said of call.prompt) body.append(el("div", { class: "said" }, el("h5", { text: said.role }), block(said.text, `${said.role}'s words`), said.asked.map((asked) => el("code", { class: "asked", text: asked }))));
    if (call.offered.length) body.append(el("p", { class: "soft", text: `tools offered: ${call.offered.join(", ")}` }));
    if (call.error) body.append(el("div", { class: "said bad" }, el("h5", { text: "error" }), block(json(call.error), "error")));
    if (call.answer || call.asked.length) body.append(el("div", { class: "said answer" }, el("h5", { text: "answer" }), call.answer ? block(call.answer, "answer") : null, call.asked.map((asked) => el("code", { class: "asked", text: asked }))));
  };
  return el("details", { class: "call line", on: { toggle: open } }, el("summary", null, el("code", { text: call.name || call.kind }), el("span", { class: "grow" }, who, call.attempt > 1 ? ` · attempt ${call.attempt}` : ""),
    call.fault ? el("span", { class: "pill warn", text: `fault: ${call.fault}` }) : null, call.error ? pill("failed", "error") : null,
    el("span", { class: "soft", text: [call.input || call.output ? `${grouped(call.input)} in, ${grouped(call.output)} out` : "", duration(call.took)].filter(Boolean).join(" · ") })), body);
};

const talks = (run) => {
  const note = run.talks ? grouped(run.talks) : null;
  const none = el("p", { class: "soft", text: "Prompts and answers are on tapes only, and none was played for this run." });
  return section("talks", "Prompts and answers", note, run.talks ? inPieces(run.calls(), 15, callLine(run)) : none);
};

const log = (run) => {
  const gates = (run.gates || []).map((gate) => el("p", { class: "line" }, pill(gate.answered === null ? "waiting" : gate.decision === "reject" ? "rejected" : "ok", gate.decision || "open"), el("b", { text: gate.gate }), el("span", { class: "grow", text: gate.question || "" }), el("span", { class: "soft", text: `${duration(gate.opened)}${gate.answered === null ? "" : ` → ${duration(gate.answered)}`}` })));
  const steps = (run.steps || []).map((step) => el("li", null, el("time", { text: duration(step.at) }), el("b", { text: words(step.type.toLowerCase()) }), el("span", { text: [step.subtask, step.detail && short(step.detail, 200)].filter(Boolean).join(": ") })));
  return [gates.length ? section("gates", "Gates", null, gates) : null, steps.length ? section("log", "Log", null, el("ol", { class: "log" }, inPieces(steps, 40, (step) => step))) : null];
};
