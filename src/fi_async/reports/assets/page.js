"use strict";

// The facts of the run. Every text of a case, a template or the server reaches the page as a text node or as the
// value of an attribute that holds no code: nothing is ever parsed as markup.
const facts = JSON.parse(document.getElementById("facts").textContent);

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const byId = (id) => document.getElementById(id);
const whole = (number) => number.toLocaleString("en");
const percent = (share) => (share === null ? "-" : `${(100 * share).toFixed(1)}%`);
const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

function shortNumber(number) {
  if (number === null) return "-";
  const short = Number(number.toPrecision(3));
  return Math.abs(short) < 1e9 && Math.abs(short) >= 1000 ? whole(short) : String(short);
}

function dollars(amount) {
  if (amount > 0 && amount < 0.000001) return "<$0.000001";
  const digits = amount === 0 || amount >= 1 ? 2 : amount >= 0.01 ? 4 : 6;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

function duration(seconds) {
  if (seconds === 0) return "0\u00a0s";
  const [unit, of] = seconds < 0.001 ? ["µs", 0.000001] : seconds < 1 ? ["ms", 0.001] : seconds < 120 ? ["s", 1] : seconds < 7200 ? ["min", 60] : ["h", 3600];
  return `${shortNumber(seconds / of)}\u00a0${unit}`;
}

// A table of texts and elements; the first cell of a row heads it. `numbers` are the columns set to the right.
function table(label, heads, rows, { caption = null, numbers = [], name = "" } = {}) {
  const set = (tag, at, attributes, content) =>
    el(tag, { ...attributes, class: numbers.includes(at) ? "number-cell" : null }, content);
  return el("figure", {},
    caption === null ? null : el("figcaption", {}, caption),
    el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
      el("table", { class: name || null },
        el("thead", {}, el("tr", {}, ...heads.map((head, at) => set("th", at, { scope: "col" }, head)))),
        el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell, at) =>
          at === 0 ? set("th", at, { scope: "row" }, cell) : set("td", at, {}, cell))))))));
}

// The lines of JSON that are deflated in an element.
async function unpacked(id) {
  const text = atob(byId(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const lines = (await new Response(stream).text()).split("\n");
  lines.pop();
  // One document is read several times faster than as many as there are lines.
  return JSON.parse(`[${lines.join(",")}]`);
}
