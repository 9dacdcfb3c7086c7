// The table of a report's cases.

const templateOf = (row) => facts.rows.templates[rows.template[row]];
const statusOf = (row) => facts.rows.statuses[rows.status[row]];
const wordOf = (row) => facts.rows.words[rows.said[row]];
const resultOf = (row) => (statusOf(row) === "scored" ? wordOf(row) || "scored" : statusOf(row));
const latencyOf = (row) => (rows.latency_ms[row] === null ? "-" : duration(rows.latency_ms[row] / 1000));

function shadeOf(row) {
  if (statusOf(row) !== "scored") return "warn";
  return { Passed: "good", Failed: "bad" }[wordOf(row)] ?? null;
}

// Where a case stands is in its detail: the first words of why it has no score are worth more.
const PLACE = /^(?:(?:[^:\n]*, )?(?:case|line|row) \d+: |[^:\n]*\[\d+\]: )/;
const reasonOf = (row) => (statusOf(row) === "scored" ? texts.reasons[row] ?? "" : (texts.reasons[row] ?? "").replace(PLACE, ""));

const columns = [
  { name: "case", title: "Case", heads: true, key: (row) => rows.index[row], cell: (row) => texts.ids.get(rows.index[row]) ?? `#${rows.index[row]}` },
  { name: "template", title: "Template", key: (row) => rows.template[row], cell: templateOf },
  { name: "result", title: "Result", key: (row) => (rows.status[row] ? rows.status[row] - 100 : rows.said[row]), cell: resultOf, shade: shadeOf },
  { name: "score", title: "Score", key: (row) => rows.score[row], number: true, cell: (row) => shortNumber(rows.score[row]) },
  // Of the inputs, those that tell most.
  ...facts.rows.keys.map((key, at) => ({ name: `input_${at}`, title: key, heading: `input: ${key}`, cell: (row) => texts.inputs.get(rows.index[row])?.[key] ?? "" })),
  { name: "reason", title: "Reason", cell: (row) => texts.reasons[row] ?? "", shown: reasonOf },
  { name: "latency_ms", title: "Latency", key: (row) => rows.latency_ms[row], number: true, cell: latencyOf },
  { name: "attempts", title: "Attempts", key: (row) => rows.attempts[row], number: true, cell: (row) => `${rows.attempts[row]}` },
];

function caseFilters() {
  const words = facts.rows.words.map((word, at) => [`said:${at}`, word]).filter(([, word]) => word);
  const ended = facts.rows.statuses.map((status, at) => [`status:${at}`, status]).filter(([, status]) => figures.statuses[status]);
  const results = [
    ...(unscored ? [["unscored", "no score"]] : []),
    ...ended.map(([value, status]) => [value, `status: ${status}`]),
    ...words.map(([value, word]) => [value, `result: ${word}`]),
  ];
  const result = (chosen) => {
    const [kind, value] = chosen.split(":");
    if (kind === "unscored") return (row) => rows.status[row] !== 0;
    if (kind === "status") return (row) => rows.status[row] === Number(value);
    return (row) => rows.status[row] === 0 && rows.said[row] === Number(value);
  };
  const causes = figures.causes.map((cause) => [cause.number, `${cause.type}${cause.message ? `: ${cause.message.slice(0, 60)}` : ""}`]);
  return [
    { name: "template", title: "Template", options: facts.rows.templates.map((name, at) => [at, name]), test: (value) => (row) => rows.template[row] === Number(value) },
    { name: "result", title: "Result", options: results, test: result },
    { name: "cause", title: "Cause", options: causes, test: (value) => (row) => rows.cause[row] === Number(value) },
  ];
}

function caseDetail(row) {
  const reason = texts.reasons[row] ?? "not in this page";
  const inputs = texts.inputs.get(rows.index[row]);
  const told = [
    ["case", `${rows.index[row]}`],
    ["template", templateOf(row)],
    [statusOf(row) === "scored" ? "reason" : "error", reason || "none was given"],
    ...(inputs ? Object.entries(inputs) : [["inputs", "not in this page"]]).map(([key, text]) => [inputs ? `input: ${key}` : key, text]),
    ["latency", latencyOf(row)],
    ["attempts", `${rows.attempts[row]}`],
  ];
  return el("dl", { class: "facts" }, ...told.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

function showCases() {
  return showListing({
    what: "evaluation",
    caption: "Those without a score first, then the lowest scores, unless sorted otherwise. A case opens to its texts.",
    columns,
    filters: caseFilters(),
    search: {
      title: "Search ids, reasons and inputs",
      texts: (row) => {
        const index = rows.index[row];
        return [index, texts.ids.get(index), texts.reasons[row], ...Object.values(texts.inputs.get(index) ?? {})];
      },
    },
    detail: caseDetail,
  });
}
