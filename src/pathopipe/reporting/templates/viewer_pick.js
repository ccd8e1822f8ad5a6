/* Which nucleus is where, and what it is colored by. */
(() => {
  /* Light colors that are told apart in all kinds of color vision (Tol 2021); the first is for nuclei without a type. */
  const OF_TYPES = ["#dddddd", "#eedd88", "#99ddff", "#44bb99", "#ee8866", "#ffaabb"];
  const REACH_UM = 50;
  const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  let by = -1, changed = 0;

  /* Colors of the nuclei of a leaf, four bytes each; the same array as long as the coloring is the same. */
  function colorsOf(leaf) {
    const ready = by < 0 || leaf.values[by];
    if (!ready) leaf.measure(by);
    const key = `${changed}${Boolean(ready)}`;
    if (leaf.colorKey !== key) {
      leaf.colorKey = key;
      leaf.colors = by < 0 ? byType(leaf) : ready ? byMeasure(leaf) : flat(leaf);
    }
    return leaf.colors;
  }

  function fill(leaf, colorOf) {
    const colors = new Uint8Array(4 * leaf.count);
    for (let row = 0; row < leaf.count; row += 1) { colors.set(colorOf(row), 4 * row); colors[4 * row + 3] = 255; }
    return colors;
  }

  const ofTypes = OF_TYPES.map(rgb), none = rgb(OF_TYPES[0]);
  const flat = (leaf) => fill(leaf, () => none);
  const byType = (leaf) => fill(leaf, (row) => ofTypes[leaf.kinds[row] & 127]);

  function byMeasure(leaf) {
    const { colors, measures } = Viewer.told, ramp = colors.map(rgb), [low, high] = measures[by].limits ?? [0, 1];
    return fill(leaf, (row) => {
      const value = Viewer.value(leaf.values[by][row]);
      if (Number.isNaN(value)) return none;
      const share = high > low ? (value - low) / (high - low) : 0.5;
      return ramp[Math.min(255, Math.max(0, Math.round(255 * share)))];
    });
  }

  const reach = () => REACH_UM / Viewer.told.mpp[0];

  function leavesIn(left, top, right, bottom) {
    const more = reach();
    return Viewer.told.leaves.filter((leaf) => leaf.left - more <= right && leaf.right + more >= left
      && leaf.top - more <= bottom && leaf.bottom + more >= top);
  }

  function inside(leaf, row, x, y) {
    let odd = false;
    const { points, ends } = leaf;
    for (let p = ends[row], q = ends[row + 1] - 1; p < ends[row + 1]; q = p, p += 1) {
      const [px, py, qx, qy] = [points[2 * p], points[2 * p + 1], points[2 * q], points[2 * q + 1]];
      if (py > y !== qy > y && x < ((qx - px) * (y - py)) / (qy - py) + px) odd = !odd;
    }
    return odd;
  }

  /* The nucleus at a place: the one whose outline holds it, else the nearest one that `near` (leaf, row) allows. */
  async function nucleusAt(x, y, within, allowed = () => true) {
    const leaves = leavesIn(x - within, y - within, x + within, y + within), close = leavesIn(x, y, x, y);
    await Promise.all(leaves.map((leaf) => (leaf.outlined && close.includes(leaf) ? leaf.outlines() : leaf.base())));
    let best = null, least = within;
    for (const leaf of leaves) {
      for (let row = 0; row < leaf.count; row += 1) {
        const away = Math.hypot(leaf.x[row] - x, leaf.y[row] - y);
        if (away > Math.max(reach(), within) || !allowed(leaf, row)) continue;
        const score = leaf.points && inside(leaf, row, x, y) ? 0 : away;
        if (score < least || (score === 0 && least > 0)) { best = { leaf, row }; least = score; }
      }
    }
    return best;
  }

  /* The next nucleus to one side (dx, dy) of another. */
  function neighbor({ leaf, row }, dx, dy) {
    const [x, y] = [leaf.x[row], leaf.y[row]];
    const ahead = (other, at) => {
      const [ox, oy] = [other.x[at] - x, other.y[at] - y], along = ox * dx + oy * dy;
      return along > 0 && along >= Math.abs(ox * dy - oy * dx);
    };
    return nucleusAt(x, y, 4 * reach(), ahead);
  }

  /* A nucleus by its number, looked for from a place outward. */
  async function numbered(number, x, y) {
    const away = (leaf) => Math.hypot(Math.max(leaf.left - x, 0, x - leaf.right), Math.max(leaf.top - y, 0, y - leaf.bottom));
    for (const leaf of [...Viewer.told.leaves].sort((a, b) => away(a) - away(b))) {
      await leaf.base();
      const row = leaf.ids.indexOf(number);
      if (row >= 0) return { leaf, row };
    }
    return null;
  }

  Object.assign(Viewer, {
    colorsOf, leavesIn, nucleusAt, neighbor, numbered, typeColors: OF_TYPES,
    colorBy(place) { by = place; changed += 1; },
    coloredBy: () => by,
    isColored: (leaf) => by < 0 || Boolean(leaf.values[by]),
    coloring: () => changed,
  });
})();
