"use strict";
/* What the page holds for the viewer: found by name, unpacked when it is first needed. */
const Viewer = {};
(() => {
  const AT_ONCE = 6;
  const OLDEST = 400;
  const LATER_MS = 120;
  const waiting = [];
  let busy = 0;

  const textOf = (name) => document.getElementById(name)?.textContent ?? null;

  function bytesOf(name) {
    const letters = textOf(name);
    if (letters === null) throw new Error(`the page lacks its part ${name}`);
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(letters);
    return Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  }

  async function inflated(name) {
    const packed = new Blob([bytesOf(name)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(packed).arrayBuffer());
  }

  /* A few at a time, the last one asked for first: that is what is being looked at. */
  function pump() {
    while (busy < AT_ONCE && waiting.length) {
      const job = waiting.pop();
      busy += 1;
      job().catch(Viewer.fail).finally(() => { busy -= 1; pump(); });
    }
  }

  /* What arrives is drawn a few times a second: a slide has hundreds of leaves. */
  let soon = 0;
  function later() {
    soon ||= setTimeout(() => { soon = 0; Viewer.redraw(); }, LATER_MS);
  }

  /* Columns of whole numbers, one after another, the low bytes of each before the higher ones. */
  class Columns {
    constructor(bytes) { this.bytes = bytes; this.at = 0; }
    take(count, width) {
      const column = width === 1 ? new Uint8Array(count) : width === 2 ? new Uint16Array(count) : new Uint32Array(count);
      for (let plane = 0; plane < width; plane += 1, this.at += count) {
        for (let i = 0; i < count; i += 1) column[i] += this.bytes[this.at + i] * 256 ** plane;
      }
      return column;
    }
  }

  const signed = (value) => (value >>> 1) ^ -(value & 1);

  /* Nuclei that lie near each other. */
  class Leaf {
    constructor(number, [left, top, right, bottom, count, outlined]) {
      Object.assign(this, { number, left, top, right, bottom, count, outlined, values: [], asked: new Map() });
    }

    /* Unpack something of this leaf once; the promise is kept. */
    once(what, unpack) {
      if (!this.asked.has(what)) {
        this.asked.set(what, new Promise((done) => {
          waiting.push(async () => { await unpack(); done(); later(); });
          pump();
        }));
      }
      return this.asked.get(what);
    }

    base() {
      return this.once("base", async () => {
        const columns = new Columns(await inflated(`v-n${this.number}`));
        const [ids, x, y] = [4, 4, 4].map((width) => columns.take(this.count, width));
        this.kinds = columns.take(this.count, 1);
        for (let i = 1; i < this.count; i += 1) ids[i] += ids[i - 1];
        for (let i = 0; i < this.count; i += 1) { x[i] += this.left; y[i] += this.top; }
        Object.assign(this, { ids, x, y });
      });
    }

    measure(place) {
      return this.once(`m${place}`, async () => {
        this.values[place] = new Columns(await inflated(`v-m${place}-${this.number}`)).take(this.count, 2);
      });
    }

    /* Points of all outlines in level-0 pixels, and where each outline begins. */
    async outlines() {
      await this.base();
      return this.once("outlines", async () => {
        const [ux, uy] = Viewer.told.unit;
        const columns = new Columns(await inflated(`v-o${this.number}`));
        const counts = columns.take(this.count, 2);
        const ends = new Uint32Array(this.count + 1);
        for (let i = 0; i < this.count; i += 1) ends[i + 1] = ends[i] + counts[i];
        const [dx, dy] = [2, 2].map((width) => columns.take(ends[this.count], width));
        const points = new Float32Array(2 * ends[this.count]);
        for (let i = 0; i < this.count; i += 1) {
          let x = Math.floor(this.x[i] / ux), y = Math.floor(this.y[i] / uy);
          for (let p = ends[i]; p < ends[i + 1]; p += 1) {
            x += signed(dx[p]); y += signed(dy[p]);
            points[2 * p] = x * ux; points[2 * p + 1] = y * uy;
          }
        }
        Object.assign(this, { ends, points });
      });
    }
  }

  /* Tiles of pixels. */
  const pictures = new Map();
  function tile(level, x, y) {
    const name = `v-i${level}-${x}-${y}`;
    if (!pictures.has(name)) {
      const letters = textOf(name);
      if (letters === null) return null;
      pictures.set(name, picture(`data:image/jpeg;base64,${letters}`));
      if (pictures.size > OLDEST) pictures.delete(pictures.keys().next().value);
    }
    return pictures.get(name);
  }

  function picture(address) {
    const image = new Image();
    image.onload = () => { image.ready = true; Viewer.redraw(); };
    image.src = address;
    return image;
  }

  /* A measure is stored as a decimal number: mantissa, exponent, sign; 0 where it is missing. */
  function value(code) {
    if (!code) return NaN;
    return (code >> 15 ? -1 : 1) * (code & 1023) * 10 ** (((code >> 10) & 31) - 16);
  }

  function written(code) {
    if (!code) return "–";
    const mantissa = code & 1023, exponent = ((code >> 10) & 31) - 16;
    if (!mantissa) return "0";
    const digits = exponent < 0 ? (mantissa / 10 ** -exponent).toFixed(-exponent) : String(mantissa) + "0".repeat(exponent);
    const [whole, rest] = digits.split(".");
    return (code >> 15 ? "−" : "") + whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
  }

  Object.assign(Viewer, {
    value, written, tile,
    codes: async (name) => {
      const bytes = await inflated(name);
      return new Columns(bytes).take(bytes.length / 2, 2);
    },
    unpacking: () => busy + waiting.length > 0,
    read() {
      const told = JSON.parse(new TextDecoder().decode(bytesOf("v-manifest")));
      told.leaves = told.leaves.map((entry, number) => new Leaf(number, entry));
      for (const layer of told.layers) {
        if (layer.extent) layer.picture = picture(`data:image/png;base64,${textOf(`v-p${layer.name}`)}`);
      }
      Viewer.told = told;
      return told;
    },
  });
})();
