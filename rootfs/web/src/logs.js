"use strict";
// Follows the log: new lines are asked for behind the last one that is shown.
const log = document.getElementById("log");
const button = document.getElementById("follow");
let on = false;
async function follow() {
  while (on) {
    const query = log.dataset.query + "&after=" + encodeURIComponent(log.dataset.after);
    const answer = await fetch("/logs/follow?" + query).catch(() => null);
    if (answer && answer.status === 401) location.reload();
    const told = answer && answer.ok && await answer.json().catch(() => null);
    if (told) {
      log.dataset.after = told.after;
      if (told.lines.length) {
        log.append(told.lines.map((line) => line + "\n").join(""));
        log.scrollTop = log.scrollHeight;
      }
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}
button.hidden = false;
button.addEventListener("click", () => {
  on = !on;
  button.textContent = on ? button.dataset.stop : button.dataset.follow;
  button.setAttribute("aria-pressed", String(on));
  log.setAttribute("aria-live", on ? "polite" : "off");
  log.scrollTop = log.scrollHeight;
  if (on) follow();
});
