// What is wider than the window moves sideways in its own frame, by touch or with the arrow keys.
function markFrames() {
  for (const frame of document.querySelectorAll(".wide")) {
    const wider = frame.scrollWidth > frame.clientWidth;
    frame.classList.toggle("slides", wider);
    wider ? frame.setAttribute("tabindex", "0") : frame.removeAttribute("tabindex");
  }
}

// A click on a column's name sorts by it: up, down, and then as it was. A number is what a cell begins with, as in
// "38 of 462", "0.889 to 0.940" or "< 0.0001"; what has none comes last, either way.
function key(row, column) {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = parseFloat(text.replace(/^[<>] /, ""));
  return {text, number: text.startsWith("<") ? number * (1 - 1e-9) : number};
}

function compare(one, other) {
  if (isNaN(one.number) !== isNaN(other.number)) return isNaN(one.number) ? Infinity : -Infinity;
  if (!one.text !== !other.text) return one.text ? -Infinity : Infinity;
  return isNaN(one.number) ? one.text.localeCompare(other.text) : one.number - other.number;
}

function sortBy(table, rows, heading) {
  const next = {none: "ascending", ascending: "descending", descending: "none"}[heading.ariaSort ?? "none"];
  for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
  heading.ariaSort = next;
  const sorted = rows.map(row => ({row, key: key(row, heading.cellIndex)}));
  const sign = {none: 0, ascending: 1, descending: -1}[next];
  if (sign) sorted.sort((one, other) => {
    const order = compare(one.key, other.key);
    return isFinite(order) ? sign * order : order;
  });
  table.tBodies[0].append(...sorted.map(({row}) => row));
}

for (const table of document.querySelectorAll(".sortable")) {
  const rows = [...table.tBodies[0].rows];
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    button.onclick = () => sortBy(table, rows, heading);
    heading.append(button);
  }
}

// A picture opens over the page, with all that is told of it; the arrow keys go on to its neighbours.
const dialog = document.querySelector("dialog");
let exhibits = [], place = 0;

function show(next) {
  place = (next + exhibits.length) % exhibits.length;
  const exhibit = exhibits[place], copy = exhibit.cloneNode(true);
  dialog.querySelector("h2").textContent = copy.querySelector(".caption").textContent;
  dialog.querySelector(".place").textContent = `${place + 1} of ${exhibits.length}`;
  dialog.querySelector(".views").replaceChildren(...copy.querySelectorAll("img"));
  dialog.querySelector(".facts").replaceChildren(...copy.querySelector(".facts").childNodes);
}

addEventListener("click", event => {
  const link = event.target.closest(".exhibit > a");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  exhibits = [...link.closest("figure").querySelectorAll(".exhibit")];
  show(exhibits.indexOf(link.parentElement));
  dialog.showModal();
});
dialog.addEventListener("keydown", event => {
  const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (step) show(place + step);
});
dialog.querySelector(".before").onclick = () => show(place - 1);
dialog.querySelector(".after").onclick = () => show(place + 1);
dialog.querySelector(".close").onclick = () => dialog.close();
dialog.onclick = event => { if (event.target === dialog) dialog.close(); };

for (const chart of document.querySelectorAll(".chart")) {
  const specification = JSON.parse(chart.textContent);
  vegaEmbed(chart, specification, {mode: "vega-lite", renderer: "svg", actions: false})
    .catch(error => { chart.textContent = `The chart could not be drawn: ${error.message}`; });
}
markFrames();
addEventListener("resize", markFrames);
