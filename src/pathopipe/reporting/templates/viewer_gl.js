/* Nuclei by WebGL: points when far, outlines when near. */
(() => {
  const PLACE = "uniform vec2 origin, size; uniform float scale, ratio; vec4 placed(vec2 screen) { return vec4(screen / size * vec2(2, -2) + vec2(-1, 1), 0, 1); }";
  const POINTS = `#version 300 es
    ${PLACE} uniform float wide; in vec2 at; in vec4 color; out vec4 shade;
    void main() { gl_Position = placed(at * scale + origin); gl_PointSize = wide * ratio; shade = color; }`;
  const LINES = `#version 300 es
    ${PLACE} uniform float wide, dark; in vec4 at; in vec4 color; out vec4 shade;
    void main() {
      vec2 a = at.xy * scale + origin, b = at.zw * scale + origin, along = b - a;
      along = length(along) > 0.0 ? normalize(along) : vec2(1, 0);
      float end = float(gl_VertexID & 1), side = float(gl_VertexID >> 1) * 2.0 - 1.0;
      vec2 corner = mix(a, b, end) + along * (end - 0.5) * wide * 0.6 + vec2(-along.y, along.x) * side * wide * 0.5;
      gl_Position = placed(corner);
      shade = mix(color, vec4(0.05, 0.03, 0.12, 0.7 * color.a), dark);
    }`;
  const PAINT = `#version 300 es
    precision mediump float; uniform float alpha; in vec4 shade; out vec4 paint;
    void main() { float a = shade.a * alpha; paint = vec4(shade.rgb * a, a); }`;
  const UNIFORMS = ["origin", "size", "scale", "ratio", "wide", "dark", "alpha"];
  const MOST_MOVING = 120000;

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
      canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); Viewer.flat(); });
    }

    draw(view, leaves, near) {
      const { gl, canvas } = this, used = near ? this.lines : this.points;
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.useProgram(used);
      gl.uniform2f(used.at.size, view.width, view.height);
      gl.uniform1f(used.at.scale, view.scale);
      gl.uniform1f(used.at.ratio, view.ratio);
      const total = leaves.reduce((sum, leaf) => sum + leaf.count, 0);
      const share = view.moving ? Math.min(1, MOST_MOVING / total) : 1;
      for (const leaf of leaves) (near ? this.outlines : this.dots).call(this, view, leaf, share);
    }

    place(used, view, leaf) {
      const [x, y] = view.toScreen(leaf.left, leaf.top);
      this.gl.uniform2f(used.at.origin, x, y);
    }

    dots(view, leaf, share) {
      const { gl, points } = this, kept = this.of(leaf, "dots");
      this.place(points, view, leaf);
      gl.uniform1f(points.at.wide, view.dot);
      gl.uniform1f(points.at.alpha, 0.85);
      this.bind(kept, 2, 0);
      gl.drawArrays(gl.POINTS, 0, Math.ceil(leaf.count * share));
    }

    outlines(view, leaf) {
      if (!leaf.points) { this.gl.useProgram(this.points); this.gl.uniform2f(this.points.at.size, view.width, view.height);
        this.gl.uniform1f(this.points.at.scale, view.scale); this.gl.uniform1f(this.points.at.ratio, view.ratio);
        this.dots(view, leaf, 1); this.gl.useProgram(this.lines); return; }
      const { gl, lines } = this, kept = this.of(leaf, "lines");
      this.place(lines, view, leaf);
      gl.uniform1f(lines.at.alpha, 1);
      this.bind(kept, 4, 1);
      for (const [dark, wide] of [[1, 4], [0, 2]]) {
        gl.uniform1f(lines.at.dark, dark); gl.uniform1f(lines.at.wide, wide);
        gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, kept.count);
      }
    }

    bind(kept, width, divisor) {
      const { gl } = this;
      gl.bindBuffer(gl.ARRAY_BUFFER, kept.at);
      gl.enableVertexAttribArray(0); gl.vertexAttribPointer(0, width, gl.FLOAT, false, 0, 0); gl.vertexAttribDivisor(0, divisor);
      gl.bindBuffer(gl.ARRAY_BUFFER, kept.color);
      gl.enableVertexAttribArray(1); gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0); gl.vertexAttribDivisor(1, divisor);
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
        this.fill(kept.color, packed);
      }
      return kept;
    }

    made(leaf, what) {
      const { gl } = this, kept = { at: gl.createBuffer(), color: gl.createBuffer() };
      const [order, at] = what === "dots" ? dotsOf(leaf) : segmentsOf(leaf);
      this.fill(kept.at, at);
      return Object.assign(kept, { order, count: order.length });
    }

    fill(buffer, values) {
      this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
      this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.STATIC_DRAW);
    }
  }

  function dotsOf(leaf) {
    const order = spread(leaf.count), at = new Float32Array(2 * leaf.count);
    order.forEach((row, i) => { at[2 * i] = leaf.x[row] - leaf.left; at[2 * i + 1] = leaf.y[row] - leaf.top; });
    return [order, at];
  }

  /* Both ends of each step of each outline. */
  function segmentsOf(leaf) {
    const total = leaf.ends[leaf.count], order = new Uint32Array(total), at = new Float32Array(4 * total);
    for (let row = 0; row < leaf.count; row += 1) {
      const first = leaf.ends[row], last = leaf.ends[row + 1];
      for (let p = first; p < last; p += 1) {
        const next = p + 1 < last ? p + 1 : first;
        order[p] = row;
        at[4 * p] = leaf.points[2 * p] - leaf.left; at[4 * p + 1] = leaf.points[2 * p + 1] - leaf.top;
        at[4 * p + 2] = leaf.points[2 * next] - leaf.left; at[4 * p + 3] = leaf.points[2 * next + 1] - leaf.top;
      }
    }
    return [order, at];
  }

  Viewer.Glass = Glass;
})();
