/* The viewer itself: where it looks, and how it is moved. */
(() => {
  const NEAR_UM = 1.6;
  const FAR_UM = 6;
  const STEP = 1.25;
  const STILL_MS = 160;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const view = {
    x: 0, y: 0, scale: 1, width: 1, height: 1, ratio: 1, moving: false, nuclei: true, afar: false,
    get near() { return Viewer.told.mpp[0] / this.scale < NEAR_UM; },
    get far() { return Viewer.told.mpp[0] / this.scale > FAR_UM; },
    get dot() { return Math.min(14, Math.max(1.5, 6 * this.scale / Viewer.told.mpp[0])); },
    toScreen(x, y) { return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2]; },
    toSlide(x, y) { return [(x - this.width / 2) / this.scale + this.x, (y - this.height / 2) / this.scale + this.y]; },
  };
  const fingers = new Map();
  let stage, canvases, painter, chosen = null, waiting = false, still = 0, from = null, turn = 0;

  Viewer.redraw = () => {
    if (waiting || !painter) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };

  function draw() {
    Viewer.pixels(canvases[0], view);
    const leaves = (view.far ? view.afar : view.nuclei) ? visible() : [];
    painter.draw(view, leaves, view.near);
    Viewer.over(canvases[2], view, chosen);
    note();
  }

  /* Leaves in view that are unpacked; others are asked for. */
  function visible() {
    const leaves = Viewer.leavesIn(...view.toSlide(0, 0), ...view.toSlide(view.width, view.height));
    for (const leaf of leaves) if (view.near && leaf.outlined) leaf.outlines(); else leaf.base();
    return leaves.filter((leaf) => leaf.x);
  }

  function note() {
    const [um, finest] = [Viewer.told.mpp[0] / view.scale, Viewer.finest(view)];
    const words = [`${rounded(um)} µm per pixel of the screen`];
    if (finest > 1.5 * um && finest > 1.5 * Viewer.told.finest_um) words.push(`the slide is shown here at ${rounded(finest)} µm: finer pixels are not in this page`);
    Viewer.find("note").textContent = `${words.join("; ")}.`;
    Viewer.find("link").href = `#view=${Math.round(view.x)},${Math.round(view.y)},${Math.max(1, Math.round(view.width / view.scale))}`
      + (chosen && isSeen(chosen) ? `&nucleus=${chosen.leaf.ids[chosen.row]}` : "");
  }

  const rounded = (value) => Number(value.toPrecision(2));

  function isSeen({ leaf, row }) {
    const [x, y] = view.toScreen(leaf.x[row], leaf.y[row]);
    return x >= 0 && y >= 0 && x <= view.width && y <= view.height;
  }

  /* While the view moves, fewer points are drawn. */
  function moved() {
    view.moving = true;
    clearTimeout(still);
    still = setTimeout(() => { view.moving = false; Viewer.redraw(); }, STILL_MS);
    const { width, height } = Viewer.told;
    view.x = Math.min(Math.max(view.x, 0), width);
    view.y = Math.min(Math.max(view.y, 0), height);
    Viewer.redraw();
  }

  function zoom(factor, [x, y] = [view.width / 2, view.height / 2]) {
    const least = 0.5 * Math.min(view.width / Viewer.told.width, view.height / Viewer.told.height);
    const before = view.toSlide(x, y);
    view.scale = Math.min(Math.max(view.scale * factor, least), 16);
    const after = view.toSlide(x, y);
    view.x += before[0] - after[0];
    view.y += before[1] - after[1];
    moved();
  }

  function pan(dx, dy) { view.x += dx / view.scale; view.y += dy / view.scale; moved(); }

  function whole() {
    const { width, height } = Viewer.told;
    Object.assign(view, { x: width / 2, y: height / 2, scale: 0.97 * Math.min(view.width / width, view.height / height) });
    moved();
  }

  function go(x, y, width) {
    Object.assign(view, { x, y, scale: Math.min(view.width / width, 16) });
    moved();
  }

  /* The last nucleus that was asked for counts, whichever is unpacked first. */
  async function choose(promise, labels = []) {
    const mine = turn += 1, found = await promise;
    if (mine !== turn) return;
    chosen = found;
    await Viewer.describe(found, labels);
    if (mine === turn && found && !isSeen(found)) { view.x = found.leaf.x[found.row]; view.y = found.leaf.y[found.row]; }
    Viewer.redraw();
  }

  const pickAt = (x, y) => choose(Viewer.nucleusAt(x, y, 10 / view.scale), Viewer.labelsAt(canvases[2], x, y));
  const middle = () => choose(Viewer.nucleusAt(view.x, view.y, Math.max(view.width, view.height) / view.scale));

  function next() {
    if (!chosen) { middle(); return; }
    const { leaf, row } = chosen, { leaves } = Viewer.told, same = row + 1 < leaf.count;
    const other = same ? leaf : leaves[(leaf.number + 1) % leaves.length];
    choose(other.base().then(() => ({ leaf: other, row: same ? row + 1 : 0 })));
  }

  /* The viewer with its buttons and numbers, alone on the screen; a browser that can't shows no such button. */
  function full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else Viewer.find("body").requestFullscreen().catch(() => {});
  }

  function filled() {
    Viewer.find("full").textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
  }

  const DO = { full, closer: () => zoom(STEP ** 2), wider: () => zoom(STEP ** -2), all: whole, middle, next };

  function pressed(event) {
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow && event.shiftKey) { if (chosen) choose(Viewer.neighbor(chosen, ...arrow).then((found) => found ?? chosen)); else middle(); }
    else if (arrow) pan(arrow[0] * view.width / 8, arrow[1] * view.height / 8);
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-") zoom(1 / STEP);
    else if (event.key === "0") whole();
    else if (event.key === "Enter") middle();
    else return;
    event.preventDefault();
  }

  const place = (event) => { const box = stage.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

  function down(event) {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    from = fingers.size === 1 ? place(event) : null;
    stage.classList.add("moving");
  }

  function drag(event) {
    const before = fingers.get(event.pointerId), now = place(event);
    if (!before) return;
    if (from && Math.hypot(now[0] - from[0], now[1] - from[1]) > 5) from = null;
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
      zoom(apart(now) / apart(before), other);
    } else if (!from) pan(before[0] - now[0], before[1] - now[1]);
    if (!from) fingers.set(event.pointerId, now);
  }

  function up(event) {
    fingers.delete(event.pointerId);
    if (!fingers.size) stage.classList.remove("moving");
    if (from && event.type === "pointerup") pickAt(...view.toSlide(...from));
    from = null;
  }

  /* The page scrolls until the slide was clicked: a wheel that is caught in passing is a trap. */
  function wheel(event) {
    if (!(event.ctrlKey || document.activeElement === stage)) return;
    event.preventDefault();
    zoom(Math.exp(-Math.max(-120, Math.min(120, event.deltaY)) / 300), place(event));
  }

  function resized() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !height) return;
    view.scale *= width / view.width;
    Object.assign(view, { width, height, ratio: window.devicePixelRatio || 1 });
    for (const canvas of canvases) Object.assign(canvas, { width: Math.round(width * view.ratio), height: Math.round(height * view.ratio) });
    Viewer.redraw();
  }

  /* Go where the address says: #view=x,y,width, and &nucleus= with a number. */
  function follow() {
    const found = /^#view=(-?[\d.]+),(-?[\d.]+),([\d.]+)(?:&nucleus=(\d+))?$/.exec(location.hash);
    if (!found || !(Number(found[3]) > 0)) return;
    const [x, y, width] = found.slice(1, 4).map(Number);
    go(x, y, width);
    document.getElementById("viewer").scrollIntoView();
    if (found[4]) choose(Viewer.numbered(Number(found[4]), x, y));
  }

  /* A link to where the address is already changes no address. */
  function again(event) {
    const link = event.target.closest?.("a")?.getAttribute("href");
    if (link && link === location.hash) follow();
  }

  /* A plain canvas where WebGL is missing or was lost. */
  Viewer.flat = () => {
    const fresh = canvases[1].cloneNode();
    canvases[1].replaceWith(fresh);
    canvases[1] = fresh;
    painter = new Viewer.Flat(fresh);
    Viewer.redraw();
  };

  Viewer.fail = (error) => {
    const problem = Viewer.find("problem");
    problem.hidden = false;
    problem.textContent = `The viewer can't show this slide: ${error.message}. Everything else on this page is here.`;
  };

  function listen() {
    stage.addEventListener("keydown", pressed);
    stage.addEventListener("pointerdown", down);
    stage.addEventListener("pointermove", drag);
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, up);
    stage.addEventListener("wheel", wheel, { passive: false });
    for (const button of document.querySelectorAll("#viewer [data-do]")) button.addEventListener("click", DO[button.dataset.do]);
    Viewer.find("full").hidden = !document.fullscreenEnabled;
    document.addEventListener("fullscreenchange", filled);
    window.addEventListener("hashchange", follow);
    document.addEventListener("click", again);
    new ResizeObserver(resized).observe(stage);
  }

  function begin() {
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack it; a version from 2023 or later can");
    Viewer.read();
    Viewer.find("body").hidden = false;
    stage = Viewer.find("stage");
    canvases = ["pixels", "nuclei", "over"].map(Viewer.find);
    const glass = new Viewer.Glass(canvases[1]);
    if (glass.works) painter = glass; else Viewer.flat();
    Viewer.panel(view);
    resized();
    whole();
    listen();
    follow();
  }

  document.addEventListener("DOMContentLoaded", () => { try { begin(); } catch (error) { Viewer.fail(error); } });
})();
