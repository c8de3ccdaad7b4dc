// The desk's keyboard and the few things a page cannot do by itself. Everything works without it.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const theme = stored("adminTheme") || ""; // unfold's switch, so that both look alike
  if (theme.includes("dark")) root.classList.add("dark");
  if (theme.includes("light")) root.classList.add("light");

  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  function openReason(form, hint) {
    const box = one("[data-reason]", form);
    if (!box) return;
    box.classList.add("open");
    if (hint) one("[data-reason-hint]", box).textContent = hint;
    one("textarea", box).focus();
  }

  // What Ctrl+Enter means while typing: the answer the typing was opened for, or the form's only one.
  function send(form) {
    const button = form?.pending ?? (form?.querySelectorAll("button:not([type=button])").length === 1 && one("button:not([type=button])", form));
    button?.click();
    return Boolean(button);
  }

  function move(step) {
    const rows = all("[data-row]");
    if (!rows.length) {
      if (step > 0) one("[data-next]")?.click(); else one("[data-back]")?.click();
      return;
    }
    const at = rows.indexOf(document.activeElement);
    const to = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
    if (to >= rows.length) one("[data-more]")?.focus();
    else rows[Math.max(to, 0)].focus();
  }

  function press(key) {
    const button = one(`[data-key="${CSS.escape(key)}"]`);
    if (!button) return false;
    button.click();
    const details = button.closest("details");
    if (details && button.tagName === "SUMMARY" && details.open) one("input:not([type=hidden]), select, textarea", details)?.focus();
    return true;
  }

  let went = -Infinity; // when g was pressed: q right after it leads to the queue
  function onKey(event) {
    const typing = event.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("main textarea, main input, main select")) {
      if (send(event.target.form)) event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (typing || one("dialog[open]") || document.body?.dataset.keys === "off") return;
    const afterG = performance.now() - went < 1500;
    went = -Infinity;
    const known = {
      j: () => move(1), k: () => move(-1),
      g: () => { went = performance.now(); },
      "?": () => one("#help")?.showModal(),
      "/": () => one("[data-search]")?.focus(),
      Enter: document.activeElement === document.body && one("[data-start]") ? () => one("[data-start]").click() : null,
    }[event.key];
    if (afterG && event.key === "q") one(".brand").click();
    else if (known) known();
    else if (!/^[a-z1-9]$/.test(event.key) || !press(event.key)) return;
    event.preventDefault();
  }

  // Long values are folded. Nobody lets something through whose rest they never had before them.
  function unfold() {
    const folds = all(".fields details.rest:not([open])");
    if (!folds.length) return false;
    for (const fold of folds) fold.open = true;
    const word = folds.length === 1 ? "One long value was folded. It is" : `${folds.length} long values were folded. They are`;
    one("[data-folded]").textContent = `${word} open now: read on, then press again.`;
    folds[0].scrollIntoView({ block: "center" });
    return true;
  }

  function dock(open) {
    const card = one(".dock");
    card?.classList.toggle("open", open);
    const button = one("[data-dock]");
    if (!button) return;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Fewer answers" : "More answers";
  }

  function onClick(event) {
    const button = event.target.closest("button, summary");
    if (!button) return;
    const form = button.form;
    if (button.matches("[data-help]")) one("#help").showModal();
    else if (button.matches("[data-dock]")) dock(!button.closest(".dock").classList.contains("open"));
    else if (button.matches("[data-add-reason]")) openReason(form);
    else if (button.matches("[data-allows]") && unfold()) event.preventDefault();
    else if (button.matches("[data-needs-reason]") && !one("textarea[name=reason]", form).value.trim()) {
      event.preventDefault();
      const word = button.firstElementChild.textContent.trim();
      form.pending = button;
      openReason(form, `Say why, then press ${word}${matchMedia("(hover: hover)").matches ? " or Ctrl+Enter" : ""}.`);
    } else if (button.matches(".dock summary")) dock(true);
  }

  function onSubmit(event) {
    if (event.defaultPrevented) return;
    // A second press while the first is on its way would only meet its own vote.
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  }

  async function claim(form) {
    const answer = await fetch(location.pathname, {
      method: "POST", body: new FormData(form), headers: { "X-Desk": "1" }, redirect: "error",
    }).catch(() => null);
    if (!answer?.ok) return;
    one("[role=status]", form).textContent = await answer.text();
    one("button", form).hidden = true;
  }

  function countDown() {
    for (const time of all("[data-left]")) {
      // Counted from the server's own figure: the clock of this machine may be wrong.
      const left = Math.ceil(time.dataset.left - performance.now() / 1000);
      if (left < -1) { location.reload(); return; }
      if (left < 60) time.textContent = `${Math.max(left, 0)} s`;
    }
  }

  addEventListener("DOMContentLoaded", () => {
    const form = one("[data-claim]");
    const whenSeen = () => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", whenSeen);
      claim(form);
    };
    if (form) { document.addEventListener("visibilitychange", whenSeen); whenSeen(); }
    if (one("[data-left]")) setInterval(countDown, 1000);
    if (one(".dock details[open], .dock .error")) dock(true);
    one(location.hash === "#decision" ? "#banner, #decision" : "#banner")?.focus();
  });
  // From the first byte on: a key pressed on a button that is already there must not be lost while the rest loads.
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("click", (event) => {
    const menu = one("[data-menu][open]");
    if (menu && !menu.contains(event.target)) menu.open = false;
  });
  addEventListener("pageshow", () => { for (const form of all("form")) delete form.dataset.sent; });
})();
