// Keeps the cards as they are in the hub: asks whether something changed while something is changing, and then shows it.
(function () {
  const [SHORTEST, LONGEST] = [2000, 30000];
  const machines = () => document.getElementById("machines");
  let pause = SHORTEST;
  let timer;

  // `server` is the one whose button was pressed, and `action` what that did.
  async function refresh(server, action) {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const shown = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("machines");
    if (!shown) return;
    for (const open of machines().querySelectorAll("details[open]")) {
      const same = [...shown.querySelectorAll("details")].find((one) => one.id === open.id);
      if (same) same.open = true;
    }
    const focused = document.activeElement.closest("[data-server]");
    const name = focused ? focused.dataset.server : server;
    machines().replaceWith(shown);
    showTimes();
    const same = [...shown.querySelectorAll("[data-server]")].find((one) => one.dataset.server === name);
    const button = same && (same.querySelector(`[data-action=${action}]`) || same.querySelector("a, button:not(:disabled)"));
    if (button) button.focus();
    document.getElementById("machines-status").textContent = [...shown.querySelectorAll("[data-headline], [data-kept]")].map((one) => one.textContent).join(". ");
  }

  async function check() {
    clearTimeout(timer);
    try {
      const answer = await fetch(hubApi("cloudjhub/live"), { cache: "no-store" });
      if (!answer.ok) return;
      const { version, changing } = await answer.json();
      if (version !== machines().dataset.version) {
        pause = SHORTEST;
        await refresh();
      }
      if (!changing) return;
    } catch (error) {
      console.log("the hub does not answer", error);
    }
    timer = setTimeout(check, pause);
    pause = Math.min(pause * 1.5, LONGEST);
  }

  async function act(button) {
    const { action } = button.dataset;
    const { server } = button.parentElement.dataset;
    if (action === "delete" && !window.confirm(`Delete ${server}?`)) return;
    const problem = document.getElementById("machines-problem");
    problem.hidden = button.disabled = true;
    const path = "users/" + encodeURIComponent(USER) + (server ? "/servers/" + encodeURIComponent(server) : "/server");
    try {
      const body = action === "delete" ? JSON.stringify({ remove: true }) : undefined;
      const answer = await fetch(hubApi(path), { method: "DELETE", body });
      if (!answer.ok) throw new Error((await answer.json()).message);
      await refresh(server);
      pause = SHORTEST;
      check();
    } catch (error) {
      button.disabled = false;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  // Is confirmed once the machine's record says so, which the cards then show; refused by what the administrator allows.
  async function keep(button) {
    const { server } = button.parentElement.dataset;
    const problem = document.getElementById("machines-problem");
    problem.hidden = button.disabled = true;
    try {
      const answer = await fetch(hubApi("cloudjhub/keep"), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ server, seconds: Number(button.dataset.seconds) }),
      });
      const said = await answer.json();
      if (said.kept_until === undefined) throw new Error(said.message);
      await refresh(server, button.dataset.action);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      button.disabled = false;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#machines [data-action]");
    if (button) (button.dataset.action === "keep" ? keep : act)(button);
  });
  document.addEventListener("visibilitychange", () => document.hidden || check());
  const form = document.getElementById("add-machine");
  if (form) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.assign(jhdata.base_url + ["spawn", USER, form.elements["machine-name"].value].map(encodeURIComponent).join("/"));
    });
  }
  check();
})();
