// Tells the page when to look again: at each hint from the socket, else every 15 seconds.
(() => {
  "use strict";
  const mark = document.querySelector("[data-live]");
  if (!mark) return;
  let socket;
  let seq = ""; // the latest thing heard of; what came after it is told after a break
  let wait = 1;
  let timer;
  let due;
  let last = 0;

  function look() {
    due = undefined;
    last = performance.now();
    dispatchEvent(new Event("countersign:look"));
  }

  // Many changes are one look, and not everybody looks at the same instant.
  function soon() {
    due ??= setTimeout(look, Math.max(50 + Math.random() * 200, last + 1500 - performance.now()));
  }

  function show(live) {
    mark.textContent = live ? "live" : "every 15 s";
    mark.classList.toggle("on", live);
    clearInterval(timer);
    timer = setInterval(soon, live ? 60000 : 15000);
  }

  function connect() {
    const address = new URL(mark.dataset.live, location.href);
    address.protocol = location.protocol.replace("http", "ws");
    if (seq) address.searchParams.set("after", seq);
    const mine = socket = new WebSocket(address);
    mine.onmessage = ({ data }) => {
      const hint = data === "pong" ? {} : JSON.parse(data);
      if (hint.seq > seq) seq = hint.seq;
      if (hint.type === "hello") { wait = 1; show(true); } else if (hint.type) soon();
    };
    mine.onclose = () => {
      if (mine !== socket) return;
      show(false);
      setTimeout(connect, wait * (500 + Math.random() * 1000));
      wait = Math.min(wait * 2, 60);
    };
  }

  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") soon(); });
  // A page that is kept for the way back must not keep its socket.
  addEventListener("pagehide", () => { const mine = socket; socket = undefined; mine?.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { connect(); soon(); } });
  show(false);
  connect();
})();
