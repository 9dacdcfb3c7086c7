// How far the judges agree with people who labelled some of the cases, and what that makes of the judged rate.

function showAgreements() {
  if (!facts.agreements.length) return;
  byId("agreement").hidden = false;
  byId("agreement").append(...facts.agreements.flatMap(agreement));
}

function agreement({ template, labelled, people, rows, matrix, notes }) {
  const said = people ? `${plural(labelled, "case")}, by what most of ${whole(people)} people say` : plural(labelled, "labelled case");
  const labels = Object.keys(matrix);
  const tables = [table(`${template}: judge and people`, ["Measure", "Value, 95% interval"], rows, { caption: "What people say of cases that were drawn, and what it tells of the whole run", name: "agreement" })];
  if (labels.length) {
    tables.push(table(`${template}: labels`, ["People said", ...labels.map((label) => `judge: ${label}`)],
      labels.map((label) => [label, ...labels.map((other) => whole(matrix[label][other]))]),
      { caption: "How many labelled cases have each label", numbers: labels.map((_, at) => at + 1), name: "agreement" }));
  }
  return [
    el("h3", {}, `${template}: ${said}`),
    el("div", { class: "charts pair" }, ...tables),
    ...notes.map((note) => el("p", { class: "notice" }, note)),
  ];
}
