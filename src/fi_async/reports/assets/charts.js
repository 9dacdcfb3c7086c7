// Charts, by Chart.js. Each has its numbers in a table beside it, for those who do not see it.

const redraws = [];

function colour(name) {
  const probe = el("span", { hidden: true });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function palette() {
  return Object.fromEntries(["ink", "paper", "quiet", "line", "edge", "accent", "faint", "good", "bad"].map((name) => [name, colour(name)]));
}

// A chart in its frame. `settings` is given the palette, and returns what Chart.js takes.
function chart(title, settings, numbers, { height = null, note = null, said = "", wide = false } = {}) {
  const canvas = el("canvas", { role: "img", "aria-label": said ? `${title}: ${said}` : title });
  const plot = el("div", { class: "plot" }, canvas);
  if (height !== null) plot.style.height = `${height}rem`;
  let drawn = null;
  redraws.push(() => {
    drawn?.destroy();
    const colours = palette();
    Chart.defaults.color = colours.quiet;
    Chart.defaults.borderColor = colours.line;
    drawn = new Chart(canvas, settings(colours));
  });
  return el("div", { class: wide ? "chart wide" : "chart" },
    el("h3", {}, title),
    note === null ? null : el("p", { class: "quiet" }, note),
    plot,
    el("details", {}, el("summary", {}, "Numbers"), el("div", {}, numbers)));
}

function drawCharts() {
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.font.family = "system-ui, sans-serif";
  Chart.defaults.plugins.legend.labels.boxWidth = 12;
  redraws.forEach((redraw) => redraw());
}

function barChart(title, bars, note) {
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  const shade = (label, colours) => ({ Passed: colours.good, Failed: colours.bad })[label] ?? colours.accent;
  const settings = (colours) => ({
    type: "bar",
    data: {
      labels: bars.map((bar) => bar.label),
      datasets: [{
        data: bars.map((bar) => bar.count),
        backgroundColor: bars.map((bar) => shade(bar.label, colours)),
        barPercentage: 1,
        categoryPercentage: bars.length > 6 ? 0.94 : 0.6,
      }],
    },
    options: {
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { label: (item) => `${plural(item.raw, "case")}, ${percent(item.raw / total)}` } },
      },
      scales: {
        x: { grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 12, callback: (_, at) => tick(bars[at].label) } },
        y: { beginAtZero: true, ticks: { precision: 0, maxTicksLimit: 5 } },
      },
    },
  });
  const most = bars.reduce((best, bar) => (bar.count > best.count ? bar : best));
  const numbers = table(`${title} in numbers`, ["Result", "Cases"], bars.map((bar) => [bar.label, whole(bar.count)]), { numbers: [1] });
  return chart(title, settings, numbers, { note, said: `most results are ${most.label} (${whole(most.count)} of ${whole(total)})` });
}

// A range stands at its bar's place by its lower end.
function tick(label) {
  const range = label.match(/^(-?[\d.e+-]+) to /);
  if (range) return range[1];
  return shortened(label, 16);
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// A row for each name: ranges, the widest first, and on them the point that was measured.
function rangeChart(title, names, { ranges, points, axis: { min, max, ticks }, shown }) {
  const between = (pair) => (pair === null ? "-" : `${shown(pair[0])} to ${shown(pair[1])}`);
  const bar = ({ label, shade, values }, at) => (colours) => ({
    type: "bar", label, data: values, backgroundColor: colours[shade], borderColor: colours.edge, borderWidth: shade === "faint" ? 1 : 0, borderSkipped: false,
    grouped: false, barThickness: shade === "faint" ? 20 : 8, minBarLength: 2, order: 3 - at,
  });
  const settings = (colours) => ({
    data: {
      labels: names,
      datasets: [
        ...ranges.map((range, at) => bar(range, at)(colours)),
        { type: "scatter", label: points.label, data: points.values.map((x, at) => ({ x, y: names[at] })), pointStyle: "rectRot", radius: 5, clip: 8, borderColor: colours.paper, backgroundColor: colours.ink, order: 1 },
      ],
    },
    options: {
      indexAxis: "y",
      plugins: {
        legend: { position: "bottom" },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${Array.isArray(item.raw) ? between(item.raw) : shown(item.raw.x)}` } },
      },
      scales: {
        x: { min, max, grid: { color: ({ tick }) => (tick.value === 0 ? colours.quiet : colours.line) }, ticks: { maxRotation: 0, ...ticks } },
        y: { type: "category", labels: names, offset: true, grid: { display: false }, ticks: { color: colours.ink, callback: (_, at) => shortened(names[at], 28) } },
      },
    },
  });
  const numbers = table(`${title} in numbers`, ["Template", points.label, ...ranges.map((range) => range.label).reverse()],
    names.map((name, at) => [name, shown(points.values[at]), ...ranges.map((range) => between(range.values[at])).reverse()]),
    { numbers: [1, ...ranges.map((_, at) => at + 2)] });
  return chart(title, settings, numbers, { height: 5 + 2.2 * names.length, wide: true });
}

// Rates and means from 0 to 1: what is known, how sure it is, and what the cases without a score could still make of it.
function intervalChart(templates) {
  return rangeChart("Pass rates and mean scores", templates.map((each) => each.name), {
    ranges: [
      { label: "worst to best case", shade: "faint", values: templates.map((each) => ends(each.bounds)) },
      { label: "95% interval", shade: "accent", values: templates.map((each) => ends(each.interval)) },
    ],
    points: { label: "measured", values: templates.map((each) => each.value) },
    axis: { min: 0, max: 1, ticks: { callback: (share) => `${Math.round(share * 100)}%` } },
    shown: percent,
  });
}

const ends = (interval) => (interval === null ? null : [interval.low, interval.high]);

function lineChart(title, step, lines, unit) {
  const settings = (colours) => ({
    type: "line",
    data: {
      datasets: lines.map((line, at) => ({
        label: line.label,
        data: line.values.map((value, number) => ({ x: (number + 0.5) * step, y: value })),
        borderColor: at === 0 ? colours.accent : colours.quiet,
        backgroundColor: at === 0 ? colours.faint : "transparent",
        borderDash: at === 0 ? [] : [5, 4],
        borderWidth: 2,
        fill: lines.length === 1,
        spanGaps: true,
        pointRadius: 0,
        pointHitRadius: 12,
      })),
    },
    options: {
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: lines.length > 1, position: "bottom" },
        tooltip: {
          callbacks: {
            title: (items) => `after ${duration(items[0].parsed.x)}`,
            label: (item) => `${item.dataset.label}: ${shortNumber(item.parsed.y)} ${unit}`,
          },
        },
      },
      scales: {
        x: { type: "linear", min: 0, max: step * lines[0].values.length, grid: { display: false }, ticks: { maxTicksLimit: 7, callback: (seconds) => duration(seconds) } },
        y: { beginAtZero: true, ticks: { maxTicksLimit: 5 }, title: { display: true, text: unit } },
      },
    },
  });
  const numbers = table(`${title} in numbers`, ["From", ...lines.map((line) => line.label)],
    lines[0].values.map((_, at) => [duration(at * step), ...lines.map((line) => shortNumber(line.values[at]))]),
    { numbers: lines.map((_, at) => at + 1) });
  return chart(title, settings, numbers, {});
}
