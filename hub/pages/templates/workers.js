// The Machines page: shows what was chosen without a reload, keeps the table as it is in the hub, and acts on machines.
(function () {
  const EVERY = 10000;
  const form = document.getElementById("machines-choice");
  const table = document.getElementById("machines-table");
  const problem = document.getElementById("machines-problem");
  const dialog = document.getElementById("ask");
  const chosen = new Set();
  const open = new Map();
  let shown = table.innerHTML;
  let newest = 0;
  let page = Number(new URL(location).searchParams.get("page")) || 1;

  const rows = () => [...table.querySelectorAll("tr[data-worker]")];
  const keyOf = (row) => row.dataset.worker;

  function address(path) {
    const url = new URL(jhdata.base_url + path, location.origin);
    for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
    if (page > 1) url.searchParams.set("page", page);
    return url;
  }

  function say(text) {
    problem.textContent = text;
    problem.hidden = !text;
  }

  async function refresh() {
    const mine = ++newest;
    try {
      // The browser asks whether the table has changed, and gets it only then.
      const answer = await fetch(address("workers/table"), { cache: "no-cache" });
      if (answer.status === 403 || answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.status + " " + answer.statusText);
      const html = await answer.text();
      if (mine !== newest) return;
      say("");
      if (html !== shown) show(html);
    } catch (error) {
      if (mine === newest) say("The hub does not answer (" + error.message + "). What you see is from " + new Date(loaded).toLocaleTimeString() + ". This page tries again by itself.");
    }
  }

  let loaded = Date.now();
  function show(html) {
    const focused = document.activeElement;
    const row = focused.closest && focused.closest("tr[data-worker]");
    const place = table.contains(focused) && [row && keyOf(row), focused.dataset.act || focused.dataset.state || focused.dataset.page || focused.id || focused.type];
    table.innerHTML = shown = html;
    loaded = Date.now();
    for (const one of rows()) if (open.has(keyOf(one))) unfold(one, open.get(keyOf(one)));
    mark();
    showTimes();
    if (!place) return;
    const within = place[0] ? rows().find((one) => keyOf(one) === place[0]) : table;
    const same = within && [...within.querySelectorAll("button, input, a")].find((one) => [one.dataset.act, one.dataset.state, one.dataset.page, one.id, one.type].includes(place[1]));
    if (same) same.focus();
  }

  function mark() {
    for (const row of rows()) {
      const box = row.querySelector("[data-select]");
      if (box) box.checked = chosen.has(keyOf(row));
    }
    const count = document.getElementById("chosen-count");
    if (!count) return;
    count.textContent = chosen.size ? chosen.size + " selected" : "None selected";
    for (const button of table.querySelectorAll("[data-many]")) button.disabled = !fitting(button.dataset.many).length;
  }

  const fitting = (action) => rows().filter((row) => chosen.has(keyOf(row)) && (row.dataset.active === "1") === (action === "stop"));

  function unfold(row, html) {
    const line = document.createElement("tr");
    line.className = "history";
    const cell = line.insertCell();
    cell.colSpan = row.cells.length;
    cell.innerHTML = html;
    row.after(line);
    row.querySelector("[data-act=history]").setAttribute("aria-expanded", "true");
  }

  async function history(row, button) {
    if (open.delete(keyOf(row))) {
      if (row.nextElementSibling.className === "history") row.nextElementSibling.remove();
      return button.setAttribute("aria-expanded", "false");
    }
    const url = new URL(jhdata.base_url + "workers/history", location.origin);
    url.searchParams.set("worker", keyOf(row));
    const answer = await fetch(url);
    const html = answer.ok ? await answer.text() : "The history cannot be read just now. Try again in a minute.";
    open.set(keyOf(row), html);
    unfold(row, html);
    showTimes();
  }

  function price(some) {
    const known = some.map((row) => Number(row.dataset.price) || 0);
    const dollars = known.reduce((sum, one) => sum + one, 0);
    if (!dollars) return "";
    const amount = dollars < 1 ? Math.round(dollars * 1000) / 10 + " ¢" : "$" + dollars.toFixed(2);
    return (known.every(Boolean) ? "about " : "more than ") + amount + " an hour";
  }

  function ask(action, some) {
    const machines = some.length === 1 ? keyOf(some[0]) : some.length + " machines";
    const [title, text, yes] = dialog.querySelectorAll("#ask-title, #ask-text, #ask-yes");
    const cost = price(some);
    title.textContent = action === "start" ? `Start ${machines}?` : `Stop ${machines}?`;
    text.textContent =
      action === "start"
        ? "Started machines run until they are stopped, by a user or because they are idle." + (cost ? " Price: " + cost + "." : "")
        : "Even what is in use is stopped. Saved files are kept. Variables and running programs are lost." + (cost ? " This saves " + cost + "." : "");
    yes.textContent = title.textContent.slice(0, -1);
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
  }

  async function act(action, some) {
    if (!some.length || !(await ask(action, some))) return;
    const failed = await forEach(some, keyOf, async (row) => {
      const [user, server] = keyOf(row).split("/");
      const path = "users/" + encodeURIComponent(user) + (server ? "/servers/" + encodeURIComponent(server) : "/server");
      const answer = await fetch(hubApi(path), { method: action === "start" ? "POST" : "DELETE" });
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message || answer.statusText);
      chosen.delete(keyOf(row));
    });
    await refresh();
    if (failed.length) say("Not done: " + failed.join("; "));
  }

  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { state, page: wanted, act: action, many } = button.dataset;
    if (state !== undefined) {
      form.elements.state.value = state;
      choose();
    } else if (wanted) {
      page = Number(wanted);
      follow();
    } else if (many) {
      act(many, fitting(many));
    } else if (action === "history") {
      history(button.closest("tr"), button);
    } else if (action) {
      act(action, [button.closest("tr")]);
    }
  });
  table.addEventListener("change", (event) => {
    if (event.target.id === "all") {
      for (const row of rows()) chosen[event.target.checked ? "add" : "delete"](keyOf(row));
    } else if ("select" in event.target.dataset) {
      const key = keyOf(event.target.closest("tr"));
      chosen[event.target.checked ? "add" : "delete"](key);
    }
    mark();
  });

  function follow() {
    remember(address("workers"));
    refresh();
  }
  function choose() {
    page = 1;
    follow();
  }
  const remember = (url) => window.history.replaceState(null, "", url);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    choose();
  });
  form.addEventListener("change", choose);
  let typing;
  form.elements.search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(choose, 250);
  });
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(() => document.hidden || refresh(), EVERY);
})();
