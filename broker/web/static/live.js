// The live page listens to /events and writes what it hears: numbers and texts, never markup.
"use strict";
const AGAIN_MS = 10000;
const at = (id) => document.getElementById(id);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (n) => n.toLocaleString("en");
const seconds = (s) => (s === null ? "–" : `${s.toFixed(2)} s`);

function made(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function bar(name, count, most) {
  const item = made("li");
  const meter = made("meter");
  Object.assign(meter, { min: 0, max: most, value: count, ariaLabel: name });
  item.append(made("span", name), meter, made("span", number(count), "n"));
  return item;
}

function classes(surveys) {
  const parts = Object.entries(surveys).flatMap(([survey, some]) => {
    const list = made("ul", undefined, "bars");
    list.append(...some.map((c) => bar(c.name, c.count, some[0].count)));
    return [made("h3", survey), list];
  });
  at("classes").replaceChildren(...(parts.length ? parts : [made("p", "Nothing yet.")]));
}

let crew = "";
function workers(some) {
  if (JSON.stringify(some) === crew) return;
  crew = JSON.stringify(some);
  const items = some.map((w) => {
    const item = made("li");
    const models = w.models.join("; ") || "no answer of late from its partitions";
    item.append(made("b", w.name), ` ${w.partitions} partitions, ${w.host}`, made("br"), made("span", models, "aside"));
    return item;
  });
  at("workers").replaceChildren(...(items.length ? items : [made("li", "no worker is in the group", "none")]));
}

function models(some) {
  at("models").replaceChildren(...some.map((m) => made("li", m)));
}

function nights(some) {
  at("nights").replaceChildren(...some.map((n) => {
    const row = made("tr");
    row.append(made("td", n.night), made("td", n.topic), made("td", number(n.messages), "n"));
    return row;
  }));
}

function anomaly(a) {
  const row = made("tr");
  const name = made("th");
  const link = made("a", a.name);
  link.href = a.address;
  name.scope = "row";
  name.append(link);
  const chance = made("td");
  const meter = made("meter");
  Object.assign(meter, { min: 0, max: 1, value: a.probability, ariaLabel: `probability of ${a.best}` });
  chance.append(meter, " ", made("span", a.probability.toFixed(2), "p"));
  const numbers = [a.points, a.score.toFixed(2), a.highest.toFixed(2), a.alerts];
  row.append(made("td", a.at), name, made("td", a.nearest), made("td", a.best), chance, ...numbers.map((n) => made("td", n, "n")));
  return row;
}

let flagged = "";
function anomalies(some) {
  if (JSON.stringify(some) === flagged) return;
  flagged = JSON.stringify(some);
  at("anomalies").replaceChildren(...some.map(anomaly));
}

function axis(size, values) {
  const line = { stroke: style("--line"), width: 1 };
  return { stroke: style("--quiet"), font: "12px system-ui", grid: line, ticks: line, size, values, space: values ? 70 : 30 };
}

const clock = (_, times) => times.map((t) => new Date(1000 * t).toISOString().slice(11, 19));
const chart = at("chart");
const spark = new uPlot({
  width: chart.clientWidth - 12, height: 150, legend: { show: false }, cursor: { show: false },
  axes: [axis(28, clock), axis(64)],
  series: [{}, { stroke: style("--accent"), width: 2, fill: `${style("--accent")}22` }],
}, [[], []], chart);
addEventListener("resize", () => spark.setSize({ width: chart.clientWidth - 12, height: 150 }));

function show(news) {
  at("rate").textContent = number(news.rate);
  at("lag").textContent = number(news.lag);
  at("waited").textContent = news.waited;
  at("waited").classList.toggle("late", news.waits_long);
  at("p50").textContent = seconds(news.p50);
  at("p99").textContent = seconds(news.p99);
  at("p99").classList.toggle("late", news.p99 !== null && news.p99 > news.late);
  at("anomalies-hour").textContent = number(news.anomalies_hour);
  at("total").textContent = number(news.total);
  at("trouble").textContent = news.trouble;
  at("trouble").hidden = !news.trouble;
  classes(news.surveys);
  workers(news.workers);
  if (news.models.length) models(news.models);
  if (news.nights.length) nights(news.nights);
  anomalies(news.anomalies);
  const now = Math.floor(Date.now() / 1000);
  spark.setData([news.rates.map((_, i) => now - news.rates.length + i), news.rates]);
}

// A browser asks again by itself where a connection breaks, but not after an answer such as 503: then it is done here.
function listen() {
  const events = new EventSource("/events");
  events.onmessage = (event) => show(JSON.parse(event.data));
  events.onerror = () => {
    const refused = events.readyState === EventSource.CLOSED;
    at("trouble").textContent = `The page's server ${refused ? "takes no listener now" : "does not answer"}; it is asked again.`;
    at("trouble").hidden = false;
    if (refused) setTimeout(listen, AGAIN_MS);
  };
}
listen();
