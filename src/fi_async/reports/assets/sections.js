// What stands above the cases: totals, notices, templates, pace and causes; and below them, the run.

const figures = facts.figures;
const scored = figures.statuses.scored;
const unscored = figures.evaluations - scored;

function showRun() {
  const run = Object.fromEntries(facts.run);
  byId("about").textContent = [
    plural(figures.cases, "case"),
    plural(figures.templates.length, "template"),
    ...[run.model, run.backend, run.started].filter(Boolean),
  ].join(" · ");
  byId("run").append(...facts.run.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

function showTotals() {
  const ended = Object.entries(figures.statuses).filter(([status, count]) => status !== "scored" && count);
  const why = [...ended, ...(figures.pending ? [["pending", figures.pending]] : [])].map(([status, count]) => `${whole(count)} ${status}`);
  const tiles = [
    ["Evaluations", whole(figures.evaluations), `of ${plural(figures.cases, "case")}`],
    ["Coverage", percent(figures.evaluations ? scored / figures.evaluations : 1), `${whole(scored)} scored`],
    ["No score", whole(unscored), why.join(", ") || "none", unscored ? "bad" : ""],
  ];
  const latency = figures.latency_s;
  if ("p50" in latency) tiles.push(["Median latency", duration(latency.p50), `95% below ${duration(latency.p95)}, 99% below ${duration(latency.p99)}`]);
  const line = figures.timeline;
  if (line) tiles.push(["Throughput", `${shortNumber((figures.evaluations - figures.pending) / line.active_s)}/s`, `over ${duration(line.active_s)}`]);
  if (figures.spent.length) {
    const most = figures.spent.find((words) => words.includes("$")) ?? figures.spent[0];
    tiles.push(["Spent", most, figures.spent.filter((words) => words !== most).join(", ") || "of judges"]);
  }
  showTiles(tiles);
}

const ORIGINS = { reused: "taken from another run", duplicate: "equal to another case" };

function showRemarks() {
  const ended = figures.evaluations - figures.pending;
  const others = Object.entries(figures.origins).filter(([origin]) => origin === "reused" || origin === "duplicate");
  showNotices([
    figures.pending ? `The run is not complete: ${plural(figures.pending, "evaluation")} pending.` : "",
    figures.is_all ? "" : "The run was stopped before all its cases were read: there may be more.",
    figures.estimate ? ESTIMATES : "",
    figures.judges,
    figures.possible_duplicates ? `${plural(figures.possible_duplicates, "evaluation")} may have been paid twice: sent again after a request that had no answer.` : "",
    others.length ? `Not evaluated anew: ${others.map(([origin, count]) => `${whole(count)} ${ORIGINS[origin]}`).join(", ")}.` : "",
    facts.shown < ended ? `The table has ${whole(facts.shown)} of ${whole(ended)} evaluations: those without a score, and the lowest scores.` : "",
    leftOut("those without a score first, then the lowest scores. All numbers are of the whole run."),
  ]);
}

function showRepeats(each) {
  if (!each.length) return;
  const greatest = ({ repeats }, name) => Math.max(0, ...Object.keys(repeats[name]).map(Number));
  const all = new Set(each.map((template) => greatest(template, "pass^k")).filter(Boolean));
  const k = all.size === 1 ? [...all][0] : null; // of all, and in the heads then
  const passes = (template, name) => {
    const own = greatest(template, name);
    return own ? template.repeats[name][own].toFixed(3) + (own === k ? "" : ` (k = ${own})`) : "-";
  };
  byId("templates").append(table(
    "Repeats",
    ["Template", "Samples", "Cases", "Judge's share", `pass^${k ?? "k"}`, `pass@${k ?? "k"}`, "Cases that flip", "The first of them"],
    each.map((template) => {
      const { repeats } = template;
      return [
        template.name,
        whole(repeats.samples),
        whole(repeats.cases),
        repeats.variance === null ? "-" : percent(repeats.variance.judge_share),
        passes(template, "pass^k"),
        passes(template, "pass@k"),
        whole(repeats.flips),
        repeats.flipped.length ? el("ul", { class: "names" }, ...repeats.flipped.slice(0, 5).map((name) => el("li", {}, name))) : "-",
      ];
    }),
    {
      caption: "Judge's share: of the variance of scores. pass^k: how probably k tries of a case all pass; pass@k: at least one of them. A case flips if its samples do not say the same.",
      numbers: [1, 2, 3, 4, 5, 6],
      name: "repeats",
    },
  ));
}

function showJuries(each) {
  if (!each.length) return;
  const estimate = (found) => {
    if (found === null || found.value === null) return "-";
    const reach = found.interval ? ` (${found.interval.map((end) => end.toFixed(2)).join(" to ")})` : "";
    return found.value.toFixed(3) + reach;
  };
  const juror = ([name, { mean_score: mean, missing }]) =>
    `${name} ${mean === null ? "-" : mean.toFixed(3)}${missing ? `, ${plural(missing, "vote")} missing` : ""}`;
  byId("templates").append(table(
    "Juries",
    ["Template", "Mean score of each juror", "Cohen's kappa", "Krippendorff's alpha", "Undecided"],
    each.map(({ name, jury }) => [name, Object.entries(jury.jurors).map(juror).join("; "), estimate(jury.kappa), estimate(jury.alpha), whole(jury.undecided)]),
    {
      caption: "Agreement of the jurors: 1 is full agreement, 0 as much as chance brings. Jurors that agree may err together.",
      numbers: [4],
      name: "juries",
    },
  ));
}

function showTemplates() {
  const each = figures.templates;
  const shown = (template, number) =>
    number === null ? "-" : template.kind === "rate" ? percent(number) : Math.abs(number) < 1000 ? number.toPrecision(3) : shortNumber(number);
  const range = (template, interval) => (interval === null ? "-" : `${shown(template, interval.low)} to ${shown(template, interval.high)}`);
  const named = { rate: "pass rate", mean: "mean score", labels: "labels", none: "-" };
  const isPaid = each.some((template) => template.tokens !== null || template.cost !== null || template.unknown_cost);
  const money = (template) => {
    const known = template.cost === null ? [] : [dollars(template.cost)];
    return [...known, ...(template.unknown_cost ? ["unknown"] : [])].join(" + ") || "-";
  };
  byId("templates").append(table(
    "Templates",
    ["Template", "Measure", "Value", "95% interval", "Worst to best case", "Scored", "Coverage", "Answered by", ...(isPaid ? ["Tokens", "Cost"] : [])],
    each.map((template) => [
      template.name,
      named[template.kind],
      shown(template, template.value),
      range(template, template.interval),
      range(template, template.bounds),
      `${whole(template.scored)} of ${whole(template.all)}`,
      percent(template.all ? template.scored / template.all : 1),
      template.answered_by.join(", ") || "-",
      ...(isPaid ? [template.tokens === null ? "-" : whole(template.tokens.total), money(template)] : []),
    ]),
    {
      caption: "A case without a score is not a score of zero: values and intervals leave it out. Worst and best case: what the value would be had all those cases got the lowest score, or the highest.",
      numbers: [2, 3, 4, 5, 6, ...(isPaid ? [8, 9] : [])],
      name: "templates",
    },
  ));
  showRepeats(each.filter((template) => template.repeats));
  showJuries(each.filter((template) => template.jury));
  const charts = el("div", { class: "charts" });
  const inOne = each.filter((template) => template.bounds !== null);
  if (inOne.length) charts.append(intervalChart(inOne));
  for (const template of each.filter((one) => one.bars.length)) {
    charts.append(barChart(template.name, template.bars, `${plural(template.scored, "result")}`));
  }
  byId("templates").append(charts);
}

function showPace() {
  const line = figures.timeline;
  if (!line) return;
  const pace = byId("pace");
  pace.hidden = false;
  if (line.pauses) pace.append(el("p", { class: "quiet" }, `${plural(line.pauses, "interruption")} of over an hour cut out.`));
  const charts = el("div", { class: "charts pair" }, lineChart("Throughput", line.step_s, [{ label: "ended", values: line.rate }], "evaluations/s"));
  if (line.median_s.some((value) => value !== null)) {
    charts.append(lineChart("Latency", line.step_s, [{ label: "median", values: line.median_s }, { label: "95th percentile", values: line.p95_s }], "s"));
  }
  pace.append(charts);
}

function showCauses(choose) {
  if (!figures.causes.length) return;
  byId("causes").hidden = false;
  byId("causes").append(table("Causes", ["Cause", "Count", "Status", "First", "Cases"], figures.causes.map((cause) => [
    el("span", {}, el("strong", {}, cause.type), cause.message ? `: ${cause.message}` : ""),
    whole(cause.count),
    Object.keys(cause.statuses).join(", "),
    `case\u00a0${cause.first}`,
    el("button", { type: "button", click: () => choose(cause.number), "aria-label": `Show the cases of ${cause.type}` }, "Show"),
  ]), { caption: "Cases without a score by cause, the most frequent first", name: "causes", numbers: [1] }));
}
