// The table of a page's rows: filtered and sorted as columns of numbers, shown a page at a time.
//
// A page describes its table once, to `showListing`:
//   what      what a row is called, such as "evaluation"
//   caption   how the rows are ordered
//   columns   {name, title, cell, key, number, shade, heads, screenOnly}; `key` is the number to sort by, `cell` returns a row's text;
//             a file of the rows has the text, or the number where there is `number`
//   filters   {name, title, options: [[value, text]], test}; `test(value, form)` returns what is asked of each row
//   search    {title, texts}; `texts(row)` are those that the search looks through
//   detail    what a row opens to

const PAGE = 50;
const texts = { ids: new Map(), reasons: [], inputs: new Map() };
const view = { rows: null, page: 0, sort: null, descending: false, open: new Set() };
let rows = null;
let listing = null;
let haystack = null;

const countOfRows = () => rows.index.length;

// In small letters. Made at the first search, and again when further texts have come.
function searched() {
  haystack ??= Array.from(rows.index, (_, row) => listing.search.texts(row).join("\n").toLowerCase());
  return haystack;
}

function chosen(form) {
  const words = form.search.value.trim().toLowerCase();
  const wanted = listing.filters.filter(({ name }) => form[name].value !== "").map(({ name, test }) => test(form[name].value, form));
  if (words !== "") wanted.push((row) => searched()[row].includes(words));
  const found = [];
  for (let row = 0; row < countOfRows(); row += 1) if (wanted.every((test) => test(row))) found.push(row);
  return found;
}

function sorted(found) {
  const column = listing.columns.find((each) => each.name === view.sort);
  if (!column) return found;
  const keys = new Float64Array(countOfRows());
  const sign = view.descending ? -1 : 1;
  // What has no number stands at the end, whichever way.
  for (const row of found) {
    const key = column.key(row);
    keys[row] = key === null ? Infinity : sign * key;
  }
  return found.sort((one, other) => keys[one] - keys[other] || one - other);
}

function update(form) {
  view.rows = sorted(chosen(form));
  view.page = 0;
  view.open.clear();
  render();
}

function render() {
  const all = view.rows.length;
  const first = view.page * PAGE;
  const shown = view.rows.slice(first, first + PAGE);
  byId("body").replaceChildren(...shown.flatMap((row) => (view.open.has(row) ? [line(row), opened(row)] : [line(row)])));
  byId("found").textContent = all ? `${whole(first + 1)} to ${whole(first + shown.length)} of ${plural(all, listing.what)}` : `No ${listing.what} is like that.`;
  const last = Math.max(Math.ceil(all / PAGE) - 1, 0);
  for (const [id, page] of Object.entries({ first: 0, previous: view.page - 1, next: view.page + 1, last })) {
    byId(id).disabled = page < 0 || page > last || page === view.page;
    byId(id).value = page;
  }
  byId("page").textContent = `Page ${whole(view.page + 1)} of ${whole(last + 1)}`;
  for (const head of document.querySelectorAll(".rows thead th[aria-sort]")) {
    const isSorted = head.dataset.column === view.sort;
    head.setAttribute("aria-sort", isSorted ? (view.descending ? "descending" : "ascending") : "none");
  }
}

const classes = (...names) => names.filter(Boolean).join(" ") || null;

function line(row) {
  const isOpen = view.open.has(row);
  return el("tr", { "data-row": row }, ...listing.columns.map((column) => {
    const name = `column-${column.name}`;
    const content = (column.shown ?? column.cell)(row);
    if (column.heads) {
      return el("th", { scope: "row", class: name }, el("button", { type: "button", "aria-expanded": String(isOpen), click: () => toggle(row) }, content));
    }
    return el("td", { class: classes(name, column.shade?.(row), column.number && "number-cell") },
      column.key ? content : el("span", { class: "clamped" }, content));
  }));
}

// A cell that spans columns which are not shown would make the others narrower.
function opened(row) {
  const shown = [...document.querySelectorAll(".rows > thead th")].filter((head) => head.offsetParent !== null);
  return el("tr", { class: "detail" }, el("td", { colspan: shown.length }, listing.detail(row)));
}

function toggle(row) {
  if (!view.open.delete(row)) view.open.add(row);
  render();
  document.querySelector(`tr[data-row="${row}"] button`).focus();
}

function sortBy(name, form) {
  view.descending = view.sort === name && !view.descending;
  view.sort = name;
  update(form);
}

// Show the rows that filters of these values choose, and no other.
function choose(form, values) {
  form.reset();
  for (const [name, value] of Object.entries(values)) form[name].value = value;
  update(form);
  byId("cases").scrollIntoView();
  byId("cases").focus();
}

// The rows that are chosen, as they are sorted. What a spreadsheet would run as a formula gets an apostrophe before it.
function csv() {
  const quoted = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
  const runs = (text) => /^[\t\r\n]/.test(text) || /^[=+\-@]/.test(text.replace(/^[\s\u200b-\u200f\u2060]+/, "").slice(0, 1).normalize("NFKC"));
  const inert = (text) => (runs(text) ? `'${text}` : text);
  const cell = (column, row) => (column.number ? column.key(row) : inert(column.cell(row)));
  const columns = listing.columns.filter((column) => !column.screenOnly);
  const lines = [columns.map((column) => inert(column.heading ?? column.name)), ...view.rows.map((row) => columns.map((column) => cell(column, row)))];
  return lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

function download() {
  const file = new Blob(["\ufeff", csv()], { type: "text/csv" }); // spreadsheets know UTF-8 by the mark
  const link = el("a", { href: URL.createObjectURL(file), download: `${facts.name}.csv` });
  link.click();
  URL.revokeObjectURL(link.href);
}

function filters(change) {
  const select = ({ name, title, options }) => el("label", {}, title, el("select", { name },
    el("option", { value: "" }, "all"), ...options.map(([value, text]) => el("option", { value }, text))));
  const form = el("form", { class: "filters", submit: (event) => event.preventDefault(), role: "search", "aria-label": "Cases" },
    el("label", {}, listing.search.title, el("input", { type: "search", name: "search", autocomplete: "off" })),
    ...listing.filters.map(select),
    el("button", { type: "reset" }, "Reset"));
  let typed = 0;
  form.search.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(change, 150);
  });
  for (const { name } of listing.filters) form[name].addEventListener("change", change);
  form.addEventListener("reset", () => {
    Object.assign(view, { sort: null, descending: false });
    setTimeout(change, 0); // when the fields are reset
  });
  return form;
}

function pager() {
  const go = (event) => {
    view.page = Number(event.target.value);
    view.open.clear();
    render();
    byId("cases").scrollIntoView();
  };
  const button = (id, text) => el("button", { type: "button", id, click: go }, text);
  return el("nav", { class: "pager", "aria-label": "Pages of cases" },
    button("first", "First"), button("previous", "Previous"), el("span", { id: "page" }), button("next", "Next"), button("last", "Last"));
}

function showListing(described) {
  listing = described;
  const form = filters(() => update(form));
  const head = (column) => el("th", { scope: "col", "data-column": column.name, class: classes(`column-${column.name}`, column.number && "number-cell"), "aria-sort": column.key ? "none" : null },
    column.key ? el("button", { type: "button", click: () => sortBy(column.name, form) }, column.title) : el("span", {}, column.title));
  byId("cases").append(
    form,
    el("div", { class: "above" },
      el("p", { id: "found", role: "status", class: "quiet" }),
      el("button", { type: "button", id: "download", click: download }, "Download CSV")),
    el("figure", {},
      el("figcaption", {}, listing.caption),
      el("table", { class: "rows", "aria-label": "Cases" },
        el("thead", {}, el("tr", {}, ...listing.columns.map(head))),
        el("tbody", { id: "body" }))),
    pager());
  matchMedia("(max-width: 46rem)").addEventListener("change", render);
  update(form);
  return form;
}
