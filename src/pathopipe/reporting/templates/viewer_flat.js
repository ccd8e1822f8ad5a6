/* Nuclei on a plain canvas, for browsers without WebGL: the same, with fewer points. */
(() => {
  const MOST = { moving: 15000, still: 150000 };

  class Flat {
    constructor(canvas) {
      this.canvas = canvas;
      this.pen = canvas.getContext("2d");
    }

    draw(view, leaves, near) {
      const { pen } = this;
      pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      pen.clearRect(0, 0, view.width, view.height);
      const total = leaves.reduce((sum, leaf) => sum + leaf.count, 0);
      const every = Math.max(1, Math.ceil(total / (view.moving ? MOST.moving : MOST.still)));
      const strokes = new Map(), dots = new Map();
      for (const leaf of leaves) this.collect(view, leaf, near && leaf.points ? strokes : dots, near ? 1 : every);
      pen.globalAlpha = 0.85;
      for (const [color, path] of dots) { pen.fillStyle = color; pen.fill(path); }
      pen.globalAlpha = 1;
      pen.lineJoin = "round";
      for (const [wide, fixed] of [[4, "rgb(13 8 31 / 70%)"], [2, null]]) {
        for (const [color, path] of strokes) { pen.lineWidth = wide; pen.strokeStyle = fixed ?? color; pen.stroke(path); }
      }
    }

    /* Add the nuclei of a leaf that can be seen to a path of their color. */
    collect(view, leaf, paths, every) {
      const colors = Viewer.colorsOf(leaf), room = 60;
      for (let row = 0; row < leaf.count; row += every) {
        const [x, y] = view.toScreen(leaf.x[row], leaf.y[row]);
        if (x < -room || y < -room || x > view.width + room || y > view.height + room) continue;
        const color = `rgb(${colors[4 * row]} ${colors[4 * row + 1]} ${colors[4 * row + 2]})`;
        if (!paths.has(color)) paths.set(color, new Path2D());
        const path = paths.get(color);
        if (view.near && leaf.points) Viewer.trace(path, view, leaf, row);
        else path.rect(x - view.dot / 2, y - view.dot / 2, view.dot, view.dot);
      }
    }
  }

  /* Draw an outline into a path, in pixels of the screen. */
  Viewer.trace = (path, view, leaf, row) => {
    for (let p = leaf.ends[row]; p < leaf.ends[row + 1]; p += 1) {
      const at = view.toScreen(leaf.points[2 * p], leaf.points[2 * p + 1]);
      if (p === leaf.ends[row]) path.moveTo(...at); else path.lineTo(...at);
    }
    path.closePath();
  };
  Viewer.Flat = Flat;
})();
