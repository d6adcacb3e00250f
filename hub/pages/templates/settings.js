// The Settings page: what a change would do is asked of the hub first; then it is saved, and the page is loaded again.
(function () {
  const form = document.getElementById("policy");
  const problem = document.getElementById("policy-problem");
  const outlook = document.getElementById("policy-outlook");
  const save = document.getElementById("policy-save");
  const fields = [...form.querySelectorAll("[data-field]")];

  function say(text) {
    problem.textContent = text;
    problem.hidden = !text;
    if (text) problem.scrollIntoView({ block: "nearest" });
  }

  function valueOf(field) {
    const number = field.querySelector("[data-number]");
    const unit = field.querySelector("[data-unit]");
    if (field.dataset.kind === "list") {
      return [...field.querySelectorAll("[data-option]:checked")].map((box) => box.dataset.option);
    }
    if (field.dataset.kind === "choice") return field.querySelector("[data-choice]").value === "1";
    if (unit && unit.value === "") return null;
    const value = number.value === "" ? NaN : Number(number.value) * (unit ? Number(unit.value) : 1);
    if (!(value >= 0)) {
      number.focus();
      throw new Error(field.querySelector("label").textContent + ": enter a number.");
    }
    return value;
  }

  function policy() {
    const found = {};
    for (const field of fields) {
      if (field.querySelector("[data-set]").checked) found[field.dataset.field] = valueOf(field);
    }
    return found;
  }

  async function ask(path) {
    const answer = await fetch(hubApi(path), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ scope: form.dataset.scope, base: form.dataset.base, policy: policy() }),
    });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.message || answer.status + " " + answer.statusText);
    return said;
  }

  function items(list, texts) {
    list.replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  }

  const machines = (count) => (count === 1 ? "1 machine" : count + " machines");

  function show(said) {
    items(document.getElementById("outlook-lines"), said.lines.map((line) => line.label + ": " + line.before + " → " + line.after));
    const { now, then } = said;
    document.getElementById("outlook-text").textContent = then.running
      ? machines(then.running) + (then.running === 1 ? " runs" : " run") + " now. With the change " + then.due + " would be stopped at the next check (without it " + now.due + "), "
        + then.kept + " kept as requested, and " + then.later + " would run on until not used for long enough."
      : "No machine runs now, so none would be stopped.";
    const named = then.named.map((one) => one.worker + ": not used for " + one.idle);
    if (then.due > named.length) named.push("and " + machines(then.due - named.length) + " more");
    items(document.getElementById("outlook-named"), named);
    save.disabled = !said.lines.length;
    if (!said.lines.length) items(document.getElementById("outlook-lines"), ["Nothing: these are the settings as they are."]);
    outlook.hidden = false;
    outlook.focus();
  }

  // What was checked is what is saved: a later change has to be checked again.
  function stale() {
    outlook.hidden = true;
    say("");
  }

  for (const field of fields) {
    const box = field.querySelector("[data-set]");
    const unit = field.querySelector("[data-unit]");
    box.addEventListener("change", () => {
      field.querySelector("[data-entry]").hidden = !box.checked;
    });
    if (unit) unit.addEventListener("change", () => {
      const number = field.querySelector("[data-number]");
      number.disabled = unit.value === "";
      if (!number.disabled) number.focus();
    });
    for (const always of field.querySelectorAll("[data-always]")) {
      always.addEventListener("change", () => { always.checked = true; });
      always.checked = true;
    }
  }
  form.addEventListener("input", stale);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    stale();
    try {
      const said = await ask("cloudjhub/settings/preview");
      if (said.problem) say(said.problem);
      else show(said);
    } catch (error) {
      say(error.message);
    }
  });

  save.addEventListener("click", async () => {
    save.disabled = true;
    save.textContent = "Saving…";
    say("");
    try {
      const said = await ask("cloudjhub/settings");
      if (said.outcome === "recorded") {
        const url = new URL(jhdata.base_url + "settings", location.origin);
        url.searchParams.set("scope", form.dataset.scope);
        url.searchParams.set("recorded", "1");
        return location.assign(url);
      }
      outlook.hidden = true;
      say(said.message);
    } catch (error) {
      say(error.message);
    }
    save.disabled = false;
    save.textContent = "Save the change";
  });

  document.getElementById("policy-cancel").addEventListener("click", () => {
    outlook.hidden = true;
    document.getElementById("policy-check").focus();
  });
})();
