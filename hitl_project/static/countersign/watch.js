// A ticket's page says that it is open, and learns who else looks and what others decided.
(() => {
  "use strict";
  const one = (selector, within = document) => within.querySelector(selector);
  const also = one("[data-viewing]");
  const EVERY = 20000;

  function told(leave) {
    const body = new FormData();
    body.set("csrfmiddlewaretoken", one("[name=csrfmiddlewaretoken]").value);
    body.set("state", also.dataset.state);
    if (leave) body.set("leave", "1");
    return body;
  }

  async function look() {
    if (document.visibilityState !== "visible") return;
    const answer = await fetch(also.dataset.viewing, { method: "POST", body: told() }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const now = await answer.json();
    if (also.textContent !== now.also) also.textContent = now.also;
    if (now.changed) warn(now.changed);
  }

  // Nobody answers what is not before them any more; what they wrote is kept.
  function warn(words) {
    const place = one("[data-changed]");
    if (one("span", place)?.textContent === words) return;
    const banner = one("[data-changed-banner]").content.cloneNode(true);
    one("span", banner).textContent = words;
    place.replaceChildren(banner);
    for (const form of document.querySelectorAll(".card form:has([name=version])")) {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
    }
  }

  addEventListener("countersign:look", look);
  addEventListener("pagehide", () => navigator.sendBeacon(also.dataset.viewing, told(true)));
  setInterval(look, EVERY);
  look();
})();
