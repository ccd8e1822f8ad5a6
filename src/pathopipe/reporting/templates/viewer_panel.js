/* Beside the slide: what is shown, what colors mean, and the numbers of the chosen nucleus. */
(() => {
  const NO_TYPE = "not known";
  const count = (number) => number.toLocaleString("en-US");
  const find = (name) => document.querySelector(`#viewer .viewer-${name}`);

  function element(name, words = "", kept = {}) {
    const made = Object.assign(document.createElement(name), kept);
    if (words) made.textContent = words;
    return made;
  }

  function swatch(color) {
    const made = element("span", "", { className: "viewer-swatch" });
    made.style.background = color;
    return made;
  }

  function box(words, on, change) {
    const label = element("label"), input = element("input", "", { type: "checkbox", checked: on });
    input.addEventListener("change", () => { change(input.checked); legend(); Viewer.redraw(); });
    label.append(input, ` ${words}`);
    return label;
  }

  function layers(view) {
    const list = find("layers");
    list.append(box("Nuclei", true, (on) => { view.nuclei = on; }));
    list.append(box("Nuclei also from afar", false, (on) => { view.afar = on; }));
    for (const layer of Viewer.told.layers) list.append(box(layer.title, layer.shown, (on) => { layer.shown = on; }));
  }

  function coloring() {
    const select = find("by");
    select.append(element("option", "type", { value: "-1" }));
    Viewer.told.measures.forEach((measure, place) => {
      const words = measure.there ? measure.label : `${measure.label} (not in this page)`;
      select.append(element("option", words, { value: String(place), disabled: !measure.there }));
    });
    select.addEventListener("change", () => { Viewer.colorBy(Number(select.value)); legend(); Viewer.redraw(); });
  }

  function legend() {
    const list = find("legend"), { told } = Viewer;
    list.replaceChildren();
    if (Viewer.coloredBy() < 0) {
      [...told.types, NO_TYPE].forEach((name, place) => list.append(key(Viewer.typeColors[(place + 1) % (told.types.length + 1)], name)));
    } else list.append(...ramp(told.measures[Viewer.coloredBy()]));
    for (const layer of told.layers.filter((one) => one.shown)) list.append(...layer.keys.map(([color, words]) => key(color, words)));
  }

  function key(color, words) {
    const item = element("li");
    item.append(swatch(color), words);
    return item;
  }

  function ramp(measure) {
    const bar = element("li", "", { className: "viewer-ramp" }), ends = element("li", "", { className: "viewer-ends" });
    bar.style.background = `linear-gradient(to right, ${Viewer.told.colors.filter((_, at) => at % 15 === 0).join(", ")})`;
    const words = (measure.limits ?? [NaN, NaN]).map((value) => `${short(value)}${measure.unit ? `\u202f${measure.unit}` : ""}`);
    ends.append(element("span", `≤ ${words[0]}`), element("span", `≥ ${words[1]}`));
    const none = key(Viewer.typeColors[0], "not measured");
    return [bar, ends, none];
  }

  const short = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))).replace("-", "−") : "–");

  /* Rows of what is known of a nucleus: label, and what the table says to three digits. */
  function rows({ leaf, row }) {
    const { told } = Viewer, kind = leaf.kinds[row];
    const found = [["Type", (kind & 127) ? told.types[(kind & 127) - 1] : NO_TYPE, "what the nucleus is taken for"]];
    told.measures.forEach((measure, place) => {
      if (!measure.there) return;
      const digits = Viewer.written(leaf.values[place][row]), words = measure.whole ? digits.replace(/\.0+$/, "") : digits;
      found.push([measure.label, measure.unit && words !== "–" ? `${words}\u202f${measure.unit}` : words, measure.meaning]);
    });
    found.push(["Centroid", `${count(leaf.x[row])}, ${count(leaf.y[row])} px`, "in level-0 pixels"]);
    if (kind & 128) found.push(["At a border", "yes", "size and shape may be cut off"]);
    return found;
  }

  let asked = 0;

  /* Say what is known of the chosen nucleus, and of its place, unless another one was chosen meanwhile. */
  async function describe(chosen, labels) {
    const turn = asked += 1;
    const panel = find("chosen");
    if (!chosen) {
      panel.replaceChildren(...(labels.length ? [] : [element("p", "No nucleus here.")]), ...labels.map((words) => element("p", words)));
      return;
    }
    const { leaf } = chosen;
    await Promise.all(Viewer.told.measures.map((measure, place) => measure.there && leaf.measure(place)));
    if (turn !== asked) return;
    const list = element("dl", "", { className: "facts" });
    for (const [label, value, meaning] of rows(chosen)) {
      const pair = element("div");
      pair.append(element("dt", label, { title: meaning }), element("dd", value));
      list.append(pair);
    }
    panel.replaceChildren(element("h3", `Nucleus ${leaf.ids[chosen.row]}`), list, ...labels.map((words) => element("p", words)));
  }

  /* What this page holds of the slide, and what it does not. */
  function holds() {
    const { told } = Viewer, lacking = told.measures.filter((measure) => !measure.there).length;
    const words = [`This page holds ${told.nuclei === 1 ? "1 nucleus" : `${count(told.nuclei)} nuclei`}.`];
    if (!told.outlined) words.push("Nuclei are points: there is no outline in it.");
    else if (told.outlined < told.nuclei) words.push(`${count(told.outlined)} of them have their outline; the others are points.`);
    if (told.outlined) words.push(`Outlines are drawn within ${told.deviation_um} µm of the table's.`);
    if (lacking) words.push(`${lacking} of ${told.measures.length} measures did not fit.`);
    if (lacking || told.outlined < told.nuclei) words.push("The settings report.max_mb and report.outlines decide how much a page holds.");
    words.push(`Numbers are those of the tables, to ${told.digits} digits.`);
    find("holds").textContent = words.join(" ");
  }

  Object.assign(Viewer, { find, describe, panel(view) { layers(view); coloring(); legend(); holds(); } });
})();
