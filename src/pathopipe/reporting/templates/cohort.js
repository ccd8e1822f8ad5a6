"use strict";
(() => {
  const STEP = 100, PRINTED = 500;
  const data = JSON.parse(document.getElementById("rows").textContent);
  const form = document.querySelector("form.tools");
  const frame = document.querySelector(".rows");
  const table = frame.querySelector("table");
  const further = frame.querySelector(".further");
  const cut = document.querySelector(".cut");
  const columns = [...table.querySelectorAll("th[data-key]")];
  const sheet = columns.map((heading) => heading.dataset.key).filter((key) => key.startsWith("sheet."));
  const collator = new Intl.Collator("en", { numeric: true });
  const closed = new Set();
  let items = [], shown = 0, body = null, timer = 0;

  const numberOf = (words) => words === undefined || words === "–" ? NaN : Number(words.replaceAll(",", "").replace("−", "-"));
  // Commas stand between thousands: a decimal comma is no number, rather than another one.
  const typed = (words) => {
    const plain = words.trim().replace("−", "-");
    return plain ? Number(/^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(plain) ? plain.replaceAll(",", "") : plain) : NaN;
  };
  const isLimit = (name) => /^(from|to)\./.test(name);
  const placeOf = (list, value) => { const place = list.indexOf(value); return place < 0 ? NaN : place; };
  const order = Object.keys(stateWords), gradeOrder = data.order;
  const inSheet = (row, name) => row.sheet?.[sheet.indexOf(name)] ?? "";

  // A value to sort by; NaN and "" stand last in both directions.
  const valueOf = (row, key) => {
    if (key.startsWith("sheet.")) return inSheet(row, key);
    if (key === "slide") return row.slide;
    if (key === "state") return placeOf(order, row.state);
    if (key === "grade") return placeOf(gradeOrder, row.grade);
    if (key === "warnings") return row.warnings?.length ?? NaN;
    return numberOf(row.numbers?.[data.statistics.indexOf(key)]);
  };
  const isMissing = (value) => value === "" || Number.isNaN(value);
  // Numbers by their size, before words: a collator takes 0.12 for more than 0.5.
  const byText = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) - Number.isNaN(y) || (Number.isNaN(x) ? 0 : x - y) || collator.compare(a, b);
  };
  const byValue = (a, b) => typeof a === "string" ? byText(a, b) : a - b;

  const textOf = (row) => row.text ??= [
    row.slide, stateWords[row.state], row.grade === undefined && row.state === "done" ? "no grade" : row.grade, row.stability,
    row.outside && "out of scope", row.reason,
    ...(row.warnings ?? []).flatMap(([code, message]) => [data.warnings[code], message]), ...(row.numbers ?? []), ...(row.sheet ?? []),
  ].filter(Boolean).join("\n").toLowerCase();

  // In quotation marks: all of a value, and not a part of it.
  const wholeOf = (value) => /^"(.+)"$/.exec(value?.trim())?.[1];
  const tests = {
    q: (value) => {
      const whole = wholeOf(value)?.toLowerCase();
      return whole ? (row) => textOf(row).split("\n").includes(whole) : (row) => textOf(row).includes(value.trim().toLowerCase());
    },
    state: (value) => (row) => row.state === value,
    grade: (value) => (row) => row.state === "done" && (row.grade ?? "") === value.slice(1),
    warning: (value) => (row) => value === "-" ? !row.warnings : (row.warnings ?? []).some(([code]) => code === value),
    outlier: (value) => (row) => row.far && (value === "any" || value in row.far),
    from: (value, name) => (row) => Number.isNaN(typed(value)) || valueOf(row, name) >= typed(value),
    to: (value, name) => (row) => Number.isNaN(typed(value)) || valueOf(row, name) <= typed(value),
    is: (value, name) => (row) => inSheet(row, `sheet.${name}`) === value.slice(1),
    has: (value, name) => (row) => inSheet(row, `sheet.${name}`).toLowerCase().includes(value.trim().toLowerCase()),
  };

  const state = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  const filtered = (asked) => {
    const all = [...asked].map(([key, value]) => {
      const [kind, ...rest] = key.split(".");
      return tests[kind]?.(value, rest.join("."));
    }).filter(Boolean);
    return data.rows.filter((row) => all.every((test) => test(row)));
  };

  const sorted = (rows, key, down) => {
    if (!key) return rows;
    const valued = rows.map((row, place) => [valueOf(row, key), place, row]);
    valued.sort(([a, i], [b, j]) => isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : (down ? -1 : 1) * byValue(a, b)) || i - j);
    return valued.map(([, , row]) => row);
  };

  const groupTitle = (row, by) => {
    if (by === "state") return stateWords[row.state];
    if (by === "grade") return row.state !== "done" ? "Without results" : row.grade === undefined ? "No grade" : `Grade ${row.grade}`;
    if (by === "patient") return row.patient ? data.patients[row.patient - 1] : "Patients of one slide, or not known";
    return `${by.slice(6)}: ${inSheet(row, by) || "(empty)"}`;
  };
  const groupPlace = (row, by) => by === "patient" ? row.patient ?? NaN : valueOf(row, by);

  const grouped = (rows, by) => {
    if (!by) return rows;
    const groups = new Map();
    for (const row of rows) {
      const title = groupTitle(row, by);
      if (!groups.has(title)) groups.set(title, { title, place: groupPlace(row, by), rows: [] });
      groups.get(title).rows.push(row);
    }
    const all = [...groups.values()].sort((a, b) => isMissing(a.place) - isMissing(b.place) || (isMissing(a.place) ? 0 : byValue(a.place, b.place)));
    return all.flatMap((group) => closed.has(group.title) ? [group] : [group, ...group.rows]);
  };

  const append = (many) => {
    const next = items.slice(shown, shown + many), full = form.elements.full.checked;
    for (const item of next) {
      if (item.rows || !body) body = table.appendChild(document.createElement("tbody"));
      body.append(item.rows ? makeGroup(item, columns.length + 1, !closed.has(item.title)) : makeRow(item, data, full));
    }
    shown += next.length;
    further.hidden = shown >= items.length;
    further.textContent = `Show more: ${(items.length - shown).toLocaleString("en")} are left`;
  };

  // One slide among the others: a line across each strip, and how many lie below.
  const strips = [...document.querySelectorAll("svg[data-statistic]")];
  const mark = (row) => {
    for (const strip of strips) {
      const figure = strip.parentElement, place = data.statistics.indexOf(strip.dataset.statistic);
      for (const old of figure.querySelectorAll(".this-slide, figcaption")) old.remove();
      const value = numberOf(row?.numbers?.[place]);
      if (Number.isNaN(value)) continue;
      const [low, high, start, end, base] = strip.dataset.axis.split(" ").map(Number);
      const x = start + (value - low) / (high - low) * (end - start);
      const line = strip.appendChild(document.createElementNS(strip.namespaceURI, "line"));
      for (const [name, at] of Object.entries({ x1: x, x2: x, y1: 8, y2: base, class: "this-slide" })) line.setAttribute(name, at);
      const others = data.rows.filter((other) => other !== row).map((other) => numberOf(other.numbers?.[place])).filter((other) => !Number.isNaN(other));
      const below = others.filter((other) => other < value).length.toLocaleString("en");
      figure.append(make("figcaption", `${row.slide}: ${row.numbers[place]}, more than ${below} of ${others.length.toLocaleString("en")} others.`));
    }
  };

  const show = (many = STEP) => {
    const asked = state(), rows = filtered(asked);
    for (const old of [...table.tBodies]) old.remove();
    items = grouped(sorted(rows, asked.get("sort"), asked.get("down")), asked.get("group"));
    [shown, body] = [0, null];
    for (const heading of columns) {
      if (heading.dataset.key === asked.get("sort")) heading.setAttribute("aria-sort", asked.get("down") ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
    append(many);
    const named = wholeOf(asked.get("q")) ?? asked.get("q")?.trim();
    mark(rows.find((row) => row.slide === named) ?? (rows.length === 1 && data.rows.length > 1 ? rows[0] : undefined));
    const of = `${rows.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} slides`;
    const odd = [...form.elements].filter((control) => isLimit(control.name ?? "") && control.value.trim() && Number.isNaN(typed(control.value)));
    for (const control of form.elements) if (isLimit(control.name ?? "")) control.setAttribute("aria-invalid", String(odd.includes(control)));
    const unread = odd.map((control) => `. “${control.value.trim()}” is not a number such as 1,234.5, and filters nothing`);
    document.getElementById("shown").textContent = [rows.length ? of : `${of}: no slide is like this`, ...unread].join("");
  };

  const remember = () => {
    const address = `#${state()}`;
    try { history.replaceState(null, "", address); } catch { location.replace(address); }
  };
  const change = () => { frame.scrollTop = 0; show(); remember(); };
  const apply = (asked) => {
    for (const control of form.elements) {
      if (control.type === "checkbox") control.checked = asked.has(control.name);
      else if (control.name) control.value = asked.get(control.name) ?? "";
      // A choice that this page does not offer.
      if (control.name && control.selectedIndex === -1) control.value = "";
    }
    const details = form.querySelector("details");
    details.open ||= [...asked.keys()].some((key) => /^(from|to|is|has)\./.test(key));
    show();
  };
  const restore = () => apply(new URLSearchParams(location.hash.slice(1)));

  for (const heading of columns) {
    const button = make("button", [...heading.childNodes], { type: "button" });
    heading.append(button);
    button.addEventListener("click", () => {
      const { sort, down } = form.elements, { key } = heading.dataset;
      [sort.value, down.value] = [key, sort.value === key && !down.value ? "1" : ""];
      change();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(change, 80); });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    apply(new URLSearchParams());
    remember();
  });
  table.addEventListener("click", (event) => {
    const button = event.target.closest(".group button");
    if (!button) return;
    const title = button.textContent;
    if (!closed.delete(title)) closed.add(title);
    show(Math.max(shown, STEP));
    [...table.querySelectorAll(".group button")].find((other) => other.textContent === title)?.focus();
  });
  further.addEventListener("click", () => append(STEP));
  new IntersectionObserver(([entry]) => { if (entry.isIntersecting) append(STEP); }, { root: frame, rootMargin: "600px" }).observe(further);
  addEventListener("hashchange", () => {
    // An address without a filter leads to a part of the page.
    if (/^#[^=]+$/.test(location.hash)) return;
    restore();
    if (location.hash.length > 1) form.scrollIntoView();
  });
  addEventListener("beforeprint", () => {
    append(Math.max(0, PRINTED - shown));
    const left = items.length - shown;
    cut.hidden = !left;
    cut.textContent = `The first ${shown} of ${items.length} lines are printed: filter the table for others. cohort.tsv has all.`;
  });
  addEventListener("afterprint", () => { cut.hidden = true; });
  form.hidden = frame.hidden = false;
  restore();
})();
