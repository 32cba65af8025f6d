// The console's one script. Every page works without it: it adds local and relative times, copy
// buttons, keys, and filters that apply themselves. No dependency, no network access.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("script");

  // Times: the server writes UTC; here they become local, with the zone one hover away.
  const zone = (() => {
    const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "shortOffset" }).formatToParts(new Date());
    return parts.find((part) => part.type === "timeZoneName").value.replace("GMT", "UTC");
  })();
  const two = (n) => String(n).padStart(2, "0");
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const full = (at) => `${day(at)} ${clock(at)}.${String(at.getMilliseconds()).padStart(3, "0")} ${zone}`;
  const ago = (at, now) => {
    const s = Math.max(0, Math.round((now - at) / 1000));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} d`;
  };
  const show = { ago, clock, day, full };

  const paintTimes = () => {
    const now = new Date();
    for (const time of all("time[data-show]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title ||= `${full(at)} · ${at.toISOString().replace("T", " ").replace("Z", " UTC")}`;
      const text = show[time.dataset.show](at, now);
      if (time.textContent !== text) time.textContent = text;
    }
  };
  paintTimes();
  setInterval(() => document.hidden || paintTimes(), 5000);
  for (const label of all("text[data-time]:not([data-time=''])")) {
    const at = new Date(label.dataset.time);
    label.textContent = `${two(at.getHours())}:${two(at.getMinutes())}`;
  }
  for (const node of all("[data-zone]")) node.textContent = zone;

  // Copy: the button names what it copies and says when it did.
  const say = (text) => {
    all(".toast").forEach((old) => old.remove());
    const note = Object.assign(document.createElement("p"), { className: "toast", textContent: text });
    note.setAttribute("role", "status");
    document.body.append(note);
    setTimeout(() => note.remove(), 1800);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Plain http to another machine has no clipboard interface: use the older way.
      const field = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say("Copied");
  };

  const keys = document.getElementById("keys");
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-copy], [data-open]");
    if (target?.dataset.copy) copy(target.dataset.copy);
    if (target?.dataset.open) document.getElementById(target.dataset.open)?.showModal();
    for (const menu of all("details.who[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // Filters apply themselves; an empty field stays out of the address.
  for (const form of all("form.filters")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => {
      for (const field of all("input, select", form)) field.disabled = !field.value;
    });
  }
  addEventListener("pageshow", () => all("form.filters :disabled").forEach((field) => { field.disabled = false; }));

  // Keys.
  const rows = () => all("tbody tr a[data-row]").filter((row) => row.offsetParent);
  const step = (by) => {
    const list = rows();
    const at = list.indexOf(document.activeElement?.closest("tr")?.querySelector("a[data-row]"));
    const next = list[Math.min(list.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || keys?.open) return;
    if (event.key === "Escape") {
      for (const menu of all("details.who[open]")) menu.open = false;
      document.activeElement?.blur();
      return;
    }
    if (event.target.closest("input, select, textarea")) return;
    if (Date.now() - going < 1200) {
      going = 0;
      const link = all(`a[data-letter="${CSS.escape(event.key)}"]`)[0];
      if (link) link.click();
      return;
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "/") document.getElementById("find")?.focus();
    else if (event.key === "?") keys?.showModal();
    else if (event.key === "j" || (event.key === "ArrowDown" && event.target.closest("tr"))) step(1);
    else if (event.key === "k" || (event.key === "ArrowUp" && event.target.closest("tr"))) step(-1);
    else return;
    event.preventDefault();
  });
})();
