// The plan as a drawing on a canvas, which stays quick at 1,000 subtasks. Pointer and keys move it; what is chosen is told in words
// beside it, since a canvas says nothing to a screen reader.
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

const palette = () => {
  const style = getComputedStyle(document.documentElement), read = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["ink", "soft", "faint", "line", "card", "page", "accent", "good", "bad", "warn", "live", "idle"].map((name) => [name, read(name)]));
};

const graph = (run, choose) => {
  const { subtasks } = run, drawing = layout(subtasks);
  const canvas = el("canvas", { tabindex: "0", role: "application", "aria-roledescription": "graph", "aria-describedby": "plan-help",
    "aria-label": `Plan of ${subtasks.length} subtasks in ${drawing.layers} layers` });
  const button = (label, title, act) => el("button", { type: "button", "aria-label": title, title, text: label, on: { click: act } });
  const tools = el("div", { class: "tools" }, button("−", "Zoom out", () => zoom(1 / 1.4)), button("+", "Zoom in", () => zoom(1.4)), button("⤢", "Show the whole plan", () => { fit(); paint(); }));
  const frame = el("div", { class: "canvas" }, canvas, tools);
  const view = { scale: 1, x: 0, y: 0, wide: 0, tall: 0 };
  let chosen = -1, over = -1, drag = null, colors = null;
  const labels = new Map();

  // A small plan begins at a size that can be read, though a narrow screen then shows a part of it.
  const first = () => Math.max(subtasks.length > 40 ? 0 : 0.62, Math.min(1, (view.wide - 32) / drawing.wide));
  const fit = () => {
    view.scale = Math.min(1, (view.wide - 32) / drawing.wide, (view.tall - 32) / drawing.tall);
    view.x = (view.wide - drawing.wide * view.scale) / 2;
    view.y = (view.tall - drawing.tall * view.scale) / 2;
  };
  const size = () => {
    view.wide = frame.clientWidth || 800;
    view.tall = Math.round(Math.min(520, Math.max(170, drawing.tall * first() + 48)));
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.round(view.wide * ratio);
    canvas.height = Math.round(view.tall * ratio);
    canvas.style.height = `${view.tall}px`;
    fit();
    if (first() > view.scale) Object.assign(view, { scale: first(), x: 16, y: (view.tall - drawing.tall * first()) / 2 });
  };
  const zoom = (by, x = view.wide / 2, y = view.tall / 2) => {
    const scale = Math.min(2, Math.max(0.02, view.scale * by)), turn = scale / view.scale;
    view.x = x - (x - view.x) * turn;
    view.y = y - (y - view.y) * turn;
    view.scale = scale;
    paint();
  };
  const clipped = (pen, text, wide) => {
    const key = `${pen.font}|${text}`;
    if (!labels.has(key)) {
      let shown = text.length > 60 ? text.slice(0, 60) : text;
      if (pen.measureText(shown).width > wide) {
        while (shown.length > 1 && pen.measureText(`${shown}…`).width > wide) shown = shown.slice(0, -1);
        shown += "…";
      }
      labels.set(key, shown);
    }
    return labels.get(key);
  };
  const trace = (pen, edge) => {
    let x = edge.from.x + BOX.wide, y = edge.from.y + BOX.tall / 2;
    pen.moveTo(x, y);
    const to = (nextX, nextY) => {
      const half = Math.max(16, (nextX - x) / 2);
      pen.bezierCurveTo(x + half, y, nextX - half, nextY, nextX, nextY);
      [x, y] = [nextX, nextY];
    };
    for (const bend of edge.bends) {
      to(bend.x, bend.y + BOX.tall / 2);
      pen.lineTo((x = bend.x + BOX.wide), y);
    }
    to(edge.to.x, edge.to.y + BOX.tall / 2);
  };
  const strokes = (pen, edges, color, wide, heads) => {
    pen.beginPath();
    for (const edge of edges) trace(pen, edge);
    pen.strokeStyle = color;
    pen.lineWidth = wide;
    pen.stroke();
    if (!heads) return;
    pen.beginPath();
    for (const { to } of edges) {
      const x = to.x, y = to.y + BOX.tall / 2;
      pen.moveTo(x, y);
      pen.lineTo(x - 7, y - 4);
      pen.lineTo(x - 7, y + 4);
    }
    pen.fillStyle = color;
    pen.fill();
  };
  const paint = () => {
    colors ||= palette();
    const pen = canvas.getContext("2d"), ratio = canvas.width / view.wide, near = chosen >= 0 ? chosen : over;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
    const heads = view.scale > 0.3, thin = Math.max(1, 0.75 / view.scale);
    const isCritical = (edge) => subtasks[edge.from.number].critical && subtasks[edge.to.number].critical;
    const isNear = (edge) => near >= 0 && (edge.from.number === near || edge.to.number === near);
    const plain = [], critical = [], mine = [];
    for (const edge of drawing.edges) (isNear(edge) ? mine : isCritical(edge) ? critical : plain).push(edge);
    pen.globalAlpha = plain.length > 400 ? 0.45 : 1;
    strokes(pen, plain, colors.line, thin * 1.3, heads);
    pen.globalAlpha = 1;
    strokes(pen, critical, colors.soft, thin * 2.2, heads);
    strokes(pen, mine, colors.accent, thin * 2, heads);
    const left = -view.x / view.scale - BOX.wide, right = left + view.wide / view.scale + BOX.wide;
    const top = -view.y / view.scale - BOX.tall, bottom = top + view.tall / view.scale + BOX.tall;
    for (const one of subtasks) {
      const { x, y } = drawing.nodes[one.number];
      if (x < left || x > right || y < top || y > bottom) continue;
      box(pen, one, x, y, one.number === near);
    }
  };
  const box = (pen, one, x, y, isNear) => {
    const color = colors[tone(one.state)];
    if (view.scale < 0.28) {
      pen.fillStyle = isNear ? colors.accent : color;
      pen.fillRect(x, y, BOX.wide, BOX.tall);
      return;
    }
    pen.beginPath();
    pen.roundRect(x, y, BOX.wide, BOX.tall, 8);
    pen.fillStyle = colors.card;
    pen.fill();
    pen.setLineDash(one.optional ? [5, 4] : []);
    pen.lineWidth = isNear ? 2.5 : one.critical ? 1.8 : 1.2;
    pen.strokeStyle = isNear ? colors.accent : one.critical ? colors.soft : colors.line;
    pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    pen.roundRect(x, y, 5, BOX.tall, [8, 0, 0, 8]);
    pen.fillStyle = color;
    pen.fill();
    if (view.scale < 0.42) return;
    pen.textBaseline = "middle";
    pen.font = `600 13px ${FONT}`;
    pen.fillStyle = colors.ink;
    pen.fillText(clipped(pen, one.label, BOX.wide - 42), x + 14, y + 16);
    pen.font = `12px ${FONT}`;
    pen.fillStyle = colors.soft;
    const took = one.start === null ? "" : ` · ${duration(one.end - one.start)}`, tries = one.attempts.length > 1 ? ` · ${one.attempts.length}×` : "";
    pen.fillText(clipped(pen, `${one.specialist}${took}${tries}`, BOX.wide - 24), x + 14, y + 33);
    pen.fillStyle = color;
    pen.font = `700 13px ${FONT}`;
    pen.textAlign = "right";
    pen.fillText(glyph(one.state), x + BOX.wide - 10, y + 16);
    pen.textAlign = "left";
  };
  const at = (event) => {
    const frameBox = canvas.getBoundingClientRect();
    const x = (event.clientX - frameBox.left - view.x) / view.scale, y = (event.clientY - frameBox.top - view.y) / view.scale;
    return drawing.nodes.findIndex((node) => x >= node.x && x <= node.x + BOX.wide && y >= node.y && y <= node.y + BOX.tall);
  };
  const show = (number) => {
    const node = drawing.nodes[number];
    const x = node.x * view.scale + view.x, y = node.y * view.scale + view.y, margin = 24;
    view.x += Math.max(0, margin - x) - Math.max(0, x + BOX.wide * view.scale + margin - view.wide);
    view.y += Math.max(0, margin - y) - Math.max(0, y + BOX.tall * view.scale + margin - view.tall);
  };
  const step = (key) => {
    if (chosen < 0) return 0;
    const node = drawing.nodes[chosen], one = subtasks[chosen];
    const nearest = (list) => list.length ? list.reduce((best, next) => (Math.abs(drawing.nodes[next].y - node.y) < Math.abs(drawing.nodes[best].y - node.y) ? next : best)) : chosen;
    if (key === "ArrowRight") return nearest(one.feeds);
    if (key === "ArrowLeft") return nearest(one.needs);
    const down = key === "ArrowDown" ? 1 : -1;
    const column = subtasks.map((other) => other.number).filter((other) => drawing.nodes[other].x === node.x && down * (drawing.nodes[other].y - node.y) > 0);
    return nearest(column);
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) choose(step(event.key));
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") { fit(); paint(); }
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag = { x: event.clientX, y: event.clientY, moved: true };
      view.x += dx;
      view.y += dy;
      return paint();
    }
    const found = at(event);
    if (found !== over) { over = found; canvas.style.cursor = found >= 0 ? "pointer" : "grab"; canvas.title = found >= 0 ? subtasks[found].label : ""; paint(); }
  });
  canvas.addEventListener("pointerup", (event) => { const moved = drag?.moved; drag = null; const found = at(event); if (!moved && found >= 0) choose(found); });
  canvas.addEventListener("pointerleave", () => { if (over >= 0) { over = -1; paint(); } });
  // Scrolling the page goes on over the plan; with Ctrl, or two fingers, it is the plan that grows.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const frameBox = canvas.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - frameBox.left, event.clientY - frameBox.top);
  }, { passive: false });
  return {
    frame,
    draw: () => { size(); paint(); },
    mark: (number) => { chosen = number; if (number >= 0) show(number); paint(); },
    recolor: () => { colors = null; paint(); },
  };
};
