// Unpacks what `packing.py` packed: columns become subtasks, calls and tools that know each other.
const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);

const unpack = (packed) => {
  const { tick, names, texts, head } = packed, columns = packed.subtasks, some = columns.some || {}, kinds = Object.keys(columns.usage || {});
  const dispatched = head.dispatched || [0];
  let last = -1;
  const named = (told, specialist) => {
    const counted = told.replace(/\u0002([0-9])$/, (_, width) => String(last + 1).padStart(Number(width), "0"));
    last = Number(/[0-9]{1,9}$/.exec(counted)?.[0] ?? last);
    return counted.replace(/^\u0001/, () => specialist);
  };
  const subtasks = columns.id.map((told, number) => ({
    number, id: named(told, names[columns.specialist[number]]), specialist: names[columns.specialist[number]], state: names[columns.state[number]],
    needs: columns.needs[number].map((offset) => number - offset), feeds: [], attempts: [], tools: [],
    objective: columns.objective?.[number] || "", confidence: columns.confidence?.[number] ?? null, output: columns.output?.[number] ?? null,
    start: null, end: null, ready: 0, critical: false, optional: some.required?.[number] === false,
  }));
  for (const one of subtasks) {
    const { number } = one, wait = columns.wait[number];
    one.label = some.name?.[number] || one.id;
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
    const { sub: steps, name, node, attempt, at: from, rest, said, answer, in: input, out: output, more } = packed.calls;
    talks = steps.map((step, row) => {
      whose += step;
      const [at, took] = placed(whose, from[row], rest[row]), one = whose >= 0 ? subtasks[whose] : null, beside = more[row] || {};
      const prompt = said[row].map(([role, which, ...asked]) => ({ role: names[role], text: text(which, one), asked }));
      return { at, took, subtask: whose, name: names[name[row]], node: node[row] < 0 ? one.specialist : names[node[row]], attempt: attempt[row], prompt, answer: text(answer[row], one), input: input[row], output: output[row], asked: beside.tool_calls || [], offered: beside.tools || [], error: beside.error, fault: beside.fault, kind: beside.kind || "model" };
    });
    return talks.sort((one, other) => one.at - other.at);
  };
  const more = ({ number }) => ({
    ...Object.fromEntries(["inputs", "error", "reason", "stage", "covers"].map((key) => [key, some[key]?.[number]])), late: Boolean(some.sla_missed?.[number]), leaked: Boolean(some.leaked?.[number]),
    usage: kinds.map((kind) => [kind, columns.usage[kind][number] ?? columns.usage[kind]]).filter(([, used]) => used), calls: calls().filter((call) => call.subtask === number),
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
  return { ...head, subtasks, tools, calls, talks: packed.calls.sub.length, more, synthesis, end };
};
