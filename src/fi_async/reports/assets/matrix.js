// The page of several runs: what each changed against the baseline by template, and the table of the cases.

const { runs, differences } = facts;
const baseline = runs[facts.baseline];
const others = runs.map((_, at) => at).filter((at) => at !== facts.baseline);
const confidence = `${shortNumber(100 * facts.confidence)}%`;
const signed = (number) => (number === null ? "-" : `${number.toFixed(3) < 0 ? "" : "+"}${number.toFixed(3)}`.replace("+-", "+"));
const fixed = (number) => (number === null ? "-" : number.toFixed(3));
const probability = (p) => (p === null ? "-" : p < 0.001 ? "<0.001" : p.toFixed(3));
const shades = { worse: "bad", better: "good" };
// A table has room for so many columns of runs; more are told in one column.
document.documentElement.dataset.runs = runs.length <= 3 ? "few" : runs.length <= 8 ? "some" : "many";

function showTotals() {
  const verdicts = (wanted) => differences.filter((each) => each.verdict === wanted);
  const said = (found) => [...new Set(found.map((each) => runs[each.run].name))].slice(0, 3).join(", ") || "none";
  const sum = (name) => differences.reduce((total, each) => total + each[name], 0);
  const left = sum("unscored") + sum("only_baseline") + sum("only_run");
  const [worse, better] = [verdicts("worse"), verdicts("better")];
  showTiles([
    ["Runs", whole(runs.length), `against ${baseline.name}`],
    ["Comparisons", whole(facts.comparisons), `under ${plural(facts.rows.templates.length, "template")}`],
    ["Worse", whole(worse.length), said(worse), worse.length ? "bad" : ""],
    ["Better", whole(better.length), said(better), better.length ? "good" : ""],
    ["Not compared", whole(left), left ? "without a score or a partner" : "none", left ? "warn" : ""],
  ]);
}

function missing(each) {
  const counts = [[each.only_baseline, "only in the baseline"], [each.only_run, "only in the run"], [each.unscored, "without a score in one or both"]];
  const parts = [...counts.filter(([count]) => count).map(([count, what]) => `${whole(count)} ${what}`), each.said].filter(Boolean);
  return parts.length ? `${facts.rows.templates[each.template]}, ${runs[each.run].name}: ${parts.join(", ")}.` : "";
}

function showRemarks() {
  const gaps = differences.map(missing).filter(Boolean);
  showNotices([
    facts.estimate ? ESTIMATES : "",
    facts.judges,
    ...runs.map((run) => (run.pending ? `${run.name} is not complete: ${plural(run.pending, "evaluation")} pending.` : "")),
    facts.left_out ? `${plural(facts.left_out, "template")} had no room in this page.` : "",
    facts.shown < facts.rows.all ? `The table has ${whole(facts.shown)} of ${whole(facts.rows.all)} cases: those on which the runs disagree most.` : "",
    leftOut("those first on which the runs disagree most. All numbers are of all cases."),
  ]);
  showGaps(gaps, "comparison");
}

function showTemplates(show) {
  const button = (each, change, count) => (count === 0 ? "0" :
    el("button", { type: "button", class: "count", click: () => show({ template: each.template, run: each.run, change }), "aria-label": `Show the ${count} of ${facts.rows.templates[each.template]} that are ${change} in ${runs[each.run].name}` }, whole(count)));
  const body = facts.rows.templates.flatMap((name, template) => {
    const [mean, count] = facts.means[template][facts.baseline];
    return [
      [name, baseline.name, whole(count), fixed(mean), "baseline", "", "", "", "", ""],
      ...differences.filter((each) => each.template === template).map((each) => [
        name,
        runs[each.run].name,
        whole(each.pairs),
        fixed(each.mean),
        signed(each.difference),
        each.interval === null ? "-" : `${signed(each.interval[0])} to ${signed(each.interval[1])}`,
        button(each, "better", each.wins),
        button(each, "worse", each.losses),
        probability(each.adjusted_p),
        each.pairs ? el("span", { class: shades[each.verdict] ?? null }, each.verdict) : "-",
      ]),
    ];
  });
  byId("templates").append(table(
    "Templates",
    ["Template", "Run", "Pairs", "Mean", "Difference", `${confidence} interval`, "Better", "Worse", "p (Holm)", "Verdict"],
    body,
    {
      caption: `Each run against ${baseline.name}, over the cases with a score in both; of verdicts, means are pass rates. All intervals hold together with ${confidence}; p is that of McNemar's test, adjusted by Holm for ${plural(facts.comparisons, "comparison")}.`,
      numbers: [2, 3, 4, 5, 6, 7, 8],
      name: "templates",
    },
  ));
  const drawn = differences.filter((each) => each.interval !== null && Math.abs(each.mean) <= 1 && Math.abs(each.baseline_mean) <= 1).slice(0, 40);
  if (drawn.length) byId("templates").append(el("div", { class: "charts" }, differenceChart(drawn)));
}

function differenceChart(drawn) {
  const furthest = Math.max(...drawn.flatMap((each) => each.interval.map(Math.abs)), 0.02);
  const end = Math.min(1, Math.ceil(furthest * 11) / 10);
  const single = facts.rows.templates.length === 1;
  const names = drawn.map((each) => (single ? runs[each.run].name : `${runs[each.run].name}: ${facts.rows.templates[each.template]}`));
  return rangeChart(`Difference to ${baseline.name}`, names, {
    ranges: [{ label: `${confidence} interval, all together`, shade: "accent", values: drawn.map((each) => each.interval) }],
    points: { label: "difference", values: drawn.map((each) => each.difference) },
    axis: { min: -end, max: end, ticks: { count: 5, callback: (value) => (value === 0 ? "0" : `${value < 0 ? "" : "+"}${shortNumber(value)}`) } },
    shown: signed,
  });
}

function showRuns() {
  byId("about").textContent = `${plural(runs.length, "run")}, paired by ${facts.paired_by}`;
  const told = runs.map((run) => Object.fromEntries(run.facts));
  const names = [...new Set(runs.flatMap((run) => run.facts.map(([name]) => name)))];
  byId("runs").append(table("The runs", ["", ...runs.map((run) => run.name)],
    names.map((name) => [name, ...told.map((of) => of[name] ?? "-")]), { name: "run-facts" }));
}

const MARKS = { "+": " ▲", "-": " ▼" };
const saidOf = (row, run) => rows.words[rows.said[run][row]];
const markedOf = (row, run) => `${saidOf(row, run)}${MARKS[rows.changes[row][run]] ?? ""}`;
const shadeOf = (row, run) => ({ "+": "good", "-": "bad" })[rows.changes[row][run]] ?? null;
const reasonOf = (row, run) => (texts.reasons[row] ?? [])[run] ?? "";
const idOf = (row) => texts.ids.get(row) ?? `#${rows.index[row]}`;
const hasNoScore = (said) => said.startsWith("no ") || said === "not in this run";

function numberOf(said) {
  const number = { passed: 1, failed: 0 }[said] ?? Number(said);
  return Number.isNaN(number) ? null : number;
}

const columns = [
  { name: "case", title: "Case", heads: true, key: (row) => rows.index[row], cell: idOf },
  { name: "template", title: "Template", key: (row) => rows.template[row], cell: (row) => facts.rows.templates[rows.template[row]] },
  ...runs.map((run, at) => ({
    name: `run${at}`,
    title: run.name,
    heading: run.name,
    key: (row) => numberOf(saidOf(row, at)),
    cell: (row) => markedOf(row, at),
    shade: (row) => shadeOf(row, at),
  })),
  { name: "results", title: "Results", key: (row) => rows.spread[row], cell: (row) => runs.map((run, at) => `${run.name}: ${markedOf(row, at)}`).join("; "), screenOnly: true },
  { name: "spread", title: "Spread", number: true, key: (row) => rows.spread[row], cell: (row) => shortNumber(rows.spread[row]) },
];

// What each run said of a case; inputs that are the same in all runs stand once.
function caseDetail(row) {
  const said = runs.map((run, at) => el("tr", {}, el("th", { scope: "row" }, run.name),
    el("td", { class: shadeOf(row, at) }, markedOf(row, at)), el("td", {}, reasonOf(row, at) || (hasNoScore(saidOf(row, at)) ? "-" : "no reason was given, or it had no room"))));
  const inputs = texts.inputs.get(row);
  const told = Object.entries(inputs ?? {}).flatMap(([key, value]) => (Array.isArray(value)
    ? value.map((each, at) => [`${key}, ${runs[at].name}`, each ?? "-"])
    : [[key, value]]));
  return el("div", {},
    el("table", { class: "sides said" },
      el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "col" }, "Result"), el("th", { scope: "col" }, "Reason"))),
      el("tbody", {}, ...said)),
    el("dl", { class: "facts" }, ...(inputs ? told : [["inputs", "not in this page"]]).flatMap(([key, text]) => [el("dt", {}, key), el("dd", {}, text)])));
}

const CHANGES = {
  disagreement: (row) => rows.spread[row] > 0,
  "any difference": (row, runs) => runs.some((run) => "+-".includes(rows.changes[row][run])),
  worse: (row, runs) => runs.some((run) => rows.changes[row][run] === "-"),
  better: (row, runs) => runs.some((run) => rows.changes[row][run] === "+"),
  "no score": (row, runs) => runs.some((run) => hasNoScore(saidOf(row, run))),
};

function showMatrix() {
  const asked = (form) => (form.run.value === "" ? others : [Number(form.run.value)]);
  return showListing({
    what: "case",
    caption: `Those first on which the runs disagree most. ▲ better and ▼ worse than in ${baseline.name}. Spread: the greatest score - the least. A case opens to what each run said.`,
    columns,
    filters: [
      { name: "template", title: "Template", options: facts.rows.templates.map((name, at) => [at, name]), test: (value) => (row) => rows.template[row] === Number(value) },
      {
        name: "run",
        title: "Run differs",
        options: others.map((at) => [at, runs[at].name]),
        // With a change chosen too, that filter looks at this run.
        test: (value, form) => (form.change.value === "" ? (row) => CHANGES["any difference"](row, [Number(value)]) : () => true),
      },
      {
        name: "change",
        title: "Show",
        options: [["disagreement", "only disagreements"], ["worse", "worse than the baseline"], ["better", "better than the baseline"], ["no score", "without a score"]],
        test: (value, form) => {
          const chosen = asked(form);
          const name = value === "disagreement" && form.run.value !== "" ? "any difference" : value;
          return (row) => CHANGES[name](row, chosen);
        },
      },
    ],
    search: {
      title: "Search ids, reasons and inputs",
      texts: (row) => [idOf(row), ...(texts.reasons[row] ?? []), ...Object.values(texts.inputs.get(row) ?? {}).flat().filter(Boolean)],
    },
    detail: caseDetail,
  });
}
