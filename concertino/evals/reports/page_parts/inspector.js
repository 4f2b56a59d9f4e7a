// One subtask in words: what it was asked, what it needed, how it went, what it found.
const inspector = (run, choose) => {
  const box = el("aside", { class: "inspector", "aria-label": "Chosen subtask", tabindex: "-1" });
  const spoken = el("p", { class: "hidden", role: "status" });
  const links = (numbers) => !numbers.length ? "–" : el("span", { class: "links" }, numbers.slice(0, 24).map((number) => el("button", { type: "button", class: "link", text: run.subtasks[number].label, on: { click: () => choose(number) } })), numbers.length > 24 ? el("span", { class: "soft", text: `and ${numbers.length - 24} more` }) : null);
  const whole = () => [
    el("h3", { text: "Answer" }),
    run.answer === undefined || run.answer === null ? el("p", { class: "soft", text: run.reason || "There is no answer." }) : block(json(run.answer), "answer"),
    facts([["share", run.share === undefined ? null : percent(run.share)], ["confidence", run.confidence === undefined ? null : percent(run.confidence)], ["abstained", run.abstain ? run.abstain_reason || "yes" : null]]),
    run.recommendations?.length ? [el("h4", { text: "Recommendations" }), el("ul", null, run.recommendations.slice(0, 20).map((text) => el("li", { text: String(text) })))] : null,
    el("p", { class: "soft", text: "Choose a subtask in the plan or the timeline to see its inputs, attempts and words." }),
  ];
  const details = (one) => {
    const told = run.more(one);
    return [
    el("div", { class: "inspector-head" }, el("h3", { text: one.label }), el("button", { type: "button", class: "quiet", "aria-label": "Close", text: "✕", on: { click: () => choose(-1) } })),
    el("p", { class: "badges" }, pill(one.state), one.critical ? el("span", { class: "pill", text: "critical path" }) : null, one.optional ? el("span", { class: "pill", text: "optional" }) : null, told.late ? el("span", { class: "pill warn", text: "SLA missed" }) : null, told.leaked ? el("span", { class: "pill bad", text: "leaked" }) : null),
    one.objective ? el("p", { class: "objective", text: one.objective }) : null,
    facts([["specialist", one.specialist], ["id", one.id === one.label ? null : one.id], ["stage", told.stage], ["began", one.start === null ? null : duration(one.start)], ["took", one.start === null ? null : duration(one.end - one.start)],
      ["waited", one.start !== null && one.start > one.ready ? duration(one.start - one.ready) : null], ["confidence", one.confidence === null ? null : percent(one.confidence)],
      ...told.usage.map(([name, used]) => [name, shownAs(name, used)])]),
    facts([["needs", links(one.needs)], ["needed by", links(one.feeds)], ["covers", told.covers?.join(", ")]]),
    told.error || told.reason ? el("p", { class: "notice bad", text: told.error ? `${told.error.type || "error"}: ${told.error.message || ""}` : told.reason }) : null,
    one.attempts.length > 1 || one.attempts.some((attempt) => attempt.error) ? [el("h4", { text: "Attempts" }), el("ol", { class: "attempts" }, one.attempts.map((attempt) => el("li", null, pill(attempt.ended), el("b", { text: attempt.specialist }), el("span", { class: "soft", text: `${duration(attempt.start)}, ${duration(attempt.end - attempt.start)}` }), attempt.error ? el("p", { text: short(attempt.error, 400) }) : null)))] : null,
    told.inputs ? [el("h4", { text: "Inputs" }), block(json(told.inputs), "inputs")] : null,
    one.output !== null ? [el("h4", { text: "Found" }), block(json(one.output), "found")] : null,
    one.tools.length ? [el("h4", { text: "Outside calls" }), inPieces(one.tools, 10, (tool) => el("p", { class: "line" }, pill(tool.outcome), el("b", { class: "grow", text: tool.name }), el("span", { class: "soft", text: duration(tool.took) }), tool.error ? el("span", { class: "wide soft", text: short(tool.error, 300) }) : null))] : null,
    told.calls.length ? [el("h4", { text: "Prompts and answers" }), inPieces(told.calls, 10, callLine(run))] : null,
    ];
  };
  const show = (number) => {
    const one = number >= 0 ? run.subtasks[number] : null;
    const parts = (one ? details(one) : whole()).flat(3).filter(Boolean);
    box.replaceChildren(...parts);
    if (one) spoken.textContent = `${one.label}, ${one.specialist}, ${words(one.state)}${one.start === null ? "" : `, ${duration(one.end - one.start)}`}`;
  };
  return { box, spoken, show };
};
