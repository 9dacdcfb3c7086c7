// The table of cases: filtered and sorted as columns of numbers, shown a page at a time.

const PAGE = 50;
const texts = { ids: new Map(), reasons: [], inputs: new Map() };
const columns = [
  { name: "case", title: "Case", key: (row) => rows.index[row] },
  { name: "template", title: "Template", key: (row) => rows.template[row] },
  { name: "result", title: "Result", key: (row) => resultRank(row) },
  { name: "score", title: "Score", key: (row) => rows.score[row], number: true },
  { name: "reason", title: "Reason" },
  { name: "latency", title: "Latency", key: (row) => rows.latency_ms[row], number: true },
  { name: "attempts", title: "Attempts", key: (row) => rows.attempts[row], number: true },
];
const view = { rows: null, page: 0, sort: null, descending: false, open: new Set() };
let rows = null;
let haystack = null;

const idOf = (row) => texts.ids.get(rows.index[row]) ?? `#${rows.index[row]}`;
const templateOf = (row) => facts.rows.templates[rows.template[row]];
const statusOf = (row) => facts.rows.statuses[rows.status[row]];
const wordOf = (row) => facts.rows.words[rows.said[row]];
const resultOf = (row) => (statusOf(row) === "scored" ? wordOf(row) || "scored" : statusOf(row));
const resultRank = (row) => (rows.status[row] ? rows.status[row] - 100 : rows.said[row]);

function shadeOf(row) {
  if (statusOf(row) !== "scored") return "warn";
  return { Passed: "good", Failed: "bad" }[wordOf(row)] ?? null;
}

// What the search looks through, in small letters. Made at the first search, and again when further texts have come.
function searched() {
  haystack ??= Array.from(rows.index, (index, row) => [
    index, texts.ids.get(index), texts.reasons[row], ...Object.values(texts.inputs.get(index) ?? {}),
  ].join("\n").toLowerCase());
  return haystack;
}

function chosen(form) {
  const words = form.search.value.trim().toLowerCase();
  const [kind, value] = form.result.value.split(":");
  const tests = {
    unscored: (row) => rows.status[row] !== 0,
    status: (row) => rows.status[row] === Number(value),
    said: (row) => rows.status[row] === 0 && rows.said[row] === Number(value),
  };
  const wanted = [
    form.template.value === "" ? null : (row) => rows.template[row] === Number(form.template.value),
    tests[kind] ?? null,
    form.cause.value === "" ? null : (row) => rows.cause[row] === Number(form.cause.value),
    words === "" ? null : (row) => searched()[row].includes(words),
  ].filter(Boolean);
  const found = [];
  for (let row = 0; row < rows.index.length; row += 1) if (wanted.every((test) => test(row))) found.push(row);
  return found;
}

function sorted(found) {
  const column = columns.find((each) => each.name === view.sort);
  if (!column) return found;
  const keys = new Float64Array(rows.index.length);
  const sign = view.descending ? -1 : 1;
  // What has no number stands at the end, whichever way.
  for (const row of found) {
    const key = column.key(row);
    keys[row] = key === null ? Infinity : sign * key;
  }
  return found.sort((one, other) => keys[one] - keys[other] || one - other || 0);
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
  byId("body").replaceChildren(...shown.flatMap((row) => (view.open.has(row) ? [line(row), detail(row)] : [line(row)])));
  byId("found").textContent = all ? `${whole(first + 1)} to ${whole(first + shown.length)} of ${plural(all, "evaluation")}` : "No evaluation is like that.";
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

function line(row) {
  const isOpen = view.open.has(row);
  const cell = (name, content, shade) => el("td", { class: [`column-${name}`, shade].filter(Boolean).join(" ") }, content);
  const latency = rows.latency_ms[row];
  const reason = texts.reasons[row] ?? "";
  return el("tr", { "data-row": row },
    el("th", { scope: "row", class: "column-case" },
      el("button", { type: "button", "aria-expanded": String(isOpen), click: () => toggle(row) }, idOf(row))),
    cell("template", templateOf(row)),
    cell("result", resultOf(row), shadeOf(row)),
    cell("score", rows.score[row] === null ? "-" : shortNumber(rows.score[row]), "number-cell"),
    el("td", {}, el("span", { class: "clamped" }, reason)),
    cell("latency", latency === null ? "-" : duration(latency / 1000), "number-cell"),
    cell("attempts", rows.attempts[row], "number-cell"));
}

function detail(row) {
  const reason = texts.reasons[row] ?? "not in this page";
  const inputs = texts.inputs.get(rows.index[row]);
  const latency = rows.latency_ms[row];
  const told = [
    ["case", `${rows.index[row]}`],
    ["template", templateOf(row)],
    [statusOf(row) === "scored" ? "reason" : "error", reason || "none was given"],
    ...(inputs ? Object.entries(inputs) : [["inputs", "not in this page"]]).map(([key, text]) => [inputs ? `input: ${key}` : key, text]),
    ["latency", latency === null ? "-" : duration(latency / 1000)],
    ["attempts", `${rows.attempts[row]}`],
  ];
  return el("tr", { class: "detail" }, el("td", { colspan: columns.length },
    el("dl", { class: "facts" }, ...told.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]))));
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

function filters(change) {
  const option = (value, text) => el("option", { value }, text);
  const words = facts.rows.words.map((word, at) => [`said:${at}`, word]).filter(([, word]) => word);
  const ended = facts.rows.statuses.map((status, at) => [`status:${at}`, status]).filter(([, status]) => figures.statuses[status]);
  const results = [
    option("", "all"),
    ...(unscored ? [option("unscored", "no score")] : []),
    ...ended.map(([value, status]) => option(value, `status: ${status}`)),
    ...words.map(([value, word]) => option(value, `result: ${word}`)),
  ];
  const causes = figures.causes.map((cause) => option(cause.number, `${cause.type}${cause.message ? `: ${cause.message.slice(0, 60)}` : ""}`));
  const form = el("form", { class: "filters", submit: (event) => event.preventDefault(), role: "search", "aria-label": "Cases" },
    el("label", {}, "Search ids, reasons and inputs", el("input", { type: "search", name: "search", autocomplete: "off" })),
    el("label", {}, "Template", el("select", { name: "template" }, option("", "all"), ...facts.rows.templates.map((name, at) => option(at, name)))),
    el("label", {}, "Result", el("select", { name: "result" }, ...results)),
    el("label", {}, "Cause", el("select", { name: "cause" }, option("", "all"), ...causes)),
    el("button", { type: "reset" }, "Reset"));
  let typed = 0;
  form.search.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(change, 150);
  });
  for (const each of [form.template, form.result, form.cause]) each.addEventListener("change", change);
  form.addEventListener("reset", () => setTimeout(change, 0));
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

function showCases() {
  const form = filters(() => update(form));
  const head = (column) => el("th", { scope: "col", "data-column": column.name, class: `column-${column.name}${column.number ? " number-cell" : ""}`, "aria-sort": column.key ? "none" : null },
    column.key ? el("button", { type: "button", click: () => sortBy(column.name, form) }, column.title) : el("span", {}, column.title));
  byId("cases").append(
    form,
    el("p", { id: "found", role: "status", class: "quiet" }),
    el("figure", {},
      el("figcaption", {}, "Those without a score first, then the lowest scores, unless sorted otherwise. A case opens to its texts."),
      el("table", { class: "rows", "aria-label": "Cases" },
        el("thead", {}, el("tr", {}, ...columns.map(head))),
        el("tbody", { id: "body" }))),
    pager());
  update(form);
  return form;
}
