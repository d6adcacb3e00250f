// Shows the start's progress. Once it has ended, the hub knows where to go: to the server, or to the page of a failure.
(function () {
  const api = (path) => hubApi("users/" + encodeURIComponent(USER) + path);
  const part = (id) => document.getElementById(id);

  // Then the page goes home, whatever the start says of its end meanwhile.
  let stopping = false;
  const events = new EventSource(PROGRESS);
  events.onmessage = (event) => {
    if (stopping) return;
    const told = JSON.parse(event.data);
    if (told.ready || told.failed) {
      events.close();
      return location.reload();
    }
    part("progress").setAttribute("aria-valuenow", told.progress);
    part("progress-bar").style.width = told.progress + "%";
    part("progress-message").textContent = told.message;
    part("progress-log").append(Object.assign(document.createElement("li"), { textContent: told.message }));
    document.title = told.progress + " % - Starting - " + {{ brand.name | tojson }};
  };

  // The proxy keeps the progress of a hub that was killed open, and nothing ever comes on it: so the page asks itself.
  setInterval(async () => {
    try {
      const answer = await fetch(api(""), { cache: "no-store" });
      if (!answer.ok) return;
      const server = (await answer.json()).servers[SERVER];
      if (!stopping && !(server && server.pending)) location.reload();
    } catch (error) {
      console.log("the hub does not answer", error);
    }
  }, 5000);

  part("stop-server-btn").onclick = async (event) => {
    event.target.disabled = stopping = true;
    part("stop-server-status").textContent = "Stopping…";
    const path = SERVER ? "/servers/" + encodeURIComponent(SERVER) : "/server";
    try {
      const answer = await fetch(api(path), { method: "DELETE" });
      if (!answer.ok) throw new Error((await answer.json()).message);
      events.close();
      location.assign(jhdata.base_url + "home");
    } catch (error) {
      event.target.disabled = stopping = false;
      part("stop-server-status").textContent = "It could not be stopped: " + error.message;
    }
  };
})();
