"use strict";
// What the table's rows look like. Text from the data only ever becomes text.
const make = (name, content = "", attributes = {}) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value) element.setAttribute(key, value);
  element.append(...[content].flat().filter(Boolean));
  return element;
};

const sentence = (words) => {
  const trimmed = words.trim();
  return trimmed && trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
};

const stateWords = { done: "Analyzed", rejected: "Rejected", fault: "Fault", missing: "Not finished" };

const pictureCell = (row) => {
  if (!row.picture) return make("td", "", { class: "thumb" });
  const picture = make("img", "", { src: row.picture, alt: `Thumbnail of ${row.slide}`, loading: "lazy" });
  picture.addEventListener("error", () => picture.remove());
  return make("td", picture, { class: "thumb" });
};

const gradeCell = (row, data) => {
  const dot = make("i", "", { class: data.grades[row.grade] ?? "gx" });
  if (row.grade === undefined) {
    const why = row.reason && make("span", sentence(row.reason), { class: "note why" });
    return make("td", [dot, make("span", "no grade", { class: "note" }), " ", why], { class: "grade-cell" });
  }
  const outside = row.outside && make("span", "out of scope", { class: "badge rejected" });
  const stability = row.stability && make("span", row.stability, { class: "note" });
  return make("td", [dot, make("b", row.grade), " ", outside, " ", stability], { class: "grade-cell" });
};

const warningsCell = (row, data, full) => {
  const parts = (row.warnings ?? []).flatMap(([code, message, stops]) => [
    make("span", data.warnings[code], { class: `badge ${stops ? "fault" : "rejected"}`, title: sentence(message) }),
    make("span", `${sentence(message)} `, { class: full ? "note" : "aside" }),
  ]);
  return make("td", parts, { class: "marks" });
};

const numberCell = (row, place, name) => {
  const z = row.far?.[name];
  if (!z) return make("td", row.numbers[place], { class: "right" });
  const words = `Outlier: ${Math.abs(z)} robust standard deviations ${z > 0 ? "above" : "below"} the median`;
  const mark = make("span", z > 0 ? "▲" : "▼", { class: "far", role: "img", "aria-label": words, title: words });
  return make("td", [mark, " ", row.numbers[place]], { class: "right" });
};

const resultCells = (row, data, full) => {
  if (row.state === "done") {
    const numbers = data.statistics.map((name, place) => numberCell(row, place, name));
    return [gradeCell(row, data), warningsCell(row, data, full), ...numbers];
  }
  const old = row.state === "fault" && row.href && make("span", "The linked report is from an earlier run.", { class: "note" });
  const attributes = { class: "reason", colspan: data.statistics.length + 2 };
  return [make("td", [sentence(row.reason ?? ""), " ", old], attributes)];
};

const makeRow = (row, data, full) => make("tr", [
  pictureCell(row),
  make("th", row.href ? make("a", row.slide, { href: row.href }) : row.slide, { scope: "row" }),
  make("td", make("span", stateWords[row.state] ?? row.state, { class: `badge ${row.state}` })),
  ...resultCells(row, data, full),
  ...(row.sheet ?? []).map((value) => make("td", value)),
], { class: row.stopped && "stopped" });

const makeGroup = (group, columns, isOpen) => {
  const button = make("button", group.title, { type: "button", "aria-expanded": String(isOpen) });
  const states = Object.keys(stateWords).map((state) => [group.rows.filter((row) => row.state === state).length, state]);
  const counts = states.filter(([count]) => count).map(([count, state]) => `${count} ${stateWords[state].toLowerCase()}`);
  const heading = make("th", [button, " ", make("span", counts.join(", "), { class: "note" })], { scope: "rowgroup", colspan: columns });
  return make("tr", heading, { class: "group" });
};
