"use strict";
// Counts down what is left of a trial. Where the old address is gone, only the count goes on; when it is
// over, the page comes back with the address.
const bar = document.getElementById("left");
const end = Date.now() + Number(bar.dataset.left) * 1000;
const told = document.querySelector("[role=alert]");
const words = told.textContent.split(String(bar.dataset.left));
async function comeBack() {
  for (;;) {
    await new Promise((done) => setTimeout(done, 3000));
    try {
      await fetch("/settings/trial", { signal: AbortSignal.timeout(5000) });
      break;
    } catch { /* not yet */ }
  }
  location.replace("/settings/trial");
}
const tick = setInterval(() => {
  const left = Math.max(0, Math.round((end - Date.now()) / 1000));
  bar.value = left;
  told.textContent = words.join(String(left));
  told.setAttribute("role", "timer");
  if (left === 0) { clearInterval(tick); comeBack(); }
}, 1000);
