"use strict";
(() => {
  const tools = document.getElementById("statistics-tools");
  if (!tools) return;
  const search = document.getElementById("measure");
  const shown = document.getElementById("measures-shown");
  const groups = [...document.querySelectorAll(".statistics details.group")].map((details) => ({
    details,
    open: details.open,
    rows: [...details.querySelectorAll("tbody tr")],
  }));
  const words = new Map(groups.flatMap(({ rows }) => rows.map((row) => [row, row.cells[0].textContent.toLowerCase()])));

  const update = () => {
    const asked = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { details, open, rows } of groups) {
      let here = 0;
      for (const row of rows) {
        row.hidden = !asked.every((word) => words.get(row).includes(word));
        here += !row.hidden;
      }
      details.hidden = !here;
      details.open = asked.length ? here > 0 : open;
      found += here;
    }
    shown.textContent = asked.length ? `${found} of ${words.size} measures` : "";
  };

  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", update);
})();
