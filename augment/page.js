"use strict";
// The page is complete without this; here it learns to show one class at a time, to flip pictures
// to their originals and to enlarge them. Texts go in as textContent only.

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const sections = [...document.querySelectorAll("section")];
const dialog = byId("large");

// Names instead of ids: the browser itself would scroll to an id, past the header.
for (const section of sections) {
  section.dataset.name = section.id;
  section.removeAttribute("id");
}

// ---- what is shown: a class (the address says which, so that "back" works) and a kind

function addAll() {
  const link = document.createElement("a");
  link.href = "#all";
  link.textContent = "all";
  byId("classes").append(link);
}

function showClass() {
  const all = location.hash === "#all";
  const wanted = sections.find((section) => "#" + section.dataset.name === location.hash) ?? sections[0];
  root.toggleAttribute("data-all", all);
  for (const section of sections) section.classList.toggle("current", section === wanted);
  for (const link of document.querySelectorAll("#classes a")) {
    const current = link.hash === (all ? "#all" : "#" + wanted.dataset.name);
    link.setAttribute("aria-current", current);
    if (current) link.scrollIntoView({ block: "nearest" });
  }
  scrollTo(0, 0);
}

function showKind(kind) {
  root.dataset.kind = kind;
  for (const button of document.querySelectorAll("button[data-kind]")) {
    button.setAttribute("aria-pressed", button.dataset.kind === kind);
  }
}

function stepClass(step) {
  const current = sections.findIndex((section) => section.classList.contains("current"));
  const next = sections[(current + step + sections.length) % sections.length];
  location.hash = next.dataset.name;
}

function zoom(step) {
  const now = parseFloat(getComputedStyle(root).getPropertyValue("--tile"));
  root.style.setProperty("--tile", Math.min(24, Math.max(4, now + 2 * step)) + "rem");
}

// ---- flipping a picture to its original

const originalOf = (button) => button.closest(".panel").querySelector(".original img").src;

function flip(button, flipped) {
  const picture = button.querySelector("img");
  picture.dataset.after ??= picture.src;
  picture.src = flipped ? originalOf(button) : picture.dataset.after;
  button.classList.toggle("flipped", flipped);
}

const pictureUnder = (event) => event.target.closest?.(".tiles button");

// ---- a large picture, with everything that was applied

let shown = null;

function enlarge(button) {
  flip(button, false);
  shown = button;
  const heading = (selector) => button.closest(selector)?.querySelector("h2, h3, h4");
  const title = [heading("section"), heading(".panel"), heading(".row")]
    .filter(Boolean).map((element) => element.textContent.trim());
  byId("large-title").textContent = title.join(" · ");
  byId("large-before").src = originalOf(button);
  byId("large-name").textContent = button.dataset.name;
  byId("large-caption").textContent = button.dataset.caption || "nothing to tell of it";
  byId("large-after").alt = button.dataset.name;
  hold(false);
  byId("large-applied").tBodies[0].replaceChildren(
    ...JSON.parse(button.dataset.applied).map(appliedRow));
  if (!dialog.open) dialog.showModal();
}

function appliedRow([name, drawn]) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  const cell = document.createElement("td");
  head.scope = "row";
  head.textContent = name;
  cell.textContent = Object.entries(drawn)
    .map(([key, value]) => key + ": " + JSON.stringify(value)).join(", ").slice(0, 1500);
  row.append(head, cell);
  return row;
}

function hold(original) {
  if (!shown) return;
  byId("large-after").src = original ? originalOf(shown) : shown.querySelector("img").src;
  byId("large-name").textContent = original ? "original" : shown.dataset.name;
}

function visiblePictures() {
  return [...document.querySelectorAll(".tiles button")]
    .filter((button) => button.offsetParent !== null);
}

function stepInRow(step) {
  const all = visiblePictures();
  enlarge(all[(all.indexOf(shown) + step + all.length) % all.length]);
}

function stepRow(step) {
  const rows = [...new Set(visiblePictures().map((button) => button.closest(".tiles")))];
  const place = [...shown.closest(".tiles").children].indexOf(shown.closest("figure"));
  const row = rows[(rows.indexOf(shown.closest(".tiles")) + step + rows.length) % rows.length];
  const figure = row.children[Math.min(place, row.children.length - 1)];
  enlarge(figure.querySelector("button"));
}

// ---- who listens

const inPage = {
  ArrowLeft: () => stepClass(-1), ArrowRight: () => stepClass(1),
  v: () => showKind("views"), t: () => showKind("transforms"),
  "+": () => zoom(1), "-": () => zoom(-1),
};
const inDialog = {
  ArrowLeft: () => stepInRow(-1), ArrowRight: () => stepInRow(1),
  ArrowUp: () => stepRow(-1), ArrowDown: () => stepRow(1),
  " ": () => hold(true),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button")) return;  // it presses that
  const action = (dialog.open ? inDialog : inPage)[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
addEventListener("keyup", (event) => { if (event.key === " " && dialog.open) hold(false); });
addEventListener("hashchange", showClass);

const main = document.querySelector("main");
main.addEventListener("pointerover", (event) => {
  const button = event.pointerType === "mouse" && pictureUnder(event);
  if (button) flip(button, true);
});
main.addEventListener("pointerout", (event) => {
  const button = pictureUnder(event);
  if (button && !button.contains(event.relatedTarget)) flip(button, false);
});
main.addEventListener("click", (event) => {
  const button = pictureUnder(event);
  if (button) enlarge(button);
});
byId("kinds").addEventListener("click", (event) => {
  const { kind, zoom: step } = event.target.dataset;
  if (kind) showKind(kind);
  if (step) zoom(Number(step));
});
byId("large-after").addEventListener("pointerdown", (event) => {
  event.preventDefault();
  hold(true);
});
for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
  byId("large-after").addEventListener(end, () => hold(false));
}
byId("large-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { shown?.focus(); shown = null; });

root.classList.add("js");
if (sections.length > 1) addAll(); else byId("classes").hidden = true;
for (const part of document.querySelectorAll("#kinds, footer")) part.hidden = false;
showKind("views");
showClass();
