// A layered drawing of the plan: layers by longest path, crossings lessened by barycentres (Sugiyama, Tagawa, Toda 1981), heights
// by least squares under a least distance (pool adjacent violators).
const BOX = { wide: 172, tall: 46, gapX: 64, gapY: 18 };
const SWEEPS = 6;
const MOST_BENDS = 1500; // places that long edges pass through; beyond, they go straight

const layered = (subtasks) => {
  const count = subtasks.length, depth = new Array(count).fill(0);
  const waiting = subtasks.map((one) => one.needs.length), queue = [];
  waiting.forEach((left, number) => { if (!left) queue.push(number); });
  for (let at = 0; at < queue.length; at++)
    for (const next of subtasks[queue[at]].feeds) {
      depth[next] = Math.max(depth[next], depth[queue[at]] + 1);
      if (--waiting[next] === 0) queue.push(next);
    }
  const layers = [];
  subtasks.forEach((one) => (layers[depth[one.number]] ||= []).push({ number: one.number, up: [], down: [] }));
  const nodes = layers.flat(), byNumber = [];
  nodes.forEach((node) => { byNumber[node.number] = node; });
  const edges = [];
  subtasks.forEach((one) => one.needs.forEach((need) => edges.push({ from: byNumber[need], to: byNumber[one.number], bends: [] })));
  const bends = edges.reduce((sum, edge) => sum + Math.max(0, depth[edge.to.number] - depth[edge.from.number] - 1), 0);
  for (const edge of edges) {
    let last = edge.from;
    if (bends <= MOST_BENDS)
      for (let layer = depth[edge.from.number] + 1; layer < depth[edge.to.number]; layer++) {
        const bend = { bend: true, up: [last], down: [] };
        last.down.push(bend);
        layers[layer].push(bend);
        edge.bends.push(bend);
        last = bend;
      }
    last.down.push(edge.to);
    edge.to.up.push(last);
  }
  return { layers, edges };
};

const untangle = (layers) => {
  const index = () => layers.forEach((layer) => layer.forEach((node, place) => { node.place = place; }));
  index();
  const sweeps = layers.length > 1 ? SWEEPS : 0;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const downward = sweep % 2 === 0, order = downward ? layers : [...layers].reverse();
    for (const layer of order) {
      for (const node of layer) {
        const near = downward ? node.up : node.down;
        node.wish = near.length ? near.reduce((sum, one) => sum + one.place, 0) / near.length : node.place;
      }
      layer.sort((one, other) => one.wish - other.wish || one.place - other.place);
      layer.forEach((node, place) => { node.place = place; });
    }
  }
};

const spread = (nodes, pitch) => {
  // Least squares to the wished heights, `pitch` apart: equal after taking the distances off, then pooled.
  const pools = [];
  nodes.forEach((node, place) => {
    pools.push({ sum: node.wish - place * pitch, size: 1 });
    while (pools.length > 1 && pools.at(-2).sum / pools.at(-2).size > pools.at(-1).sum / pools.at(-1).size) {
      const last = pools.pop();
      pools.at(-1).sum += last.sum;
      pools.at(-1).size += last.size;
    }
  });
  let place = 0;
  for (const pool of pools) for (let n = 0; n < pool.size; n++, place++) nodes[place].y = pool.sum / pool.size + place * pitch;
};

const layout = (subtasks) => {
  const { layers, edges } = layered(subtasks);
  untangle(layers);
  const pitch = BOX.tall + BOX.gapY, most = Math.max(9, Math.ceil(1.25 * Math.sqrt(subtasks.length)));
  const folded = layers.some((layer) => layer.length > most * 1.5);
  layers.forEach((layer) => layer.forEach((node, place) => { node.y = (place - (layer.length - 1) / 2) * pitch; }));
  for (let round = 0; round < 6 && !folded; round++)
    for (const layer of round % 2 ? [...layers].reverse() : layers) {
      for (const node of layer) {
        const near = [...node.up, ...node.down];
        node.wish = near.length ? near.reduce((sum, one) => sum + one.y, 0) / near.length : node.y;
      }
      spread(layer, pitch);
    }
  let x = 0;
  for (const layer of layers) {
    // A layer that is much too high is folded into columns.
    const high = folded ? most : layer.length, columns = Math.max(1, Math.ceil(layer.length / high));
    layer.forEach((node, place) => {
      node.x = x + Math.floor(place / high) * (BOX.wide + 18);
      if (folded) node.y = ((place % high) - (Math.min(high, layer.length) - 1) / 2) * pitch;
    });
    x += columns * (BOX.wide + 18) - 18 + BOX.gapX;
  }
  const all = layers.flat(), nodes = [];
  all.forEach((node) => { if (!node.bend) nodes[node.number] = node; });
  const top = all.reduce((least, node) => Math.min(least, node.y), 0), bottom = all.reduce((least, node) => Math.max(least, node.y), 0);
  for (const node of all) node.y -= top;
  return { nodes, edges, layers: layers.length, wide: Math.max(BOX.wide, x - BOX.gapX), tall: bottom - top + BOX.tall };
};
