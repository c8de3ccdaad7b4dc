// What the queue does beyond links and forms: choosing with x, the bar of the chosen, news.
(() => {
  "use strict";
  const one = (selector, within = document) => within.querySelector(selector);
  const form = one("[data-bulk]");
  const bar = one("[data-bulk-bar]");
  const boxes = form ? [...form.querySelectorAll("input[name=ticket]")] : [];

  function count() {
    const chosen = boxes.filter((box) => box.checked);
    const together = chosen.filter((box) => "together" in box.dataset).length;
    if (!bar) return;
    bar.hidden = !chosen.length;
    const words = `${chosen.length} selected, ${together} can be approved together, `
      + `${chosen.length - together} need${chosen.length - together === 1 ? "s" : ""} single review`;
    const said = one("[data-bulk-words]");
    if (said.textContent !== words) said.textContent = words;
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Escape") { closePicks(null); return; }
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select") || one("dialog[open]")) return;
    if (document.body.dataset.keys === "off" || event.key !== "x") return;
    const row = document.activeElement?.closest(".row");
    const box = row && one("input[name=ticket]", row);
    if (!box) return;
    box.checked = !box.checked;
    count();
    event.preventDefault();
  }

  function closePicks(target) {
    for (const pick of document.querySelectorAll("[data-pick][open]")) {
      if (target && pick.contains(target)) continue;
      pick.open = false;
      if (!target && pick.contains(document.activeElement)) one("summary", pick).focus();
    }
  }

  // Rows stay where they are; what came since is only told, and shown when somebody asks for it.
  const news = one("[data-arrivals]");
  async function look() {
    if (document.visibilityState !== "visible") return;
    const answer = await fetch(news.dataset.arrivals, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const told = await answer.json();
    document.title = document.title.replace(/^\(\d+\+?\) /, "");
    if (!told.new) { news.replaceChildren(); return; }
    const many = told.new > 98 ? "99+" : told.new;
    const link = document.createElement("a");
    link.href = told.link;
    link.textContent = `${many} new · show ${told.new === 1 ? "it" : "them"}`;
    if (news.textContent !== link.textContent) news.replaceChildren(link);
    document.title = `(${many}) ${document.title}`;
  }

  if (form) {
    form.addEventListener("change", count);
    form.addEventListener("reset", () => setTimeout(count));
    addEventListener("pageshow", count);
    count();
  }
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => closePicks(event.target));
  if (news) setInterval(look, 15000);
  addEventListener("countersign:look", look);
})();
