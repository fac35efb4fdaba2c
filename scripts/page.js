// What is wider than the window moves sideways in its own frame, by touch or with the arrow keys.
function markFrames() {
  for (const frame of document.querySelectorAll(".wide")) {
    const wider = frame.scrollWidth > frame.clientWidth;
    frame.classList.toggle("slides", wider);
    wider ? frame.setAttribute("tabindex", "0") : frame.removeAttribute("tabindex");
  }
}

// A click on a column's name sorts by it: up, down, and then as it was. A number is what a cell begins with, as in
// "38 of 462", "0.889 to 0.940" or "< 0.0001"; what has none comes last, either way. Equal numbers are sorted as text.
function key(row, column) {
  const text = row.cells[column]?.textContent.trim() ?? "";
  const number = /^([<>] ?|[+-])?\d/.test(text) ? parseFloat(text.replace(/^[<>] ?/, "")) : NaN;
  return {text, number: text.startsWith("<") ? number * (1 - 1e-9) : number};
}

function compare(one, other) {
  if (isNaN(one.number) !== isNaN(other.number)) return isNaN(one.number) ? Infinity : -Infinity;
  if (!one.text !== !other.text) return one.text ? -Infinity : Infinity;
  return one.number - other.number || one.text.localeCompare(other.text, "en", {numeric: true});
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
const modified = event => event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
let exhibits = [], place = 0;

function framed(image) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.textContent = image.alt;
  image.alt = "";
  figure.style.cssText = image.style.cssText;
  figure.append(image, caption);
  return figure;
}

function show(next) {
  place = (next + exhibits.length) % exhibits.length;
  const copy = exhibits[place].cloneNode(true);
  dialog.querySelector("h2").textContent = copy.querySelector(".caption").textContent;
  dialog.querySelector(".place").textContent = `${place + 1} of ${exhibits.length}`;
  dialog.querySelector(".views").replaceChildren(...[...copy.querySelectorAll("img")].map(framed));
  dialog.querySelector(".facts").replaceChildren(...copy.querySelector(".facts").childNodes);
}

addEventListener("click", event => {
  const link = event.target.closest(".exhibit > a");
  if (!link || modified(event)) return;
  event.preventDefault();
  exhibits = [...link.closest("figure").querySelectorAll(".exhibit")];
  show(exhibits.indexOf(link.parentElement));
  dialog.showModal();
});
addEventListener("keydown", event => {
  const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (step && dialog.open && !modified(event)) show(place + step);
});
dialog.querySelector(".before").onclick = () => show(place - 1);
dialog.querySelector(".after").onclick = () => show(place + 1);
dialog.querySelector(".close").onclick = () => dialog.close();
dialog.onclose = () => exhibits[place].querySelector("a").focus();

markFrames();
addEventListener("resize", markFrames);
addEventListener("toggle", markFrames, true);  // of details; it does not bubble

// Charts come last: all else is there without them.
for (const chart of document.querySelectorAll(".chart")) {
  const specification = JSON.parse(chart.textContent), title = chart.previousElementSibling.textContent;
  vegaEmbed(chart, specification, {mode: "vega-lite", renderer: "svg", actions: false})
    .then(() => {
      for (const choice of chart.querySelectorAll(".vega-bind-radio")) {
        choice.role = "radiogroup";
        choice.ariaLabel = `Variants in ${title}`;
      }
    })
    .catch(error => { chart.textContent = `The chart could not be drawn: ${error.message}`; });
}
