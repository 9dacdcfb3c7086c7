// The order in which the page comes to life: figures, the table's numbers, and then its texts.

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

async function start() {
  let form = null;
  showHead();
  showTotals();
  showNotices();
  showTemplates();
  showPace();
  showCauses((cause) => {
    form.reset();
    form.cause.value = cause;
    update(form);
    byId("cases").scrollIntoView();
    byId("cases").focus();
  });
  [rows] = await unpacked("columns");
  byId("loading").remove();
  form = showCases();
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

start();
