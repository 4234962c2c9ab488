// One object: light curve, class probabilities and anomaly score under one axis of time.
"use strict";
const BANDS = "ugrizy";
const COLOURS = ["#888888", "#ee6677", "#228833", "#b8962e", "#66a8c8", "#aa3377", "#4477aa", "#cc5500", "#7a5cc8", "#2a9d8f", "#d1495b", "#6b8e23", "#8a5a44", "#1f78b4"];
const DASHES = [undefined, [6, 4], [2, 3]];
const at = (id) => document.getElementById(id);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const shown = new Set(BANDS);
const plots = [];
const sync = uPlot.sync("time");
let object;
let chosen = null; // the answer whose changes are shown

// What an address of the page's server answers; an Error says why there is no answer.
async function answered(path) {
  let answer;
  try {
    answer = await fetch(path);
  } catch {
    throw new Error("the page's server does not answer");
  }
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let why = text.trim();
  try { why = JSON.parse(text).detail ?? why; } catch { /* no JSON: a proxy's, or a line of text */ }
  throw new Error(`${why.slice(0, 300)} (${answer.status})`);
}

function made(tag, text) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  return element;
}

const unit = () => document.querySelector("input[name=unit]:checked").value;
const time = () => document.querySelector("input[name=time]:checked").value;
const detection = () => object.light_curve.find((o) => o.detected);
const first = () => (detection() ?? object.light_curve[0] ?? object.answers[0]).mjd;
const x = (mjd) => (time() === "days" ? mjd - first() : mjd);

function axis(label, size) {
  const line = { stroke: style("--line"), width: 1 };
  return { label, labelSize: 18, labelFont: "12px system-ui", font: "12px system-ui", stroke: style("--quiet"), grid: line, ticks: line, size, gap: 4 };
}

function options(target, height, label, series, extra = {}) {
  return {
    width: target.clientWidth - 12, height,
    scales: { x: { time: false, range: span() }, ...extra.scales },
    cursor: { sync: { key: sync.key }, drag: { x: true, y: false } },
    legend: { show: false },
    axes: [axis(extra.last ? (time() === "days" ? `days since the first ${detection() ? "detection" : "point"}` : "MJD, TAI") : undefined, 28), axis(label, 76)],
    series: [{}, ...series], hooks: { draw: [...(extra.draw ?? []), mark] },
  };
}

function span() {
  const times = [...object.light_curve, ...object.answers].map((o) => x(o.mjd));
  const [low, high] = [Math.min(...times), Math.max(...times)];
  const room = Math.max(1, 0.03 * (high - low));
  return [low - room, high + room];
}

// Points of a band: filled where detected, hollow where forced, both with their errors; a limit is a triangle that
// points down, as deep as it is.
function drawPoints(rows, colour) {
  return (u) => {
    const { ctx } = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.lineWidth = ratio;
    for (const [t, y, error, kind] of rows) {
      const px = u.valToPos(t, "x", true);
      const detected = kind === "detection";
      ctx.globalAlpha = detected ? 1 : 0.55;
      ctx.beginPath();
      if (kind === "limit") {
        const [top, size] = [u.valToPos(y, "y", true), 4 * ratio];
        ctx.moveTo(px - size, top);
        ctx.lineTo(px + size, top);
        ctx.lineTo(px, top + 1.6 * size);
        ctx.closePath();
        ctx.stroke();
        continue;
      }
      ctx.moveTo(px, u.valToPos(y - error, "y", true));
      ctx.lineTo(px, u.valToPos(y + error, "y", true));
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(px, u.valToPos(y, "y", true), (detected ? 3.5 : 3) * ratio, 0, 7);
      if (detected) ctx.fill(); else ctx.stroke();
    }
    ctx.restore();
  };
}

function curve() {
  const magnitude = unit() === "magnitude";
  const bright = (o) => !magnitude || o.magnitude !== null || o.kind === "limit";
  const rows = object.light_curve.filter((o) => shown.has(o.band) && bright(o));
  const faint = object.light_curve.filter((o) => shown.has(o.band) && !bright(o)).length;
  at("faint").textContent = faint ? `${faint} points below 3 σ have no magnitude` : "";
  const value = (o) => {
    if (o.kind === "limit") return [magnitude ? o.depth_magnitude : o.depth, 0];
    return magnitude ? [o.magnitude, o.magnitude_err] : [o.flux, o.flux_err];
  };
  const draw = [...BANDS].map((band) => drawPoints(rows.filter((o) => o.band === band).map((o) => [x(o.mjd), ...value(o), o.kind]), style(`--${band}`)));
  const heights = rows.flatMap((o) => { const [y, e] = value(o); return [y - e, y + e]; });
  let [low, high] = heights.length ? [Math.min(...heights), Math.max(...heights)] : [-1, 1];
  if (!magnitude) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const room = 0.05 * (high - low || 1);
  const range = magnitude ? [high + room, low - room] : [low - room, high + room];
  const scales = { y: { range: () => [Math.min(...range), Math.max(...range)], dir: magnitude ? -1 : 1 } };
  const label = magnitude ? "AB magnitude of |flux|" : "difference flux, nJy";
  const series = [{ stroke: "transparent", points: { show: false } }];
  const times = rows.map((o) => x(o.mjd));
  plot("curve", 340, label, series, [times, rows.map((o) => value(o)[0])], { scales, draw });
}

const model = (a) => `${a.model} ${a.model_version}`;

// The models that are compared: those ticked, or the only one.
function compared() {
  const boxes = [...document.querySelectorAll("#versions input")];
  return boxes.length ? boxes.filter((b) => b.checked).map((b) => b.value) : [model(object.answers[0])];
}

// What each of the compared models said last at each moment: of several alerts of one moment the one that was answered
// last has it, else a line would go up and down where time stands still.
function moments() {
  const times = [...new Set(object.answers.map((a) => a.mjd))].sort((a, b) => a - b);
  const lines = compared().map((version) => {
    const last = new Map();
    for (const a of object.answers) if (model(a) === version && !(last.get(a.mjd)?.number > a.number)) last.set(a.mjd, a);
    return { version, said: times.map((t) => last.get(t)) };
  });
  return { times: times.map(x), lines };
}

function chances() {
  const names = new Map();
  for (const said of object.answers) for (const c of said.classes) names.set(c.name, Math.max(names.get(c.name) ?? 0, c.probability));
  const all = [...names.keys()].sort();
  const seen = all.filter((name) => names.get(name) >= 0.05).sort((a, b) => names.get(b) - names.get(a));
  const of = (said, name) => said.classes.find((c) => c.name === name)?.probability ?? 0;
  const colour = (name) => COLOURS[all.indexOf(name) % COLOURS.length];
  const { times, lines: models } = moments();
  const lines = models.flatMap(({ said }, k) => seen.map((name) => ({ said, k, name })));
  const series = lines.map(({ k, name }) => ({ label: name, stroke: colour(name), width: 2, dash: DASHES[k % DASHES.length], spanGaps: true, points: { show: object.answers.length < 60 } }));
  const values = lines.map(({ said, name }) => said.map((a) => (a ? of(a, name) : null)));
  plot("chances", 260, "class probability", series, [times, ...values], { scales: { y: { range: [0, 1] } } });
  const items = seen.map((name) => {
    const item = made("li");
    const key = made("i");
    key.style.background = colour(name);
    item.append(key, name);
    return item;
  });
  if (compared().length > 1) items.push(made("li", `solid ${compared()[0].slice(0, 24)}, dashed the others`));
  at("legend").replaceChildren(...items);
}

function scores() {
  const { times, lines: models } = moments();
  const flagged = times.map((_, i) => models.map(({ said }) => said[i]).find((a) => a?.anomaly)?.anomaly_score ?? null);
  const lines = models.map((_, k) => ({ label: "anomaly score", stroke: style("--quiet"), width: 2, dash: DASHES[k % DASHES.length], spanGaps: true }));
  const values = models.map(({ said }) => said.map((a) => a?.anomaly_score ?? null));
  const thresholds = models.map(({ said }) => said.map((a) => a?.threshold ?? null));
  const told = thresholds.some((some) => some.some((t) => t !== null));
  const step = { label: "threshold", stroke: style("--bad"), width: 1, dash: [3, 3], spanGaps: true, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) };
  const steps = told ? models.map(() => step) : [];
  const series = [...lines, ...steps, { label: "flagged", stroke: style("--bad"), width: 0, points: { show: true, size: 8, fill: style("--bad") } }];
  plot("scores", 170, "anomaly score", series, [times, ...values, ...(told ? thresholds : []), flagged], { last: true });
  at("score-legend").replaceChildren(...(told ? [made("li", "thin dashes: the threshold in force"), made("li", "dots: flagged")] : [made("li", "dots: flagged")]));
}

// A line across every chart at the answer that is looked at.
function mark(u) {
  if (!chosen) return;
  const { ctx } = u;
  const px = u.valToPos(x(chosen.mjd), "x", true);
  if (px < u.bbox.left || px > u.bbox.left + u.bbox.width) return;
  ctx.save();
  ctx.strokeStyle = style("--accent");
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(px, u.bbox.top);
  ctx.lineTo(px, u.bbox.top + u.bbox.height);
  ctx.stroke();
  ctx.restore();
}

// Every class before and after one alert, what moved most first.
function why(number) {
  const place = object.answers.findIndex((a) => a.number === number);
  const said = object.answers[place];
  if (!said) return;
  const before = object.answers.slice(0, place).findLast((a) => model(a) === model(said));
  chosen = said;
  const was = new Map(before?.classes.map((c) => [c.name, c.probability]) ?? []);
  const rows = said.classes.map((c) => ({ ...c, was: was.get(c.name), change: before ? c.probability - was.get(c.name) : 0 }));
  rows.sort((a, b) => Math.abs(b.change) - Math.abs(a.change) || b.probability - a.probability);
  const points = object.light_curve.filter((o) => Math.abs(o.mjd - said.mjd) < 1e-6);
  const njy = (flux) => Math.round(flux).toLocaleString("en");
  const told = { detection: "", forced: ", forced", limit: ", a limit" };
  const what = points.map((o) => `${o.band} ${njy(o.flux)} ± ${njy(o.flux_err)} nJy${told[o.kind]}`);
  const title = made("h3", `MJD ${said.mjd.toFixed(4)}: ${what.join("; ") || "an observation that the light curve no longer has"}`);
  const table = made("table");
  const head = made("tr");
  for (const text of ["Class", "Before", "After", "Change"]) {
    const cell = made("th", text);
    cell.scope = "col";
    head.append(cell);
  }
  table.createTHead().append(head);
  const body = table.createTBody();
  const moved = rows.filter((row) => Math.abs(row.change) >= 0.0005 || row.probability >= 0.005);
  for (const row of moved) {
    const line = body.insertRow();
    const name = made("th", row.name);
    name.scope = "row";
    line.append(name, made("td", before ? row.was.toFixed(3) : "–"), made("td", row.probability.toFixed(3)), made("td", before ? `${row.change < 0 ? "−" : "+"}${Math.abs(row.change).toFixed(3)}` : "–"));
  }
  const rest = rows.length - moved.length;
  at("why").replaceChildren(title, ...judged(said), table, ...(rest ? [made("p", `${rest} others stay below 0.005.`)] : []), asking(said));
  at("why").hidden = false;
  document.querySelectorAll(".step").forEach((b) => b.setAttribute("aria-pressed", String(+b.dataset.number === number)));
  plots.forEach((p) => p.redraw(false));
}

// What a record of version 2 says of its own answer; nothing for older ones.
function judged(said) {
  if (!said.told) return [];
  const flag = said.threshold === null ? "" : `Score ${said.anomaly_score.toFixed(2)}, flagged above ${said.threshold.toFixed(2)}. `;
  const redshift = said.photoz === null ? "No redshift of a host" : said.photoz === 0 ? "In our Galaxy" : `Redshift of the host ${said.photoz.toFixed(3)}`;
  const far = said.reasons.map((r) => `${r.statistic} ${r.deviations < 0 ? "−" : "+"}${Math.abs(r.deviations).toFixed(1)} σ`).join(", ");
  const least = said.nearest ? ` Flagged: least unlike ${said.nearest}${far ? `, furthest from it in ${far}` : ""}.` : "";
  return [made("p", `${flag}${redshift}; ${said.priors} priors; quality: ${said.quality}.${least}`)];
}

// A button that asks which features stand out and which classes are near: it takes a model and some seconds.
function asking(said) {
  const place = made("div");
  const button = made("button", "Which features, which classes are near?");
  button.type = "button";
  button.className = "reasons";
  button.addEventListener("click", async () => {
    place.replaceChildren(made("p", "The model is asked; it takes some seconds …"));
    try {
      place.replaceChildren(...reasons(await answered(`/api/why/${said.number}`), said));
    } catch (error) {
      place.replaceChildren(made("p", error.message), button);
    }
  });
  place.append(button);
  return place;
}

function reasons(found, said) {
  const list = (title, rows) => {
    const table = made("table");
    table.createCaption().textContent = title;
    const body = table.createTBody();
    for (const [name, value] of rows) {
      const line = body.insertRow();
      const head = made("th", name);
      head.scope = "row";
      line.append(head, made("td", value));
    }
    return table;
  };
  const sign = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} σ`;
  const best = said.classes[0];
  const now = found.probabilities[best.name];
  const same = Math.abs(now - best.probability) < 0.01;
  const how = `Computed anew from ${found.points} points (${said.observations} then), the host's photo-z unknown: ${best.name} ${now.toFixed(2)}, published ${best.probability.toFixed(2)}.`;
  const doubt = same ? "" : " The two differ: the answer knew more, such as a photo-z, or less than the light curve holds now.";
  const columns = made("div");
  columns.className = "columns";
  columns.append(
    list("Features furthest from the training set's mean", found.furthest.map((f) => [f.name, sign(f.sigma)])),
    list("Nearest classes in feature space", found.nearest.map((n) => [n.name, n.distance.toFixed(2)])),
  );
  return [columns, made("p", `Anomaly score ${found.score.toFixed(2)}; it is flagged above ${found.threshold.toFixed(2)}. ${how}${doubt}`)];
}

function plot(id, height, label, series, data, extra = {}) {
  const target = at(id);
  target.replaceChildren();
  const order = data[0].map((_, i) => i).sort((a, b) => data[0][a] - data[0][b]);
  plots.push(new uPlot(options(target, height, label, series, extra), data.map((some) => order.map((i) => some[i])), target));
}

function draw() {
  plots.splice(0).forEach((p) => p.destroy());
  curve();
  if (object.answers.length) { chances(); scores(); }
}

function bandTools() {
  for (const band of BANDS) {
    const label = made("label");
    const box = made("input");
    Object.assign(box, { type: "checkbox", checked: true, id: `band-${band}` });
    const count = object.light_curve.filter((o) => o.band === band).length;
    box.disabled = !count;
    box.addEventListener("change", () => { if (box.checked) shown.add(band); else shown.delete(band); draw(); });
    const mark = made("b", band);
    mark.style.color = style(`--${band}`);
    label.append(box, " ", mark, ` ${count}`);
    at("bands").append(label);
  }
}

function picture() {
  const [top, ...rest] = plots.map((p) => p.ctx.canvas);
  const all = [top, ...rest];
  const sheet = document.createElement("canvas");
  sheet.width = top.width;
  sheet.height = all.reduce((sum, c) => sum + c.height, 0);
  const ctx = sheet.getContext("2d");
  ctx.fillStyle = style("--sheet");
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  let y = 0;
  for (const one of all) { ctx.drawImage(one, 0, y); y += one.height; }
  const link = made("a");
  link.download = `${object.summary.survey}-${object.summary.object_id}.png`.replace(/[^A-Za-z0-9_.-]/g, "_");
  link.href = sheet.toDataURL("image/png");
  link.click();
}

addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=search], input:not([type]), select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (BANDS.includes(event.key)) at(`band-${event.key}`)?.click();
  const list = JSON.parse(sessionStorage.getItem("list") ?? "[]");
  const here = list.indexOf(location.pathname + location.search);
  const step = { j: 1, k: -1 }[event.key];
  if (step && here >= 0 && list[here + step]) location.href = list[here + step];
});

function show(found) {
  object = found;
  at("wrong").hidden = true;
  bandTools();
  draw();
  document.querySelectorAll("input[type=radio]").forEach((input) => input.addEventListener("change", draw));
  document.querySelectorAll("#versions input").forEach((input) => input.addEventListener("change", draw));
  document.querySelectorAll(".step").forEach((b) => b.addEventListener("click", () => why(+b.dataset.number)));
  at("png").addEventListener("click", picture);
  addEventListener("resize", draw);
}

async function load() {
  let found;
  try {
    found = await answered(at("tools").dataset.source);
  } catch (error) {
    at("wrong-text").textContent = `The charts are not there: ${error.message}.`;
    at("wrong").hidden = false;
    return;
  }
  show(found);
}

at("again").addEventListener("click", load);
load();
