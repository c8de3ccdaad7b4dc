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
  const rows = new Map([...document.querySelectorAll("[data-ticket]")].map((row) => [row.dataset.ticket.split(":")[0], row]));
  async function look() {
    const address = new URL(news.dataset.arrivals, location.href);
    address.searchParams.set("rows", [...rows.values()].map((row) => row.dataset.ticket).join());
    const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const told = await answer.json();
    for (const [id, now] of Object.entries(told.rows)) mark(rows.get(id), now);
    document.title = document.title.replace(/^\(\d+\+?\) /, "");
    if (!told.new) { news.replaceChildren(); return; }
    const many = told.new > 98 ? "99+" : told.new;
    const link = document.createElement("a");
    link.href = told.link;
    link.textContent = `${many} new · show ${told.new === 1 ? "it" : "them"}`;
    if (news.textContent !== link.textContent) news.replaceChildren(link);
    document.title = `(${many}) ${document.title}`;
  }

  // A row that was decided, changed or taken meanwhile says so where it stands.
  function mark(row, now) {
    const holder = one(".row-holder", row);
    if ("holder" in now) {
      const words = now.holder ? `held by ${now.holder[1]}` : "";
      if ((one(".sr", holder)?.textContent ?? "") !== words) {
        holder.replaceChildren();
        if (now.holder) holder.append(span("face", now.holder[0], `Held by ${now.holder[1]}`), span("sr", words));
      }
    }
    const gone = now.gone && !("gone" in row.dataset);
    row.classList.toggle("gone", gone);
    const box = one("input[name=ticket]", row);
    if (box && (gone || now.changed)) {
      box.checked = false;
      box.disabled = true;
      count();
    }
    if (!gone && !now.changed) return;
    const chip = span(`chip ${now.tone}`, "");
    chip.append(one(`[data-icon=${CSS.escape(now.icon)}]`).content.cloneNode(true), now.word);
    const place = one(".row-chip", row);
    if (place.textContent.trim() !== now.word) place.replaceChildren(chip);
  }

  function span(name, text, title) {
    const made = document.createElement("span");
    made.className = name;
    made.textContent = text;
    if (title) made.title = title;
    return made;
  }

  if (form) {
    form.addEventListener("change", count);
    form.addEventListener("reset", () => setTimeout(count));
    addEventListener("pageshow", count);
    count();
  }
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => closePicks(event.target));
  if (news) addEventListener("countersign:look", look);
})();
