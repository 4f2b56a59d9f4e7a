// What a track record says of a synthesis: what each answer's chance is, what would turn it, what one more would be worth, and the past.
const SVG = "http://www.w3.org/2000/svg";
const shape = (tag, props, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const worthOf = (one) => `${one.specialist || "a stranger"} ${one.gain < 0.0005 ? "nothing" : `+${percent(one.gain)}`}${one.could_flip ? ", could turn it" : ""}`;

const learnedOf = (claim) => {
  const told = claim.learned;
  if (!told) return null;
  const range = told.interval ? `${amount(told.interval.low)} to ${amount(told.interval.high)} in ${percent(told.interval.level)} of cases` : null;
  const ways = Object.entries(told.ways || {}).sort((one, other) => other[1] - one[1]).map(([way, share]) => `${way} ${percent(share)}`).join(", ");
  return el("div", { class: "learned" }, facts([["settled questions", grouped(told.settled)], ["independent voices", told.voices_worth ? amount(told.voices_worth) : null], ["the truth lies", range], ["ways of merging", ways], ["one more would bring", (told.worth || []).map(worthOf).join("; ")]]),
    (told.options || []).map((one) => el("div", { class: "option" }, el("span", { text: short(one.answer, 60) }), bar(one.probability, "accent"), el("span", { class: "number", text: percent(one.probability) }))),
    (told.warnings || []).map((text) => el("p", { class: "notice warn", text })));
};

// Selective prediction: how many of the settled questions would be answered, and how many of these rightly.
const curveOf = (record, confidence) => {
  const points = record?.curve || [];
  if (!points.length) return null;
  const low = Math.floor(10 * Math.min(...points.map((point) => point[2]), 0.9)) / 10, wide = 360, tall = 150, left = 40, foot = 28;
  const x = (coverage) => left + (wide - left - 8) * coverage, y = (accuracy) => 8 + (tall - foot - 8) * (1 - (accuracy - low) / (1 - low));
  const own = points.findLastIndex((point) => point[0] >= confidence);
  const said = ([from, coverage, accuracy]) => `from ${percent(from)} on: ${percent(coverage)} answered, ${percent(accuracy)} of these right`;
  const grid = [1, (1 + low) / 2, low].map((level) => [shape("path", { class: "grid", d: `M${left} ${y(level)}H${wide - 8}` }), shape("text", { x: left - 6, y: y(level) + 4, "text-anchor": "end" }, percent(level))]);
  const feet = [0, 0.5, 1].map((share) => shape("text", { x: x(share), y: tall - 10, "text-anchor": share === 1 ? "end" : share ? "middle" : "start" }, percent(share)));
  const line = shape("path", { class: "curve", d: points.map(([, coverage, accuracy], number) => `${number ? "L" : "M"}${x(coverage).toFixed(1)} ${y(accuracy).toFixed(1)}`).join("") });
  const dots = points.map((point, number) => shape("circle", { class: number === own ? "own" : "dot", cx: x(point[1]).toFixed(1), cy: y(point[2]).toFixed(1), r: number === own ? 5 : 2.5 }, shape("title", {}, document.createTextNode(said(point)))));
  const label = `Selective prediction over ${record.settled} settled questions; all answered: ${percent(points.at(-1)[2])} right`;
  return el("figure", { class: "selective" }, shape("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": label }, ...grid.flat(), ...feet, line, ...dots),
    el("figcaption", { class: "soft small", text: `Accuracy by share answered, over ${grouped(record.settled)} settled questions.${own < 0 ? "" : ` This answer's place: ${said(points[own])}.`}` }));
};
