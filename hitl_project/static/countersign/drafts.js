// What somebody has begun to write on a ticket stays in this tab until it is sent.
(() => {
  "use strict";
  const kept = (act) => { try { return act(sessionStorage); } catch { return null; } };
  for (const field of document.querySelectorAll("main textarea[id]")) {
    const key = `draft:${location.pathname}#${field.id}`;
    const begun = kept((store) => store.getItem(key));
    if (begun && !field.value) {
      field.value = begun;
      field.closest("[data-reason]")?.classList.add("open");
      const details = field.closest("details");
      if (details) details.open = true;
    }
    field.addEventListener("input", () => kept((store) => (field.value ? store.setItem(key, field.value) : store.removeItem(key))));
    field.form?.addEventListener("submit", (event) => { if (!event.defaultPrevented) kept((store) => store.removeItem(key)); });
  }
})();
