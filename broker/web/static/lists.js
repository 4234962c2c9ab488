// j and k go down and up a list, Enter opens; the list is remembered, so that j and k on an object's page go on in it.
"use strict";
const rows = [...document.querySelectorAll("table[data-rows] tbody tr")];
const links = rows.map((row) => row.querySelector("a").getAttribute("href"));
sessionStorage.setItem("list", JSON.stringify(links));
let chosen = -1;
addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && chosen >= 0) location.href = links[chosen];
  const step = { j: 1, k: -1 }[event.key];
  if (!step || !rows.length) return;
  rows[chosen]?.removeAttribute("aria-selected");
  chosen = Math.min(rows.length - 1, Math.max(0, chosen + step));
  rows[chosen].setAttribute("aria-selected", "true");
  rows[chosen].scrollIntoView({ block: "nearest" });
});
