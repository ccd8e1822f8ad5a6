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

  /* Another region or type of nuclei: its numbers take the place of the first row's. */
  const chosen = document.getElementById("statistics-row");
  const tables = [...document.querySelectorAll(".statistics table[data-values]")];
  const cells = tables.flatMap((table) =>
    [...table.tBodies[0].rows].flatMap((row) => [...row.cells].slice(1, 1 + Number(table.dataset.values))));
  const names = [...document.querySelectorAll(".statistics .row-name")];
  const first = new Map([...cells, ...names].map((cell) => [cell, cell.textContent]));
  const counted = cells.find((cell) => cell.parentElement.querySelector("code")?.textContent === "nuclei_count");

  const show = async () => {
    const option = chosen.selectedOptions[0], name = option.value;
    if (name && typeof DecompressionStream === "undefined") {
      chosen.value = "";
      shown.textContent = "This browser is too old to unpack other rows; a version from 2023 or later can.";
      return;
    }
    const codes = name ? await Viewer.codes(name) : null;
    if (chosen.value !== name) return;
    cells.forEach((cell, place) => { cell.textContent = codes ? Viewer.written(codes[place]) : first.get(cell); });
    if (codes && counted) counted.textContent = option.dataset.nuclei;
    for (const cell of names) cell.textContent = codes ? option.textContent : first.get(cell);
  };

  tools.hidden = false;
  chosen?.addEventListener("change", show);
  tools.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", update);
})();
