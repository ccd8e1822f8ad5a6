"use strict";
(() => {
  const body = document.querySelector("table.slides tbody");
  const rows = [...body.rows];
  const filter = document.getElementById("filter");
  const state = document.getElementById("state");
  const warning = document.getElementById("warning");
  const shown = document.getElementById("shown");

  const update = () => {
    const words = filter.value.trim().toLowerCase();
    let visible = 0;
    for (const row of rows) {
      const codes = row.dataset.warnings.split(" ").filter(Boolean);
      const warned = !warning.value || (warning.value === "-" ? !codes.length : codes.includes(warning.value));
      const stands = !state.value || row.dataset.state === state.value;
      const fits = warned && stands && row.textContent.toLowerCase().includes(words);
      row.hidden = !fits;
      visible += fits;
    }
    shown.textContent = visible === rows.length ? "" : `${visible} of ${rows.length}`;
  };

  const compare = (numeric) => (a, b) => numeric ? a - b : a.localeCompare(b, "en", { numeric: true });

  // Rows without a value stay last in both directions.
  const sort = (heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    const { key } = heading.dataset;
    const by = compare("numeric" in heading.dataset);
    const value = (row) => row.dataset[key] ?? "";
    const order = rows.map((row, place) => [row, place]).sort(([a, i], [b, j]) => {
      const empty = (value(a) === "") - (value(b) === "");
      return empty || (down ? -1 : 1) * by(value(a), value(b)) || i - j;
    });
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...order.map(([row]) => row));
  };

  for (const heading of document.querySelectorAll("table.slides thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  const tools = document.querySelector(".tools");
  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", update);
  state.addEventListener("input", update);
  warning.addEventListener("input", update);
})();
