/* Pixels below the nuclei; layers, the chosen nucleus and a scale bar above them. */
(() => {
  const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

  /* The level whose pixels are about those of the screen. */
  function levelFor(view) {
    const { levels } = Viewer.told;
    const wanted = Math.round(Math.log2(1 / (levels[0].factor_x * view.scale * view.ratio)));
    return Math.min(Math.max(wanted, 0), levels.length - 1);
  }

  function pixels(canvas, view) {
    const pen = canvas.getContext("2d", { alpha: false }), { levels, side } = Viewer.told, number = levelFor(view);
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    pen.fillStyle = "#ffffff"; pen.fillRect(0, 0, view.width, view.height);
    const level = levels[number], [wide, high] = [side * level.factor_x, side * level.factor_y];
    const [left, top] = view.toSlide(0, 0), [right, bottom] = view.toSlide(view.width, view.height);
    const lastX = Math.ceil(level.width / side) - 1, lastY = Math.ceil(level.height / side) - 1;
    for (let y = Math.max(0, Math.floor(top / high)); y <= Math.min(lastY, Math.floor(bottom / high)); y += 1) {
      for (let x = Math.max(0, Math.floor(left / wide)); x <= Math.min(lastX, Math.floor(right / wide)); x += 1) {
        tile(pen, view, number, x, y);
      }
    }
    for (const layer of Viewer.told.layers) if (layer.shown && isGround(layer)) drawLayer(pen, view, layer);
  }

  /* What is filled lies below the nuclei, lines above them. */
  const isGround = (layer) => layer.filled || layer.picture;

  /* Draw a tile, from a coarser one as long as there is none so fine. */
  function tile(pen, view, number, x, y) {
    const { levels, side } = Viewer.told;
    for (let up = 0; number + up < levels.length; up += 1) {
      const image = Viewer.tile(number + up, x >> up, y >> up);
      if (!image?.ready) continue;
      const own = levels[number], size = side / 2 ** up;
      const sx = (x - ((x >> up) << up)) * size, sy = (y - ((y >> up) << up)) * size;
      const sw = Math.min(size, image.width - sx), sh = Math.min(size, image.height - sy);
      if (sw <= 0 || sh <= 0) return;
      const from = view.toScreen(x * side * own.factor_x, y * side * own.factor_y);
      const grown = 2 ** up * view.scale;
      const to = [from[0] + sw * grown * own.factor_x, from[1] + sh * grown * own.factor_y];
      const whole = (value) => Math.round(value * view.ratio) / view.ratio;  // no seams between tiles
      const [x0, y0, x1, y1] = [...from, ...to].map(whole);
      pen.drawImage(image, sx, sy, sw, sh, x0, y0, x1 - x0, y1 - y0);
      return;
    }
  }

  /* µm per pixel of the finest picture of the middle of the view. */
  function finest(view) {
    const { levels, side, whole } = Viewer.told;
    for (let number = 0; number < whole; number += 1) {
      const x = Math.floor(view.x / (side * levels[number].factor_x)), y = Math.floor(view.y / (side * levels[number].factor_y));
      if (document.getElementById(`v-i${number}-${x}-${y}`)) return levels[number].mpp_x;
    }
    return levels[whole].mpp_x;
  }

  /* A path for each color of a layer, in level-0 pixels. */
  function pathsOf(layer) {
    if (layer.paths) return layer.paths;
    layer.paths = new Map();
    for (const shape of layer.shapes) {
      if (!layer.paths.has(shape.color)) layer.paths.set(shape.color, new Path2D());
      shape.path = new Path2D();
      for (const ring of shape.rings) {
        shape.path.moveTo(ring[0], ring[1]);
        for (let i = 2; i < ring.length; i += 2) shape.path.lineTo(ring[i], ring[i + 1]);
        shape.path.closePath();
      }
      layer.paths.get(shape.color).addPath(shape.path);
    }
    return layer.paths;
  }

  function over(canvas, view, chosen) {
    const pen = canvas.getContext("2d");
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    pen.clearRect(0, 0, view.width, view.height);
    for (const layer of Viewer.told.layers) if (layer.shown && !isGround(layer)) drawLayer(pen, view, layer);
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    if (chosen) mark(pen, view, chosen);
    scaleBar(pen, view);
  }

  function drawLayer(pen, view, layer) {
    const [x, y] = view.toScreen(0, 0), grown = view.scale * view.ratio;
    pen.setTransform(grown, 0, 0, grown, x * view.ratio, y * view.ratio);
    if (layer.picture?.ready) {
      pen.globalAlpha = 0.6;
      pen.drawImage(layer.picture, 0, 0, ...layer.extent);
    }
    for (const [color, path] of pathsOf(layer)) {
      pen.fillStyle = pen.strokeStyle = color;
      pen.globalAlpha = 0.5;
      if (layer.filled) pen.fill(path, "evenodd");
      pen.globalAlpha = 0.9;
      pen.lineWidth = (layer.filled ? 0.5 : 2) / view.scale;
      pen.stroke(path);
    }
    pen.globalAlpha = 1;
  }

  function mark(pen, view, { leaf, row }) {
    const path = new Path2D();
    if (leaf.points && view.near) Viewer.trace(path, view, leaf, row);
    else path.arc(...view.toScreen(leaf.x[row], leaf.y[row]), Math.max(9, view.dot), 0, 7);
    for (const [wide, color] of [[6, "#000000"], [3, "#ffffff"]]) {
      pen.lineWidth = wide; pen.strokeStyle = color; pen.lineJoin = "round"; pen.stroke(path);
    }
  }

  function scaleBar(pen, view) {
    const um = Viewer.told.mpp[0] / view.scale, most = Math.min(180, view.width / 3);
    const length = LENGTHS.findLast((value) => value / um <= most) ?? LENGTHS[0], long = length / um;
    const label = length < 1000 ? `${length} µm` : `${length / 1000} mm`;
    pen.fillStyle = "rgb(255 255 255 / 85%)"; pen.fillRect(10, view.height - 42, long + 20, 34);
    pen.fillStyle = "#1b2430"; pen.fillRect(20, view.height - 18, long, 4);
    pen.font = "600 13px system-ui, sans-serif"; pen.textAlign = "left"; pen.fillText(label, 20, view.height - 24);
  }

  /* What is said of a place by the layers that are shown. */
  function labelsAt(canvas, x, y) {
    const pen = canvas.getContext("2d"), found = [];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const layer of Viewer.told.layers.filter((one) => one.shown)) {
      for (const shape of layer.shapes) {
        if (shape.label && shape.path && pen.isPointInPath(shape.path, x, y, "evenodd")) found.push(`${layer.title}: ${shape.label}`);
      }
    }
    return found;
  }

  Object.assign(Viewer, { pixels, over, finest, labelsAt });
})();
