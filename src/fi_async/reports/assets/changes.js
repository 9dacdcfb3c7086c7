// The page of a comparison: what changed by template, and the table of the cases that did.

const [before, after] = facts.runs;
const compared = facts.templates;
const sum = (name) => compared.reduce((total, each) => total + each[name], 0);
const confidence = `${shortNumber(100 * facts.confidence)}%`;
const signed = (number) => (number === null ? "-" : `${number.toFixed(3) < 0 ? "" : "+"}${number.toFixed(3)}`.replace("+-", "+"));
const fixed = (number) => (number === null ? "-" : number.toFixed(3));
const probability = (p) => (p === null ? "-" : p < 0.001 ? "<0.001" : p.toFixed(3));

function showTotals() {
  const left = sum("unscored");
  const alone = sum("only_before") + sum("only_after");
  const share = (count) => (sum("pairs") ? `${percent(count / sum("pairs"))} of the pairs` : "no pairs");
  showTiles([
    ["Pairs", whole(sum("pairs")), `under ${plural(compared.length, "template")}`],
    ["Worse", whole(sum("losses")), share(sum("losses")), sum("losses") ? "bad" : ""],
    ["Better", whole(sum("wins")), share(sum("wins")), sum("wins") ? "good" : ""],
    ["Ties", whole(sum("ties")), share(sum("ties"))],
    ["Not compared", whole(left + alone), [left ? `${whole(left)} without a score` : "", alone ? `${whole(alone)} in one run only` : ""].filter(Boolean).join(", ") || "none", left + alone ? "warn" : ""],
  ]);
}

function unpaired(each) {
  const counts = [[each.only_before, before.name], [each.only_after, after.name]].filter(([count]) => count);
  return counts.length ? `${each.name}: ${counts.map(([count, name]) => `${whole(count)} only in ${name}`).join(", ")}.` : "";
}

function showRemarks() {
  showNotices([
    facts.estimate ? ESTIMATES : "",
    facts.judges,
    ...facts.runs.map((run) => (run.pending ? `${run.name} is not complete: ${plural(run.pending, "evaluation")} pending.` : "")),
    facts.shown < facts.rows.all ? `The table has ${whole(facts.shown)} of ${whole(facts.rows.all)} evaluations: the greatest changes.` : "",
    leftOut("what got worse first, then what got better, the greatest changes first. All numbers are of all pairs."),
  ]);
  showGaps(compared.map(unpaired).filter(Boolean), "template");
}

function showTemplates(show) {
  const button = (template, kind, count) => (count === 0 ? "0" :
    el("button", { type: "button", class: "count", click: () => show({ template, kind }), "aria-label": `Show the ${count} of ${compared[template].name} that are ${facts.rows.kinds[kind]}` }, whole(count)));
  byId("templates").append(table(
    "Templates",
    ["Template", "Pairs", "Before", "After", "Difference", `${confidence} interval`, "Better", "Worse", "Ties", "p"],
    compared.map((each, at) => [
      each.name,
      whole(each.pairs),
      fixed(each.before),
      fixed(each.after),
      signed(each.difference),
      each.interval === null ? "-" : `${signed(each.interval[0])} to ${signed(each.interval[1])}`,
      button(at, 1, each.wins),
      button(at, 0, each.losses),
      whole(each.ties),
      probability(each.p_value),
    ]),
    {
      caption: "Means over the pairs with a score in both runs; of verdicts, pass rates. Interval: of the difference, by a paired bootstrap. p: how probable a split of worse and better as uneven as this is, if neither run is better (McNemar's test).",
      numbers: [1, 2, 3, 4, 5, 6, 7, 8, 9],
      name: "templates",
    },
  ));
  const drawn = compared.filter((each) => each.interval !== null && Math.abs(each.before) <= 1 && Math.abs(each.after) <= 1);
  if (drawn.length) byId("templates").append(el("div", { class: "charts" }, differenceChart(drawn)));
}

function differenceChart(templates) {
  const furthest = Math.max(...templates.flatMap((each) => each.interval.map(Math.abs)), 0.02);
  const end = Math.min(1, Math.ceil(furthest * 11) / 10);
  return rangeChart("Difference of the means", templates.map((each) => each.name), {
    ranges: [{ label: `${confidence} interval`, shade: "accent", values: templates.map((each) => each.interval) }],
    points: { label: "difference", values: templates.map((each) => each.difference) },
    axis: { min: -end, max: end, ticks: { count: 5, callback: (value) => (value === 0 ? "0" : `${value < 0 ? "" : "+"}${shortNumber(value)}`) } },
    shown: signed,
  });
}

function showRuns() {
  const [was, now] = facts.runs.map((run) => Object.fromEntries(run.facts));
  const began = was.started && now.started ? `${was.started} → ${now.started}` : "";
  byId("about").textContent = [`paired by ${facts.paired_by}`, began].filter(Boolean).join(" · ");
  const names = [...new Set(facts.runs.flatMap((run) => run.facts.map(([name]) => name)))];
  byId("runs").append(table("The runs", ["", "Before", "After"], names.map((name) => [name, was[name] ?? "-", now[name] ?? "-"]), { name: "sides" }));
}

const kindOf = (row) => facts.rows.kinds[rows.kind[row]];
const saidOf = (row, side) => rows.words[rows[side][row]];
const reasonOf = (row, side) => (texts.reasons[row] ?? ["", ""])[side];
const idOf = (row) => texts.ids.get(row) ?? `#${rows.index[row]}`;
const shadeOf = (row) => ({ worse: "bad", better: "good" })[kindOf(row)] ?? "warn";

const columns = [
  { name: "case", title: "Case", heads: true, key: (row) => rows.index[row], cell: idOf },
  { name: "template", title: "Template", key: (row) => rows.template[row], cell: (row) => facts.rows.templates[rows.template[row]] },
  { name: "change", title: "Change", key: (row) => rows.gain[row], cell: (row) => `${saidOf(row, "before")} → ${saidOf(row, "after")}`, shade: shadeOf },
  { name: "reason_before", title: "Reason before", cell: (row) => reasonOf(row, 0) },
  { name: "reason_after", title: "Reason after", cell: (row) => reasonOf(row, 1) },
];

// Both sides of a changed case; what is the same in both stands once.
function changeDetail(row) {
  const inputs = texts.inputs.get(row);
  const pairs = [
    ["result", saidOf(row, "before"), saidOf(row, "after")],
    ["reason", reasonOf(row, 0) || "none was given", reasonOf(row, 1) || "none was given"],
  ];
  for (const key of inputs ? new Set(inputs.flatMap(Object.keys)) : []) {
    pairs.push([`input: ${key}`, inputs[0][key] ?? "-", inputs[1][key] ?? "-"]);
  }
  if (!inputs) pairs.push(["inputs", "not in this page", "not in this page"]);
  const cells = (was, now) => (was === now ? [el("td", { colspan: 2 }, was)] : [el("td", {}, was), el("td", {}, now)]);
  return el("table", { class: "sides" },
    el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, "Before"), el("th", { scope: "col" }, "After"))),
    el("tbody", {}, ...pairs.map(([name, was, now]) => el("tr", {}, el("th", { scope: "row" }, name), ...cells(was, now)))));
}

function showChanges() {
  return showListing({
    what: "case",
    caption: "What got worse first, then what got better, the greatest changes first; last, what has no score in one of the runs. A case opens to both sides.",
    columns,
    filters: [
      { name: "template", title: "Template", options: facts.rows.templates.map((name, at) => [at, name]), test: (value) => (row) => rows.template[row] === Number(value) },
      { name: "kind", title: "Change", options: facts.rows.kinds.map((name, at) => [at, name]), test: (value) => (row) => rows.kind[row] === Number(value) },
    ],
    search: {
      title: "Search ids, reasons and inputs",
      texts: (row) => [idOf(row), ...(texts.reasons[row] ?? []), ...(texts.inputs.get(row) ?? []).flatMap(Object.values)],
    },
    detail: changeDetail,
  });
}
