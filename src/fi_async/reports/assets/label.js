"use strict";
// Whatever a case says is put on the page as text: no case can become markup, a link or a script.
const LETTERS = "abcdeghijklmoqrtvwxyz"; // not those of other keys
const find = (id) => document.getElementById(id);
const actions = new Map(); // by key
let shown = null;
let isBusy = true; // until the first case is here, and while one is kept

function say(message, isBad = false) {
  find("alert").hidden = !isBad;
  find("alert").textContent = isBad ? message : "";
  find("status").textContent = isBad ? "" : message;
}

async function ask(path, said) {
  const how = { cache: "no-store", credentials: "omit" };
  if (said) Object.assign(how, { method: "POST", body: JSON.stringify(said), headers: { "Content-Type": "application/json" } });
  let answer;
  try {
    answer = await fetch(path, how);
  } catch {
    throw new Error("The command that serves this page has ended. Start it again, and open the address that it prints.");
  }
  const found = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

async function act(said, message) {
  if (isBusy) return;
  isBusy = true;
  try {
    const found = await ask("act", said);
    if (said.act === "end") return ended();
    find("note").value = "";
    find("note-form").hidden = true;
    show(found);
    say(message);
  } catch (error) {
    say(`Not kept: ${error.message}`, true);
  } finally {
    isBusy = false;
  }
}

const note = () => find("note").value.trim();
const withNote = () => (note() ? ", with a note" : "");
const name = () => shown.case.name;
const label = (value, word) => shown.case && act({ act: "label", place: shown.case.place, value, note: note() }, `Kept: ${name()} is ${word}${withNote()}`);
const skip = () => shown.case && act({ act: "skip", place: shown.case.place, note: note() }, `Skipped: ${name()}${withNote()}`);
const back = () => act({ act: "back" }, "Taken back: here it is again");
const end = () => shown.case === null && act({ act: "end" });

function writeNote() {
  if (!shown.case) return;
  find("note-form").hidden = false;
  find("note").focus();
}

function button(place, key, word, does, kind = "") {
  const made = document.createElement("button");
  const shownKey = document.createElement("kbd");
  shownKey.textContent = key;
  made.append(shownKey, ` ${word}`);
  made.type = "button";
  made.className = kind;
  made.setAttribute("aria-keyshortcuts", key === "?" ? "Shift+?" : key);
  made.addEventListener("click", does);
  find(place).append(made);
}

function bind(keys, does, word) {
  for (const key of keys) actions.set(key, does);
  const head = document.createElement("dt");
  for (const key of keys) {
    const shownKey = document.createElement("kbd");
    shownKey.textContent = key;
    head.append(shownKey, " ");
  }
  const body = document.createElement("dd");
  body.textContent = word;
  find("keys").append(head, body);
}

function offer(key, word, value, kind, also = []) {
  const does = () => label(value, word);
  bind([key, ...also], does, word);
  button("labels", key, word, does, kind);
}

function begin(found) {
  if (found.kind === "verdicts") {
    offer("1", "Pass", true, "good", ["p"]);
    offer("0", "Fail", false, "bad", ["f"]);
  } else if (found.kind === "choices") {
    found.choices.forEach((choice, place) => offer(place < 9 ? String(place + 1) : LETTERS[place - 9] ?? "", choice, choice));
  }
  find("labels").hidden = found.kind === "scores";
  bind(["s"], skip, "Skip: it cannot be told");
  bind(["u"], back, "Take back what was said last");
  bind(["n"], writeNote, "Write a note");
  bind(["?"], () => find("help").showModal(), "These keys");
  button("acts", "s", "Skip", skip);
  button("acts", "u", "Back", back);
  button("acts", "n", "Note", writeNote);
  button("acts", "?", "Help", () => find("help").showModal());
  find("template").textContent = found.template;
  find("by").textContent = `labelled by ${found.by}`;
  find("question").textContent = found.question;
  find("asked").hidden = !found.question;
}

function input({ key, text, is_json: isJson }) {
  const head = document.createElement("dt");
  const body = document.createElement("dd");
  head.textContent = key;
  body.textContent = text;
  body.className = isJson ? "json" : "";
  body.tabIndex = 0; // to be scrolled by keys
  body.setAttribute("role", "region");
  body.ariaLabel = key;
  return [head, body];
}

function show(found) {
  shown = found;
  const done = found.labelled + found.skipped;
  find("far").textContent = `${Math.min(done + 1, found.total)} of ${found.total}`;
  find("bar").max = found.total;
  find("bar").value = done;
  const isLeft = found.case !== null;
  find("case").hidden = !isLeft;
  find("end").hidden = isLeft;
  find("labels").hidden = !isLeft || found.kind === "scores";
  find("score-form").hidden = !isLeft || found.kind !== "scores";
  find("score").value = "";
  if (!isLeft) return finish(found);
  find("name").textContent = name();
  find("inputs").replaceChildren(...found.case.inputs.flatMap(input));
  find("verdict").hidden = !found.case.verdict;
  find("said").textContent = found.case.verdict?.said ?? "";
  find("reason").textContent = found.case.verdict?.reason ?? "";
  scrollTo(0, 0);
  settle();
}

function settle() {
  const target = shown.case === null ? "ended" : shown.kind === "scores" ? "score" : "name";
  find(target).focus({ preventScroll: true });
}

function finish(found) {
  const skipped = found.skipped ? `, ${found.skipped} skipped` : "";
  find("far").textContent = `${found.total} of ${found.total}`;
  find("then").textContent = `${found.labelled} labelled${skipped}. Press Enter to end, or u to take back the last one; it ends by itself in ${found.linger} seconds.`;
  settle();
}

function ended() {
  isBusy = true;
  find("then").textContent = "All is in the run's file. This page can be closed.";
  find("acts").hidden = true;
  say("");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (find("help").open || event.target.id === "note" || !shown) return;
  if (shown.case === null && event.key === "Enter" && event.target.tagName !== "BUTTON") return end();
  const isTyped = event.target.id === "score" && (event.target.value !== "" || /^[0-9.,e+-]$/i.test(event.key));
  const does = isTyped ? undefined : actions.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (!does) return;
  event.preventDefault();
  if (!event.repeat) does(); // a key that is held down labels one case
});

find("note").addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    find("note").value = "";
    find("note-form").hidden = true;
  }
  if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey && !event.isComposing)) {
    event.preventDefault();
    settle();
  }
});
find("score").addEventListener("keydown", (event) => {
  if (event.key === "Escape") find("score").value = "";
});
find("note-form").addEventListener("submit", (event) => event.preventDefault());
find("score-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const written = find("score").value.trim().replace(",", ".");
  const value = Number(written);
  if (written === "" || !Number.isFinite(value)) return say("Write a number, such as 0.5", true);
  label(value, String(value));
});

(async () => {
  try {
    const found = await ask("state");
    begin(found);
    show(found);
    isBusy = false;
    document.documentElement.dataset.ready = "case";
  } catch (error) {
    say(error.message, true);
  }
})();
