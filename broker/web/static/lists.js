// j and k go down and up a list, Enter opens; the list is remembered, so that j and k on an object's page go on in it.
// Rows are looked for at each key: on the live page others come and go, and the chosen one stays chosen.
"use strict";
let chosen = null; // where its link leads
const opened = (row) => row.querySelector("a")?.getAttribute("href");
const rowsNow = () => [...document.querySelectorAll("table[data-rows] tbody tr")].filter(opened);

function shown() {
  const rows = rowsNow();
  if (rows.length) sessionStorage.setItem("list", JSON.stringify(rows.map(opened)));
  for (const row of rows) {
    if (opened(row) === chosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = rowsNow();
  const place = rows.findIndex((row) => opened(row) === chosen);
  if (event.key === "Enter" && place >= 0 && !event.target.closest("a, button")) location.href = chosen;
  const step = { j: 1, k: -1 }[event.key];
  if (!step || !rows.length) return;
  const row = rows[Math.min(rows.length - 1, Math.max(0, place + step))];
  chosen = opened(row);
  shown();
  row.scrollIntoView({ block: "nearest" });
});

shown();
for (const body of document.querySelectorAll("table[data-rows] tbody")) new MutationObserver(shown).observe(body, { childList: true });
