// Unpacks what `packing.py` packed: columns become subtasks, calls and tools that know each other.
const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

const unpack = (packed) => {
  const { tick, names, texts, head } = packed, columns = packed.subtasks, some = columns.some || {}, kinds = Object.keys(columns.usage || {});
  const dispatched = head.dispatched || [0];
  const subtasks = columns.id.map((id, number) => ({
    number, id, label: some.name?.[number] || id, specialist: names[columns.specialist[number]], state: names[columns.state[number]],
    needs: columns.needs[number].map((offset) => number - offset), feeds: [], attempts: [], tools: [],
    objective: columns.objective?.[number] || "", confidence: columns.confidence?.[number] ?? null, output: columns.output?.[number] ?? null,
    start: null, end: null, ready: 0, critical: false, optional: some.required?.[number] === false,
  }));
  for (const one of subtasks) {
    const { number } = one, wait = columns.wait[number];
    let ready = 0, free = 0;
    for (const need of one.needs) {
      const other = subtasks[need];
      other.feeds.push(number);
      if (need < number && other.ticks) ready = Math.max(ready, other.ticks[1]);
    }
    if (wait === null) continue;
    one.ticks = [ready + wait, ready + wait + columns.took[number]];
    one.start = one.ticks[0] * tick;
    one.end = one.ticks[1] * tick;
    for (const at of dispatched) if (at <= one.start) free = at;
    one.ready = Math.min(one.start, Math.max(free, ready * tick));
    const told = columns.attempts[number];
    one.attempts = told
      ? told.map(([who, from, length, ended, error]) => ({ specialist: names[who], start: (one.ticks[0] + from) * tick, end: (one.ticks[0] + from + length) * tick, ended: names[ended], error: error || null }))
      : [{ specialist: one.specialist, start: one.start, end: one.end, ended: one.state, error: null }];
  }
  for (const number of head.bound?.critical_path || []) subtasks[number].critical = true;

  const placed = (number, from, rest) => {
    const own = number >= 0 ? subtasks[number].ticks : null;
    return own ? [(own[0] + from) * tick, (own[1] - own[0] - from - rest) * tick] : [from * tick, rest * tick];
  };
  let sub = 0;
  const tools = packed.tools.sub.map((step, row) => {
    sub += step;
    const [at, took] = placed(sub, packed.tools.at[row], packed.tools.rest[row]);
    const tool = { at, took, subtask: sub, name: names[packed.tools.tool[row]], outcome: names[packed.tools.outcome[row]], attempt: packed.tools.attempt[row], error: packed.tools.error[row] || null };
    if (sub >= 0) subtasks[sub].tools.push(tool);
    return tool;
  });

  // What few readers open is unpacked when somebody does.
  let talks = null;
  const calls = () => {
    if (talks) return talks;
    let fresh = 0, whose = 0;
    const text = (number, one) => {
      const found = number ? texts[number - 1] : texts[fresh++];
      return one ? found.replaceAll("\u0001", () => one.objective).replaceAll("\u0002", () => one.output) : found;
    };
    talks = packed.calls.map(([step = 0, name = 0, node = 0, attempt = 0, from = 0, rest = 0, said = [], answer = 0, used = [0, 0], asked = 0, offered = 0, error = 0, fault = 0, kind = "model"]) => {
      whose += step;
      const [at, took] = placed(whose, from, rest), one = whose >= 0 ? subtasks[whose] : null;
      const prompt = said.map(([role, which, ...more]) => ({ role: names[role], text: text(which, one), asked: more }));
      return { at, took, subtask: whose, name: names[name], node: names[node], attempt, prompt, answer: text(answer, one), input: used[0], output: used[1], asked: asked || [], offered: offered || [], error: error || null, fault: fault || null, kind };
    });
    return talks.sort((one, other) => one.at - other.at);
  };
  const more = ({ number }) => ({
    ...Object.fromEntries(["inputs", "error", "reason", "stage", "covers"].map((key) => [key, some[key]?.[number]])), late: Boolean(some.sla_missed?.[number]), leaked: Boolean(some.leaked?.[number]),
    usage: kinds.map((kind) => [kind, columns.usage[kind][number]]).filter(([, used]) => used), calls: calls().filter((call) => call.subtask === number),
  });
  const { synthesis } = packed, told = synthesis.weights;
  if (told?.specialist) synthesis.rows = told.specialist.map((who, row) => ({ specialist: names[who], question: names[told.question[row]], confidence: told.confidence[row], authority: told.authority[row], weight: told.weight[row] }));
  else if (told) {
    const authority = new Map(told.authority.map(([who, value]) => [names[who], value])), found = subtasks.filter((one) => one.confidence !== null);
    const whole = found.reduce((sum, one) => sum + one.confidence * authority.get(one.specialist), 0);
    synthesis.rows = found.map((one) => ({ specialist: one.specialist, question: "", confidence: one.confidence, authority: authority.get(one.specialist), weight: (one.confidence * authority.get(one.specialist)) / whole, label: one.label }));
  }
  for (const claim of synthesis.claims || []) claim.supporters = claim.supporters.map(([who, weight, count, evidence]) => ({ specialist: names[who], weight, count, evidence }));
  const end = subtasks.reduce((most, one) => Math.max(most, one.end ?? 0), head.seconds || 0) || 1;
  return { ...head, subtasks, tools, calls, talks: packed.calls.length, more, synthesis, end };
};
