// Tries a failed start again by itself where that makes sense, a few times; and goes to where the user wanted to.
(function () {
  const [MOST_TRIES, FORGOTTEN_AFTER] = [5, 30 * 60 * 1000];
  const start = document.getElementById("start");
  const status = document.getElementById("failure-countdown");
  const target = new URL(start.href);
  const next = new URLSearchParams(location.search).get("next");
  if (next) target.searchParams.set("next", next);
  start.href = target;
  const pause = Number(start.dataset.retryIn);
  if (!pause) return;

  const key = "cloudjhub-tries" + target.pathname;
  const [count, at] = JSON.parse(sessionStorage.getItem(key) || "[0, 0]");
  const tries = Date.now() - at < FORGOTTEN_AFTER ? count : 0;
  if (tries >= MOST_TRIES) {
    status.textContent = `It was tried again ${tries} times by itself. You can try again at any time.`;
    return;
  }
  const until = Date.now() + pause * 1000;
  const stop = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-link", textContent: "Do not try again" });
  const countdown = document.createElement("span");
  status.append(countdown, stop);
  // Without a status that is read out each second.
  countdown.setAttribute("aria-hidden", "true");
  function show() {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (seconds > 0) return (countdown.textContent = `Trying again in ${seconds} s.`);
    clearInterval(timer);
    sessionStorage.setItem(key, JSON.stringify([tries + 1, Date.now()]));
    location.assign(target);
  }
  const timer = setInterval(show, 1000);
  show();
  stop.onclick = () => {
    clearInterval(timer);
    status.textContent = "";
  };
})();
