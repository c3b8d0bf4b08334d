"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const about = JSON.parse($("about").textContent);

  /* What a browser that keeps nothing for a file refuses is not kept. */
  const memory = {
    get(key) { try { return sessionStorage.getItem(key); } catch { return null; } },
    set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* not kept */ } },
  };

  /* Elements with their text set as text: what a store holds is never read as HTML. */
  /* Pages in one place of the web share their memory, and have filters of their own. */
  const FILTERS = `filters ${location.pathname}`;
  const make = (tag, attributes = {}, ...children) => {
    const svg = ["svg", "line", "polyline", "circle", "text", "g", "title"].includes(tag);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  };
  const number = (value, digits = 1) => (Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(digits));

  const rowOf = (tag, attributes, cells) => make("tr", {}, ...cells.map((words) => make(tag, attributes, words)));

  /* Theme: of the system, until somebody chooses. */
  const themes = ["auto", "light", "dark"];
  const button = $("theme");
  const setTheme = (theme) => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    memory.set("theme", theme);
  };
  button.hidden = false;
  button.addEventListener("click", () => setTheme(themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % 3]));
  setTheme(memory.get("theme") || "auto");

  /* The numbers of a point, under the pointer and under the focus. */
  const tip = $("tip");
  const showTip = (point) => {
    const box = point.getBoundingClientRect();
    tip.textContent = point.getAttribute("aria-label");
    tip.hidden = false;
    tip.style.left = `${Math.max(8, Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
  };
  for (const point of document.querySelectorAll(".point")) {
    /* The browser's own tip would come on top of ours. */
    point.querySelector("title")?.remove();
    for (const event of ["pointerenter", "focus"]) point.addEventListener(event, () => showTip(point));
    for (const event of ["pointerleave", "blur"]) point.addEventListener(event, () => { tip.hidden = true; });
  }

  /* One stop for the tab key in each chart and each legend; arrows go on from there. */
  const rove = (box, selector) => {
    const seen = () => [...box.querySelectorAll(selector)].filter((each) => !each.closest(".line.off"));
    const stopAt = (stop) => { for (const each of box.querySelectorAll(selector)) each.tabIndex = each === stop ? 0 : -1; };
    box.addEventListener("keydown", (event) => {
      const all = seen();
      const at = all.indexOf(event.target.closest(selector));
      const moves = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
      if (at < 0 || !(event.key in moves)) return;
      event.preventDefault();
      const next = all[moves[event.key]] || all[at];
      stopAt(next);
      next.focus();
    });
    const restart = () => stopAt(seen()[0]);
    restart();
    return restart;
  };
  const restarts = new Map();
  for (const chart of document.querySelectorAll("figure .chart")) restarts.set(chart, rove(chart, ".point"));
  for (const legend of document.querySelectorAll(".legend")) rove(legend, "button");

  /* A legend entry hides its line. */
  for (const entry of document.querySelectorAll(".legend button")) {
    entry.addEventListener("click", () => {
      const shown = entry.getAttribute("aria-pressed") !== "true";
      entry.setAttribute("aria-pressed", shown);
      for (const line of entry.closest("figure").querySelectorAll(".line")) {
        if (line.dataset.line === entry.dataset.line) line.classList.toggle("off", !shown);
      }
      /* The stop must not be on a line that is hidden. */
      restarts.get(entry.closest("figure").querySelector(".chart"))();
    });
  }

  /* Filters of the map. */
  const map = $("map");
  const rows = [...map.tBodies[0].rows];
  const marks = [...map.querySelectorAll("a.m")];
  const filters = $("filters");
  filters.hidden = false;
  const stateOf = (mark) => ["running", "failed", "broken", "missing"].find((s) => mark.classList.contains(s)) || "done";
  const applyFilters = () => {
    const asked = Object.fromEntries([...new FormData(filters)].filter(([, value]) => value.trim()));
    memory.set(FILTERS, JSON.stringify(asked));
    const { state, id, ...cells } = asked;
    let count = 0;
    for (const row of rows) {
      let any = false;
      const fits = Object.entries(cells).every(([name, value]) => row.getAttribute(`data-${name}`) === value);
      for (const mark of fits ? row.querySelectorAll("a.m") : []) {
        const on = (!state || stateOf(mark) === state) && (!id || mark.hash.includes(id.trim().toLowerCase()));
        mark.classList.toggle("off", !on);
        if (on) { any = true; count += 1; }
      }
      row.hidden = !any;
    }
    $("shown").textContent = `${count.toLocaleString("en")} of ${marks.length.toLocaleString("en")} trials`;
    roam(visible()[0]);
  };

  /* One stop for the tab key; arrows go from mark to mark. */
  const visible = () => marks.filter((mark) => !mark.closest("tr").hidden && !mark.classList.contains("off"));
  let stop = null;
  const roam = (mark) => {
    if (stop) stop.tabIndex = -1;
    stop = mark || null;
    if (stop) stop.tabIndex = 0;
  };
  for (const mark of marks) mark.tabIndex = -1;
  map.addEventListener("keydown", (event) => {
    const mark = event.target.closest("a.m");
    if (!mark) return;
    const all = visible();
    const at = all.indexOf(mark);
    const under = (sign) => {
      const own = mark.getBoundingClientRect();
      const others = all.filter((m) => sign * (m.getBoundingClientRect().top - own.top) > 2);
      const next = sign > 0 ? others[0] : others.at(-1);
      if (!next) return mark;
      const line = others.filter((m) => m.closest("tr") === next.closest("tr"));
      const far = (m) => Math.abs(m.getBoundingClientRect().left - own.left);
      return line.reduce((best, m) => (far(m) < far(best) ? m : best));
    };
    const moves = { ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], Home: () => all[0], End: () => all.at(-1), ArrowDown: () => under(1), ArrowUp: () => under(-1) };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = moves[event.key]() || mark;
    roam(next);
    next.focus();
  });
  for (const [name, value] of Object.entries(JSON.parse(memory.get(FILTERS) || "{}"))) {
    if (filters.elements[name]) filters.elements[name].value = value;
  }
  filters.addEventListener("input", applyFilters);
  filters.addEventListener("reset", () => setTimeout(applyFilters));
  filters.addEventListener("submit", (event) => event.preventDefault());
  applyFilters();

  /* Trials: a task's chunk is unpacked when the first of its trials is looked at. */
  const unpacked = new Map();
  const unpack = (task) => {
    if (!unpacked.has(task)) {
      const packed = [...document.querySelectorAll("script[data-task]")].find((s) => s.dataset.task === task).textContent;
      const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(task, new Response(stream).json());
    }
    return unpacked.get(task);
  };
  const byHash = new Map(marks.map((mark) => [mark.hash, mark]));
  const taskOf = (mark) => map.tHead.rows[0].cells[mark.closest("td").cellIndex].textContent;

  const pairs = (values) => make("dl", { class: "origin" }, ...Object.entries(values).flatMap(([name, value]) =>
    [make("dt", {}, name), make("dd", {}, typeof value === "number" ? String(Number(value.toPrecision(8))) : String(value))]));

  /* Score and loss of a trial over its steps, each on its own scale. */
  const curve = (history) => {
    if (history.length < 2) return null;
    const [width, height, left, bottom, top] = [460, 200, 34, 26, 10];
    const last = history.at(-1).step || 1;
    const x = (step) => left + (step / last) * (width - left - 12);
    const svg = make("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Score and training loss by step" });
    const axes = make("g", { class: "axes" });
    const y = (share) => top + (1 - share) * (height - top - bottom);
    for (const tick of [0, 25, 50, 75, 100]) axes.append(make("line", { x1: left, x2: width - 12, y1: y(tick / 100), y2: y(tick / 100) }), make("text", { x: left - 6, y: y(tick / 100) + 3.5, "text-anchor": "end" }, String(tick)));
    for (const row of [history[0], history.at(-1)]) axes.append(make("text", { x: x(row.step), y: height - 8, "text-anchor": "middle" }, String(row.step)));
    svg.append(axes);
    const losses = history.filter((row) => Number.isFinite(row.train_loss));
    const most = Math.max(...losses.map((row) => row.train_loss), 1e-9);
    const lines = [["look0", history, (row) => row.score / 100, (row) => `step ${row.step}: score ${number(row.score)}`]];
    if (losses.length) lines.push(["look2", losses, (row) => row.train_loss / most, (row) => `step ${row.step}: loss ${number(row.train_loss, 3)}`]);
    for (const [look, told, share, words] of lines) {
      const line = make("g", { class: `line ${look}` });
      line.append(make("polyline", { points: told.map((row) => `${x(row.step)},${y(share(row))}`).join(" ") }));
      for (const row of told) line.append(make("g", { class: "point", transform: `translate(${x(row.step)} ${y(share(row))})` }, make("title", {}, words(row)), make("circle", { r: 4 })));
      svg.append(line);
    }
    const note = losses.length ? `Green: score, 0 to 100. Orange: training loss, 0 to ${number(most, 2)}.` : "Score, 0 to 100.";
    const head = rowOf("th", { scope: "col" }, ["Step", "Score", "Training loss"]);
    const told = history.map((row) => rowOf("td", {}, [String(row.step), number(row.score), Number.isFinite(row.train_loss) ? number(row.train_loss, 3) : "-"]));
    const numbers = make("table", { class: "numbers" }, make("thead", {}, head), make("tbody", {}, ...told));
    return make("div", {}, svg, make("p", { class: "quiet" }, note), make("details", { id: "points" }, make("summary", {}, "As numbers"), numbers));
  };

  const answers = (chunk, trial) => {
    const exam = chunk.exams[trial.exam] || [];
    const all = exam.map(([input, target], i) => ({ input, target, answer: chunk.answers[trial.answers[i]] }));
    const wrong = all.filter((row) => row.answer !== row.target);
    const list = make("ul", { class: "answers" });
    const toggle = make("button", { type: "button", "aria-pressed": "true" });
    const show = () => {
      const only = toggle.getAttribute("aria-pressed") === "true";
      toggle.textContent = only ? "Show all answers" : "Show errors only";
      list.replaceChildren(...(only ? wrong : all).map((row) => make("li", { class: row.answer === row.target ? "right" : "wrong" },
        make("p", {}, row.input),
        make("p", {}, make("em", {}, row.answer || "(nothing)"), row.answer === row.target ? " ✓" : make("span", { class: "quiet" }, ` ✗ wanted ${row.target}`)))));
    };
    toggle.addEventListener("click", () => { toggle.setAttribute("aria-pressed", toggle.getAttribute("aria-pressed") !== "true"); show(); });
    show();
    const part = trial.examples > all.length ? ` Of ${number(trial.examples)} examples, the page has the first ${about.examples}.` : "";
    return make("section", {}, make("h3", {}, "Answers"),
      make("p", { class: "quiet", id: "errors" }, `${number(wrong.length)} of ${number(all.length)} answers are not their target, letter by letter.${part}`), toggle, list);
  };

  /* What each prompt token is near to, tokens that share those pieces first. */
  const nearness = (chunk, trial) => {
    const words = trial.near.map(([, , ...pieces]) => pieces.map((piece) => chunk.pieces[piece]));
    const clusters = new Map();
    trial.near.forEach(([, cluster], at) => clusters.set(cluster, [...(clusters.get(cluster) || []), at]));
    const shared = [...clusters.values()].filter((tokens) => tokens.length > 1);
    const most = (tokens) => {
      const counts = new Map();
      for (const word of tokens.flatMap((at) => words[at])) counts.set(word, (counts.get(word) || 0) + 1);
      return [...counts].sort(([, a], [, b]) => b - a).slice(0, 5).map(([word]) => word).join(" ");
    };
    const list = make("ul", { class: "clusters" }, ...shared.map((tokens) => make("li", {}, `Tokens ${tokens.join(", ")} share: `, make("b", {}, most(tokens)))));
    const head = make("thead", {}, rowOf("th", { scope: "col" }, ["Token", "Nearest pieces", "Cosine"]));
    const body = make("tbody", {}, ...trial.near.map(([cosine], at) => make("tr", {}, make("th", { scope: "row" }, String(at)), make("td", {}, words[at].join(" ")), make("td", {}, number(cosine, 2)))));
    const part = trial.tokens > trial.near.length ? ` Of ${number(trial.tokens)} tokens, the page has the first ${trial.near.length}.` : "";
    return make("section", { id: "near" }, make("h3", {}, "What the prompt is near to"),
      make("p", { class: "quiet" }, `The pieces of the frozen vocabulary nearest to each prompt token by cosine, nearest first, with the cosine of the first; ▁ begins a word.${part}`),
      shared.length ? list : null, make("div", { class: "scroll", tabindex: "0" }, make("table", { class: "numbers near" }, head, body)));
  };

  const dialog = $("trial");
  let opener = null;
  const content = (id, chunk, mark) => {
    const trial = chunk.trials[id];
    const all = visible();
    const at = all.indexOf(mark);
    const go = (words, other) => {
      const node = make("button", { type: "button" }, words);
      node.disabled = !other;
      node.addEventListener("click", () => { location.replace(other.hash); });
      return node;
    };
    const close = make("button", { type: "button", autofocus: "" }, "Close");
    close.addEventListener("click", () => dialog.close());
    const title = `${mark.closest("tr").cells[0].textContent} · ${taskOf(mark)} · ${mark.title.split(":")[0]}`;
    const order = ["score", "chance", "majority"];
    const metrics = Object.entries(trial.metrics).sort(([a], [b]) => (order.indexOf(a) + 9) % 9 - (order.indexOf(b) + 9) % 9);
    const body = make("div", { class: "trial-body" });
    if (Object.keys(trial.why).length) body.append(make("div", { class: "notes" }, pairs(trial.why)));
    if (trial.state === "missing") body.append(make("p", {}, stateOf(mark) === "running" ? "This trial is under way." : "This trial has not been run."));
    if (metrics.length) body.append(make("ul", { class: "cards" }, ...metrics.map(([name, value]) => make("li", {}, make("b", {}, number(value, name.includes("loss") || name === "invalid" ? 3 : 1)), name.replaceAll("_", " ")))));
    const drawn = curve(trial.history);
    if (drawn) body.append(make("h3", {}, "While it trained"), drawn);
    body.append(make("h3", {}, "Config"), pairs({ trial_id: id, ...trial.config }));
    if (trial.answers.length) body.append(answers(chunk, trial));
    if (trial.near.length) body.append(nearness(chunk, trial));
    if (Object.keys(trial.origin).length) body.append(make("h3", {}, "Origin"), pairs({ ...trial.origin, files: `trials/${id.slice(0, 2)}/${id}/${trial.origin.attempt}/` }));
    const head = make("div", { class: "trial-head" }, make("h2", { id: "trial-title" }, title), go("‹ Previous", all[at - 1]), go("Next ›", all[at + 1]), close);
    return [head, body];
  };
  const openTrial = async () => {
    const mark = byHash.get(location.hash);
    if (!mark) { if (dialog.open) dialog.close(); return; }
    const id = location.hash.slice("#trial-".length);
    const chunk = await unpack(taskOf(mark));
    /* Another trial may have been asked for while this one was unpacked. */
    if (byHash.get(location.hash) !== mark) return;
    dialog.replaceChildren(...content(id, chunk, mark));
    opener = mark;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    dialog.dataset.trial = id;
  };
  dialog.addEventListener("close", () => {
    delete dialog.dataset.trial;
    history.replaceState(null, "", location.pathname + location.search);
    if (opener && !opener.closest("tr").hidden) { roam(opener); opener.focus(); }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  addEventListener("hashchange", openTrial);
  openTrial();

  /* A page of a running sweep looks for a newer one, but not under somebody's hands. */
  const seconds = Number(document.body.dataset.refresh), REST = 60000;
  let touched = -Infinity;
  for (const type of ["keydown", "pointerdown", "pointermove", "wheel"]) addEventListener(type, () => { touched = performance.now(); }, { passive: true });
  if (seconds) setInterval(() => {
    const busy = dialog.open || filters.contains(document.activeElement) || performance.now() - touched < REST;
    if (!busy) location.reload();
  }, seconds * 1000);
})();
