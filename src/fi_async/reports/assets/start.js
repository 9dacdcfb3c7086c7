// The order in which a page comes to life: figures, the table's numbers, and then its texts.

function chooseTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    drawCharts();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  let before;
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light"; // paper is
    drawCharts();
  });
  addEventListener("afterprint", () => {
    if (before === undefined) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = before;
    drawCharts();
  });
  show();
}

function showTiles(tiles) {
  byId("totals").append(...tiles.map(([name, number, more, shade]) =>
    el("div", {}, el("dt", {}, name), el("dd", { class: classes("number", shade) }, number), el("dd", { class: "quiet" }, more))));
}

const ESTIMATES = "Some scores are lexical estimates of the local backend, which is not the platform's judge.";

function showNotices(said) {
  byId("notices").append(...said.filter(Boolean).map((text) => el("p", { class: "notice" }, text)));
}

// What is missing of some comparisons; of many, one line that opens: the results come before the fold.
function showGaps(gaps, what) {
  if (gaps.length <= 3) {
    showNotices(gaps);
    return;
  }
  const all = el("ul", {}, ...gaps.map((text) => el("li", {}, text)));
  byId("notices").append(el("details", { class: "notice" }, el("summary", {}, `${plural(gaps.length, what)} lack cases`), all));
}

// What of the texts had no room, in words; "" if all had.
function leftOut(order) {
  const of = { reasons: "evaluations", inputs: "cases", ids: "cases" };
  const some = Object.entries(of).filter(([part]) => facts.kept[part][0] < facts.kept[part][1])
    .map(([part, what]) => `the ${part} of ${whole(facts.kept[part][0])} of ${whole(facts.kept[part][1])} ${what}`);
  return some.length ? `To keep the page small it holds ${some.join(", and ")}: ${order}` : "";
}

// `showHead` shows what stands around the table, and is given a function that sets its filters;
// `showTable` shows the table, and returns the form of these.
async function start(showHead, showTable) {
  let form = null;
  byId("name").textContent = facts.name;
  byId("made").textContent = `Made by fi-async ${facts.version}. Charts by Chart.js (MIT licence).`;
  showHead((values) => form && choose(form, values));
  const loading = el("p", { role: "status" }, "Unpacking the cases …");
  byId("cases").append(loading);
  [rows] = await unpacked("columns");
  loading.remove();
  form = showTable();
  chooseTheme();
  document.documentElement.dataset.ready = "numbers";
  texts.ids = new Map(await unpacked("ids"));
  texts.reasons = await unpacked("reasons");
  texts.inputs = new Map(await unpacked("inputs"));
  haystack = null;
  if (form.search.value) update(form);
  else render();
  document.documentElement.dataset.ready = "texts";
}
