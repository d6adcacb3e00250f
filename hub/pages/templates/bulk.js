// JupyterHub's admin page starts or stops all servers, or the hub, at one click. Here an administrator is asked first.
// The buttons are known by their ids, classes or labels, whichever a version of JupyterHub has.
(function () {
  const BUTTONS = { start: ["start-all", "Start All"], stop: ["stop-all", "Stop All"], shutdown: ["shutdown-button", "Shutdown Hub"] };
  const dialog = document.getElementById("bulk");
  const [title, text, failures, cancel, confirm] = ["title", "text", "failures", "cancel", "confirm"].map((part) =>
    document.getElementById("bulk-" + part),
  );
  // The list of users that the page shows: its newest request for one.
  let listed = "";
  new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) {
      const url = new URL(name, location.href);
      if (url.pathname === jhdata.base_url + "api/users") listed = url;
    }
  }).observe({ type: "resource", buffered: true });

  function actionOf(target) {
    const button = target.closest && target.closest("button, a, [role=button]");
    if (!button || dialog.contains(button)) return undefined;
    return Object.keys(BUTTONS).find((action) => {
      const [id, label] = BUTTONS[action];
      const names = [button.id, button.dataset.testid, ...button.classList];
      return names.includes(id) || button.textContent.trim() === label;
    });
  }

  async function call(method, path, body) {
    const url = path instanceof URL ? path : new URL(jhdata.base_url + "api/" + path, location.origin);
    url.searchParams.set("_xsrf", jhdata.xsrf_token);
    const headers = { "Content-Type": "application/json", Accept: "application/jupyterhub-pagination+json" };
    const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    const said = await answer.text();
    const found = said.startsWith("{") || said.startsWith("[") ? JSON.parse(said) : {};
    if (!answer.ok) throw new Error(found.message || answer.status + " " + answer.statusText);
    return found;
  }

  async function shownUsers() {
    const found = listed ? await call("GET", listed) : [];
    return (found.items || found).map((user) => user.name);
  }

  const servers = (count) => (count === 1 ? "1 server" : count + " servers");
  const path = ([user, server]) => "users/" + encodeURIComponent(user) + "/servers/" + encodeURIComponent(server);
  const price = (offer, before) => (offer.price ? before + offer.price : "");

  // What is asked: {title, text, confirm, run}, without `run` where there is nothing to do.
  const QUESTIONS = {
    async start() {
      const { start } = await call("POST", "cloudjhub/bulk", { users: await shownUsers() });
      const count = start.servers.length;
      if (!count) return { title: "Nothing to start", text: "The servers of all users on this page are running or starting, or their users cannot log in." };
      return {
        title: `Start ${servers(count)}?`,
        text: `On this page, ${count === 1 ? "one user has" : count + " users have"} no running server. Each gets a machine${price(start, ", together ")}, until it is stopped.`,
        confirm: `Start ${servers(count)}`,
        run: () => onEach(start.servers, "Starting", "started", (one) => call("POST", path(one))),
      };
    },
    async stop() {
      const { stop } = await call("POST", "cloudjhub/bulk", { users: await shownUsers() });
      const count = stop.servers.length;
      if (!count) return { title: "Nothing to stop", text: "No user on this page has a running server." };
      return {
        title: `Stop ${servers(count)}?`,
        text: `All running servers of the users on this page are stopped, even those in use${price(stop, ". They cost ")}. Saved files are kept. Variables and running programs are lost.`,
        confirm: `Stop ${servers(count)}`,
        run: () => onEach(stop.servers, "Stopping", "stopped", (one) => call("DELETE", path(one))),
      };
    },
    async shutdown() {
      const { stop } = await call("POST", "cloudjhub/bulk", {});
      const count = stop.servers.length;
      return {
        title: "Shut down the hub?",
        text: `Until it runs again, no user can log in or start a machine. The manager starts it again by itself. ${count ? servers(count)[0].toUpperCase() + servers(count).slice(1) + (count === 1 ? " keeps" : " keep") + " running" + price(stop, ", at ") + "." : "No server is running."}`,
        confirm: "Shut down the hub",
        run: async () => {
          await call("POST", "shutdown");
          show("The hub is shutting down", "This page works again once the hub does.");
        },
      };
    },
  };

  async function onEach(all, doing, done, act) {
    const failed = await forEach(all, (one) => one.filter(Boolean).join("/"), act, (left) => {
      text.textContent = `${doing}: ${all.length - left} of ${all.length}`;
    });
    if (!failed.length) return location.reload();
    show(`${all.length - failed.length} of ${servers(all.length)} ${done}`, "Not " + done + ":", failed);
    dialog.addEventListener("close", () => location.reload(), { once: true });
  }

  function show(heading, said, list = []) {
    title.textContent = heading;
    text.textContent = said;
    failures.replaceChildren(...list.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
    confirm.hidden = true;
    cancel.hidden = false;
    cancel.textContent = "Close";
  }

  async function ask(action) {
    show(BUTTONS[action][1], "Counting the servers…");
    dialog.showModal();
    try {
      const question = await QUESTIONS[action]();
      show(question.title, question.text);
      if (!question.run) return;
      [confirm.hidden, confirm.textContent, cancel.textContent] = [false, question.confirm, "Cancel"];
      confirm.onclick = async () => {
        confirm.hidden = cancel.hidden = true;
        await question.run().catch((error) => show("That did not work", error.message));
      };
    } catch (error) {
      show("That did not work", `Nothing was changed: ${error.message}. Reload this page and try again.`);
    }
  }

  // Before any listener of the page's own.
  window.addEventListener(
    "click",
    (event) => {
      const action = actionOf(event.target);
      if (!action) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(action);
    },
    true,
  );
})();
