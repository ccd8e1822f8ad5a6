/* Nuclei by WebGL: points when far, outlines when near. */
(() => {
  const PLACE = "uniform vec2 origin, size; uniform float scale, ratio; vec4 placed(vec2 screen) { return vec4(screen / size * vec2(2, -2) + vec2(-1, 1), 0, 1); }";
  const POINTS = `#version 300 es
    ${PLACE} uniform float wide; in vec2 at; in vec4 color; out vec4 shade;
    void main() { gl_Position = placed(at * scale + origin); gl_PointSize = wide * ratio; shade = color; }`;
  /* Both ends of a step and its color are looked up by the number of the vertex: two triangles or a line for each step.
     Instances would say the same, but each costs a renderer in software as much as a drawing of its own. */
  const LINES = `#version 300 es
    ${PLACE} uniform float wide, dark; uniform int start, corners; uniform highp sampler2D steps; uniform lowp sampler2D colors; out vec4 shade;
    void main() {
      int which = start + gl_VertexID / corners, corner = gl_VertexID % corners, across = textureSize(steps, 0).x;
      corner = corner < 3 ? corner : 5 - corner + 3 * (corner / 5);
      ivec2 texel = ivec2(which % across, which / across);
      vec4 at = texelFetch(steps, texel, 0);
      vec2 a = at.xy * scale + origin, b = at.zw * scale + origin, along = b - a;
      along = length(along) > 0.0 ? normalize(along) : vec2(1, 0);
      float end = float(corner & 1), side = float(corner >> 1) * 2.0 - 1.0;
      gl_Position = placed(mix(a, b, end) + along * (end - 0.5) * wide * 0.6 + vec2(-along.y, along.x) * side * wide * 0.5);
      vec4 color = texelFetch(colors, texel, 0);
      shade = mix(color, vec4(0.05, 0.03, 0.12, 0.7 * color.a), dark);
    }`;
  const PAINT = `#version 300 es
    precision mediump float; uniform float alpha; in vec4 shade; out vec4 paint;
    void main() { float a = shade.a * alpha; paint = vec4(shade.rgb * a, a); }`;
  const UNIFORMS = ["origin", "size", "scale", "ratio", "wide", "dark", "alpha", "start", "corners", "steps", "colors"];
  const ACROSS = 1024;
  const MOST_WIDE = 800000;
  /* What is drawn of an outline, one over the other: whether it is dark, and how wide it is. */
  const [RIMMED, WIDE, PLAIN] = [[[1, 4], [0, 2]], [[0, 2]], [[0, 0]]];
  const CELL_UM = 128;
  const MANY = 40, SAMPLE = 40000;
  const EMPTY = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  const [SLOW_MS, FAST_MS, LEAST] = [26, 20, 4000];

  function program(gl, vertex) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, PAINT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source); gl.compileShader(shader); gl.attachShader(made, shader);
    }
    gl.bindAttribLocation(made, 0, "at"); gl.bindAttribLocation(made, 1, "color");
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) return null;
    made.at = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(made, name)]));
    return made;
  }

  /* Every so many nuclei of a leaf in turn, so that the first ones are spread over all of it. */
  function spread(count) {
    const step = [613, 619, 1009].find((prime) => count % prime) ?? 1;
    return Uint32Array.from({ length: count }, (_, i) => (i * step) % count);
  }

  class Glass {
    constructor(canvas) {
      this.gl = canvas.getContext("webgl2", { premultipliedAlpha: true, antialias: false, alpha: true });
      this.canvas = canvas;
      this.points = this.gl && program(this.gl, POINTS);
      this.lines = this.gl && program(this.gl, LINES);
      this.works = Boolean(this.points && this.lines);
      this.buffers = new Map();
      this.pace = new Pace();
      canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); Viewer.flat(); });
    }

    /* At rest everything is drawn; while the view moves, as much as this machine draws in time. */
    draw(view, leaves, near) {
      const { gl, canvas } = this, most = view.moving || Viewer.unpacking() ? this.pace.most : Infinity;
      this.pace.tick(view.moving);
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      const outlined = near ? leaves.filter((leaf) => leaf.points) : [];
      const cells = outlined.flatMap((leaf) => cellsIn(this.of(leaf, "lines"), view).map((cell) => [leaf, cell]));
      const steps = cells.reduce((sum, [, cell]) => sum + cell.count, 0);
      if (2 * steps > most) { this.dots(view, leaves, most); return; }
      this.dots(view, near ? leaves.filter((leaf) => !leaf.points) : leaves, most);
      const room = Math.min(most, MOST_WIDE) / steps;
      this.outlines(view, cells, room >= 8 ? RIMMED : room >= 4 ? WIDE : PLAIN);
    }

    use(program, view) {
      const { gl } = this;
      gl.useProgram(program);
      gl.uniform2f(program.at.size, view.width, view.height);
      gl.uniform1f(program.at.scale, view.scale);
      gl.uniform1f(program.at.ratio, view.ratio);
    }

    place(used, view, leaf) {
      const [x, y] = view.toScreen(leaf.left, leaf.top);
      this.gl.uniform2f(used.at.origin, x, y);
    }

    dots(view, leaves, most) {
      const { gl, points } = this, total = leaves.reduce((sum, leaf) => sum + leaf.count, 0);
      this.use(points, view);
      gl.uniform1f(points.at.wide, view.dot);
      gl.uniform1f(points.at.alpha, 0.85);
      if (leaves.length > MANY && most < total) { this.sample(view, most); return; }
      for (const leaf of leaves) {
        this.bind(this.of(leaf, "dots"));
        this.place(points, view, leaf);
        gl.drawArrays(gl.POINTS, 0, Math.ceil(leaf.count * Math.min(1, most / total)));
      }
      if (leaves.length > MANY && !Viewer.unpacking()) this.gather();
    }

    /* Some points of many leaves, in one go: that they are many takes longer than their points. */
    sample(view, most) {
      this.gather();
      this.bind(this.crowd);
      this.place(this.points, view, { left: 0, top: 0 });
      this.gl.drawArrays(this.gl.POINTS, 0, Math.min(this.crowd.count, most));
    }

    /* Made at rest, where there is time. */
    gather() {
      const leaves = Viewer.told.leaves.filter((leaf) => leaf.x), about = (many) => Viewer.unpacking() ? Math.floor(4 * Math.log2(many + 1)) : many;
      const key = [Viewer.coloring(), about(leaves.length), about(leaves.filter(Viewer.isColored).length)].join();
      if (this.crowd?.key === key) return;
      this.crowd ??= { at: this.gl.createBuffer(), color: this.gl.createBuffer() };
      const { at, color } = sampled(leaves);
      this.fill(this.crowd.at, at); this.fill(this.crowd.color, color);
      Object.assign(this.crowd, { key, count: color.length });
    }

    /* Wide lines with a dark rim; where there are many, wide ones, or plain ones. */
    outlines(view, cells, passes) {
      const { gl, lines } = this, plain = passes === PLAIN;
      this.use(lines, view);
      gl.uniform1f(lines.at.alpha, 1);
      gl.uniform1i(lines.at.corners, plain ? 2 : 6);
      gl.uniform1i(lines.at.steps, 0); gl.uniform1i(lines.at.colors, 1);
      for (const [leaf, cell] of cells) {
        const kept = this.of(leaf, "lines");
        gl.activeTexture(gl.TEXTURE0); gl.bindTexture(gl.TEXTURE_2D, kept.at);
        gl.activeTexture(gl.TEXTURE1); gl.bindTexture(gl.TEXTURE_2D, kept.color);
        this.place(lines, view, leaf);
        gl.uniform1i(lines.at.start, cell.start);
        for (const [dark, across] of passes) {
          gl.uniform1f(lines.at.dark, dark); gl.uniform1f(lines.at.wide, across);
          gl.drawArrays(plain ? gl.LINES : gl.TRIANGLES, 0, cell.count * (plain ? 2 : 6));
        }
      }
    }

    bind(kept) {
      const { gl } = this;
      gl.bindBuffer(gl.ARRAY_BUFFER, kept.at);
      gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
      gl.bindBuffer(gl.ARRAY_BUFFER, kept.color);
      gl.enableVertexAttribArray(1); gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    }

    /* Buffers of a leaf, made once; colors again when the coloring changed. */
    of(leaf, what) {
      const key = `${what}${leaf.number}`;
      if (!this.buffers.has(key)) this.buffers.set(key, this.made(leaf, what));
      const kept = this.buffers.get(key), colors = Viewer.colorsOf(leaf);
      if (kept.colors !== colors) {
        kept.colors = colors;
        const packed = new Uint32Array(kept.order.length), source = new Uint32Array(colors.buffer);
        for (let i = 0; i < packed.length; i += 1) packed[i] = source[kept.order[i]];
        if (kept.cells) this.paper(kept.color, packed); else this.fill(kept.color, packed);
      }
      return kept;
    }

    made(leaf, what) {
      const { gl } = this;
      if (what === "dots") {
        const { order, at } = dotsOf(leaf), kept = { at: gl.createBuffer(), color: gl.createBuffer(), order };
        this.fill(kept.at, at);
        return kept;
      }
      const { order, at, cells } = stepsOf(leaf), kept = { at: gl.createTexture(), color: gl.createTexture(), order, cells };
      this.paper(kept.at, at);
      return kept;
    }

    fill(buffer, values) {
      this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
      this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.STATIC_DRAW);
    }

    /* Values in rows of a texture: four floats, or four bytes in one number, for each step. */
    paper(texture, values) {
      const { gl } = this, floats = values instanceof Float32Array, rows = Math.ceil(values.length / (floats ? 4 : 1) / ACROSS);
      const padded = new (floats ? Float32Array : Uint8Array)(4 * ACROSS * rows);
      padded.set(floats ? values : new Uint8Array(values.buffer));
      gl.bindTexture(gl.TEXTURE_2D, texture);
      for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
      gl.texImage2D(gl.TEXTURE_2D, 0, floats ? gl.RGBA32F : gl.RGBA8, ACROSS, rows, 0, gl.RGBA, floats ? gl.FLOAT : gl.UNSIGNED_BYTE, padded);
    }
  }

  function dotsOf(leaf) {
    const order = spread(leaf.count), at = new Float32Array(2 * leaf.count);
    order.forEach((row, i) => { at[2 * i] = leaf.x[row] - leaf.left; at[2 * i + 1] = leaf.y[row] - leaf.top; });
    return { order, at };
  }

  /* Evenly chosen nuclei of all leaves, of each leaf one in turn. */
  function sampled(leaves) {
    const total = leaves.reduce((sum, leaf) => sum + leaf.count, 0), share = Math.min(1, SAMPLE / total);
    const turns = leaves.flatMap((leaf) => Array.from({ length: Math.ceil(leaf.count * share) }, (_, k) => [k / leaf.count, leaf, k]));
    turns.sort((a, b) => a[0] - b[0]);
    const at = new Float32Array(2 * turns.length), color = new Uint32Array(turns.length), orders = new Map();
    turns.forEach(([, leaf, k], i) => {
      if (!orders.has(leaf)) orders.set(leaf, [spread(leaf.count), new Uint32Array(Viewer.colorsOf(leaf).buffer)]);
      const [order, colors] = orders.get(leaf), row = order[k];
      at[2 * i] = leaf.x[row]; at[2 * i + 1] = leaf.y[row]; color[i] = colors[row];
    });
    return { at, color };
  }

  /* Both ends of each step of each outline, cell by cell. */
  function stepsOf(leaf) {
    const total = leaf.ends[leaf.count], order = new Uint32Array(total), at = new Float32Array(4 * total);
    const cells = [], side = CELL_UM / Viewer.told.mpp[0];
    const key = (row) => Math.floor(leaf.y[row] / side) * 1e6 + Math.floor(leaf.x[row] / side);
    const rows = Array.from({ length: leaf.count }, (_, row) => row).sort((a, b) => key(a) - key(b) || a - b);
    let place = 0;
    for (const row of rows) {
      const first = leaf.ends[row], last = leaf.ends[row + 1], { points } = leaf;
      if (cells.at(-1)?.key !== key(row)) cells.push({ key: key(row), start: place, count: 0, ...EMPTY });
      const cell = cells.at(-1);
      cell.count += last - first;
      for (let p = first; p < last; p += 1, place += 1) {
        const next = p + 1 < last ? p + 1 : first, [x, y] = [points[2 * p], points[2 * p + 1]];
        order[place] = row;
        at.set([x - leaf.left, y - leaf.top, points[2 * next] - leaf.left, points[2 * next + 1] - leaf.top], 4 * place);
        cell.left = Math.min(cell.left, x); cell.right = Math.max(cell.right, x);
        cell.top = Math.min(cell.top, y); cell.bottom = Math.max(cell.bottom, y);
      }
    }
    return { order, at, cells };
  }

  function cellsIn(kept, view) {
    const [left, top] = view.toSlide(0, 0), [right, bottom] = view.toSlide(view.width, view.height);
    return kept.cells.filter((cell) => cell.left <= right && cell.right >= left && cell.top <= bottom && cell.bottom >= top);
  }

  /* How many points a frame may have, so that a frame takes about as long as the screen shows one. */
  class Pace {
    constructor() { this.most = 100000; this.last = 0; }
    tick(moving) {
      const now = performance.now(), took = now - this.last;
      this.last = now;
      if (!moving || took > 1000) return;
      if (took > SLOW_MS) this.most = Math.max(LEAST, this.most * 0.7);
      else if (took < FAST_MS) this.most = Math.min(3e6, this.most * 1.1);
    }
  }

  Viewer.Glass = Glass;
})();
