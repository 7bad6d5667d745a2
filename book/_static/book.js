// Tables: sort by a column, show one family of methods, filter by text. Without this script every table is complete.

const words = (row) => row.textContent.toLowerCase();

class Table {
  constructor(table, tools) {
    this.table = table;
    this.tools = tools;
    this.home = [...table.tBodies].map((body) => [body, [...body.rows]]);
    this.family = "";
    tools.hidden = false;
    tools.addEventListener("click", (event) => this.pressed(event.target.closest("button")));
    tools.addEventListener("input", () => this.show());
    table.querySelectorAll("thead button").forEach((button) => button.addEventListener("click", () => this.sort(button)));
    // a fragment of the address may name a row, so a filter is written #?q=
    const asked = location.hash.startsWith("#?") ? new URLSearchParams(location.hash.slice(2)).get("q") : "";
    if (asked && this.input) this.input.value = asked;
    this.show();
  }

  get input() {
    return this.tools.querySelector("input");
  }

  pressed(button) {
    if (!button) return;
    if ("reset" in button.dataset) return this.restore();
    this.family = button.dataset.family;
    this.tools.querySelectorAll("[aria-pressed]").forEach((other) => other.setAttribute("aria-pressed", other === button));
    this.show();
  }

  show() {
    const wanted = (this.input?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const body of this.table.tBodies) {
      let shown = 0;
      for (const row of body.rows) {
        if (row.classList.contains("group")) continue;
        const fits = (!this.family || row.dataset.family === this.family) && wanted.every((word) => words(row).includes(word));
        row.classList.toggle("away", !fits);
        shown += fits;
      }
      body.classList.toggle("away", shown === 0);
    }
  }

  sort(button) {
    const header = button.closest("th");
    const key = button.dataset.key ?? this.tools.querySelector("select").value;
    const again = button.dataset.sorted === key && header.getAttribute("aria-sort") === "descending";
    this.unmark();
    header.setAttribute("aria-sort", again ? "ascending" : "descending");
    button.dataset.sorted = key;
    const value = (row) => Number(row.cells[header.cellIndex].dataset[key] ?? -Infinity) * (again ? 1 : -1);
    const rows = this.home.flatMap(([, rows]) => rows).filter((row) => !row.classList.contains("group"));
    rows.sort((a, b) => value(a) - value(b));
    this.table.classList.add("sorted");
    this.table.tBodies[0].append(...rows);
    this.reset(false);
    this.show();
  }

  restore() {
    this.unmark();
    this.table.classList.remove("sorted");
    this.home.forEach(([body, rows]) => body.append(...rows));
    this.reset(true);
    this.show();
  }

  reset(hidden) {
    const button = this.tools.querySelector("[data-reset]");
    if (button) button.hidden = hidden;
  }

  unmark() {
    this.table.querySelectorAll("[aria-sort]").forEach((header) => header.setAttribute("aria-sort", "none"));
    this.table.querySelectorAll("[data-sorted]").forEach((button) => delete button.dataset.sorted);
  }
}

// on a phone rows are no table rows any more for CSS, and some screen readers believe CSS
const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
const roleOf = (node) => ROLES[node.tagName] ?? (node.scope === "row" ? "rowheader" : "columnheader");
const keepRoles = (table) => [table, ...table.querySelectorAll("thead, tbody, tr, th, td")].forEach((node) => (node.role ||= roleOf(node)));

const start = () => {
  document.querySelectorAll("table.plain, table.facts").forEach(keepRoles);
  // the bibliography says that it is a list, and of its entries that they are none
  document.querySelectorAll(".citation-list > *").forEach((entry) => (entry.role = "listitem"));
  document.querySelectorAll(".tools[data-for]").forEach((tools) => {
    tools.dataset.for.split(" ").forEach((id) => new Table(document.getElementById(id), tools));
  });
};

// runs are not in the search index, which every page loads: their list has a filter of its own
const offerRuns = () => {
  const asked = new URLSearchParams(location.search).get("q");
  const results = document.getElementById("search-results");
  if (!asked || !results) return;
  const link = Object.assign(document.createElement("a"), { href: `runs.html#?q=${encodeURIComponent(asked)}`, textContent: `Look for “${asked}” among the runs` });
  const line = Object.assign(document.createElement("p"), { className: "search-runs" });
  line.append(link);
  results.before(line);
};

// summaries of search results are fetched, which a browser refuses on pages opened as files
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Jupyter Book puts every script of _static into the head, before the page is there
document.addEventListener("DOMContentLoaded", start);
document.addEventListener("DOMContentLoaded", offerRuns);
