// The console's one script. Every page works without it: it adds local and relative times, copy
// buttons, keys, filters that apply themselves, the palette, and pages that follow what happens.
// It has no dependency and asks nobody but the server that it came from.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, ...fields) => Object.assign(document.createElement(name), ...fields);
  root.classList.add("script");

  // Times: the server writes UTC; here they become local, with the zone one hover away.
  const zone = (() => {
    const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "shortOffset" }).formatToParts(new Date());
    return parts.find((part) => part.type === "timeZoneName").value.replace("GMT", "UTC");
  })();
  const two = (n) => String(n).padStart(2, "0");
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const minute = (at) => `${day(at)} ${two(at.getHours())}:${two(at.getMinutes())}`;
  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const full = (at) => `${day(at)} ${clock(at)}.${String(at.getMilliseconds()).padStart(3, "0")} ${zone}`;
  const length = (s) => {
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} d`;
  };
  const ago = (at, now) => length(Math.max(0, Math.round((now - at) / 1000)));
  const since = (at, now) => (at > now ? `in ${length(Math.round((at - now) / 1000))}` : `${ago(at, now)} ago`);
  const show = { ago, clock, day, full, minute, since };

  const paint = () => {
    const now = new Date();
    for (const time of all("time[data-show]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = `${full(at)} · ${at.toISOString().replace("T", " ").replace("Z", " UTC")}`;
      const text = show[time.dataset.show](at, now);
      if (time.textContent !== text) time.textContent = text;
    }
    for (const label of all("text[data-time]:not([data-time=''])")) {
      const at = new Date(label.dataset.time);
      label.textContent = `${two(at.getHours())}:${two(at.getMinutes())}`;
    }
    for (const node of all("[data-zone]")) node.textContent = zone;
  };
  paint();
  setInterval(() => document.hidden || paint(), 5000);

  // Copy: the button names what it copies and says when it did.
  const say = (textContent) => {
    all(".toast").forEach((old) => old.remove());
    const note = make("p", { className: "toast", textContent, role: "status" });
    document.body.append(note);
    setTimeout(() => note.remove(), 1800);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Plain http to another machine has no clipboard interface: use the older way.
      const field = make("textarea", { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say("Copied");
  };

  const dialog = (id) => document.getElementById(id);
  const open = (id) => dialog(id)?.open || dialog(id)?.showModal();
  const closeMenus = (inside) => {
    for (const menu of all("details.who[open]")) if (!inside || !menu.contains(inside)) menu.open = false;
  };
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-copy], [data-open], [data-pause]");
    if (target?.dataset.copy) copy(target.dataset.copy);
    if (target?.dataset.open) open(target.dataset.open);
    if (target?.dataset.pause !== undefined) pause();
    if (event.target.nodeName === "DIALOG") event.target.close();
    closeMenus(event.target);
  });

  // Filters apply themselves; an empty field stays out of the address.
  for (const form of all("form.filters")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => {
      for (const field of all("input, select", form)) field.disabled = !field.value;
    });
  }
  addEventListener("pageshow", () => all("form.filters :disabled").forEach((field) => { field.disabled = false; }));

  // Live pages: the stream says that something changed; then the page's own address is loaded again
  // and what differs is moved over, so rows, focus, selection and open disclosures stay as they are.
  const morph = (old, next) => {
    if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) return old.replaceWith(next);
    if (old.nodeType !== 1) return void (old.data !== next.data && (old.data = next.data));
    if (old.dataset.still !== undefined || (old.nodeName === "FORM" && old.contains(document.activeElement))) return;
    if (old.nodeName === "TIME" && old.getAttribute("datetime") === next.getAttribute("datetime")) return;
    for (const { name } of [...old.attributes]) if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const keyed = new Map(all(":scope > [data-key]", old).map((child) => [child.dataset.key, child]));
    const nodes = keyed.size ? "children" : "childNodes"; // between rows there are only blanks
    const wanted = [...next[nodes]];
    const kept = new Set(wanted.map((node) => node.dataset?.key));
    for (const [key, gone] of keyed) if (!kept.has(key)) gone.remove();
    let at = old[nodes][0];
    const after = (node) => (keyed.size ? node.nextElementSibling : node.nextSibling);
    for (const fresh of wanted) {
      const key = fresh.dataset?.key;
      const match = key ? keyed.get(key) : at;
      if (!match) {
        if (keyed.size) fresh.classList.add("fresh");
        old.insertBefore(fresh, at);
      } else {
        if (match === at) at = after(at);
        else old.insertBefore(match, at);
        morph(match, fresh);
      }
    }
    while (at) {
      const gone = at;
      at = after(at);
      gone.remove();
    }
  };

  const live = document.querySelector("[data-live]");
  const LOST_MS = 10000;
  let source, mark = live?.dataset.after, paused = false, over = false, loading = false, again = false, heard = 0, tries = 0, retry = 0;
  const tell = (kind, words) => {
    const state = live.querySelector(".state");
    if (state.textContent === words) return;
    state.className = `state ${kind}`;
    state.textContent = words;
    live.dataset.state = kind;
  };
  const end = () => {
    over = true;
    stop();
    tell("bad", "signed out: load the page again");
  };
  const load = async () => {
    if (loading) return void (again = true);
    loading = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) return end();
      if (!answer.ok) throw new Error(answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (paused) return void (mark = ""); // going on starts with this page
      const main = document.querySelector("main");
      for (const menu of all("details[open]", next)) menu.removeAttribute("open");
      morph(main, document.adoptNode(next.querySelector("main")));
      document.title = next.title;
      paint();
    } catch {
      mark = "";
      lose();
    } finally {
      loading = false;
      if (again) {
        again = false;
        setTimeout(load, 1000); // a busy page is drawn once a second
      }
    }
  };
  const stop = () => {
    clearTimeout(retry);
    source?.close();
    source = undefined;
  };
  const lose = () => {
    if (over || paused || document.hidden) return;
    stop();
    tell("warn", "live updates lost, retrying…");
    retry = setTimeout(listen, Math.min(15000, 500 * 2 ** tries++));
  };
  const listen = () => {
    stop();
    if (over || paused || document.hidden) return;
    heard = Date.now();
    source = new EventSource(`${live.dataset.live}?after=${encodeURIComponent(mark)}`);
    source.addEventListener("error", lose);
    source.addEventListener("ended", end);
    source.addEventListener("changed", (event) => {
      heard = Date.now();
      mark = event.lastEventId;
      load();
    });
    source.addEventListener("beat", (event) => {
      heard = Date.now();
      tries = 0;
      const age = JSON.parse(event.data).age_s;
      if (age > 5) tell("warn", `stale, as of ${length(Math.round(age))} ago`);
      else tell("good", "live");
    });
  };
  const pause = () => {
    const button = live?.querySelector("[data-pause]");
    if (!button || over) return;
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    button.textContent = paused ? "go on" : "pause";
    if (!paused) return listen();
    stop();
    tell("info", "paused");
  };
  if (live) {
    listen();
    document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
    addEventListener("pagehide", stop);
    addEventListener("pageshow", (event) => event.persisted && listen());
    setInterval(() => source && Date.now() - heard > LOST_MS && lose(), 2000);
  }

  // Charts that share a time axis share a crosshair; each says its numbers at that moment.
  const cross = (event) => {
    const here = event.target.closest?.(".bars[data-cross]:not([data-cross=''])");
    if (!here) return all(".cross, .readout").forEach((node) => node.remove());
    const box = here.querySelector("svg").getBoundingClientRect();
    const share = Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width));
    for (const chart of all(`.bars[data-cross="${CSS.escape(here.dataset.cross)}"]`)) {
      const svg = chart.querySelector("svg");
      const titles = all(".bin > title", svg);
      const at = Math.floor(share * titles.length);
      const line = chart.querySelector(".cross") ?? chart.appendChild(make("i", { className: "cross" }));
      const text = chart.querySelector(".readout") ?? chart.appendChild(make("p", { className: "readout" }));
      line.style.left = `${svg.getBoundingClientRect().left - chart.getBoundingClientRect().left + ((at + 0.5) / titles.length) * svg.clientWidth}px`;
      text.textContent = titles[at]?.textContent ?? "";
    }
  };
  if (document.querySelector("[data-cross]")) document.addEventListener("pointermove", cross);

  // The palette: what the search form finds, while one types.
  const palette = dialog("palette");
  const wanted = palette?.querySelector("input");
  const hits = palette?.querySelector("ul");
  let asked = 0, chosen = 0;
  const choose = (by) => {
    const options = all("[role=option]", hits);
    chosen = options.length && (chosen + by + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", i === chosen));
    wanted.setAttribute("aria-activedescendant", options[chosen]?.id ?? "");
    options[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const look = async () => {
    const turn = ++asked;
    let found;
    try {
      found = await (await fetch(`/console/find.json?q=${encodeURIComponent(wanted.value)}`)).json();
    } catch {
      found = { hits: [], problem: "The server does not answer." };
    }
    if (turn !== asked) return;
    const items = (found.hits ?? []).map((hit, i) => {
      const item = make("li", { id: `hit-${i}`, role: "option" });
      const link = make("a", { href: hit.href, tabIndex: -1 });
      link.append(make("span", { className: "soft", textContent: hit.kind }), make("b", { textContent: hit.name }), make("small", { textContent: hit.note }));
      item.append(link);
      return item;
    });
    const nothing = make("li", { className: "soft", role: "option", textContent: found.problem ?? "Nothing has that name or id." });
    nothing.setAttribute("aria-disabled", true);
    hits.replaceChildren(...(items.length ? items : [nothing]));
    chosen = 0;
    choose(0);
  };
  wanted?.addEventListener("input", () => {
    const turn = ++asked;
    setTimeout(() => turn === asked && look(), 120);
  });
  wanted?.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) choose(by);
    const link = event.key === "Enter" && hits.querySelector("[aria-selected=true] a");
    if (link) location.assign(link.href);
    if (by || link) event.preventDefault();
  });

  // Keys.
  const rows = () => all("tbody tr a[data-row]").filter((row) => row.offsetParent);
  const current = () => document.activeElement?.closest("tr")?.querySelector("a[data-row]");
  const step = (by) => {
    const list = rows();
    const next = list[Math.min(list.length - 1, Math.max(0, list.indexOf(current()) + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  const act = {
    "/": () => dialog("find")?.focus(),
    "?": () => open("keys"),
    g: () => { going = Date.now(); },
    j: () => step(1),
    k: () => step(-1),
    c: () => current() && copy(current().dataset.row || current().title),
    p: () => pause(),
  };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
      event.preventDefault();
      if (palette.open) return palette.close();
      open("palette");
      wanted.select();
      return look();
    }
    if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      closeMenus();
      return document.activeElement?.blur();
    }
    if (event.target.closest("input, select, textarea")) return;
    if (Date.now() - going < 1200) {
      going = 0;
      return document.querySelector(`a[data-letter="${CSS.escape(event.key)}"]`)?.click();
    }
    const arrow = event.target.closest("tr") && { ArrowDown: "j", ArrowUp: "k" }[event.key];
    const action = act[arrow || event.key];
    if (!action) return;
    action();
    event.preventDefault();
  });
})();
