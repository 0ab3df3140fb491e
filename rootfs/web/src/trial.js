"use strict";
// Counts down what is left of a trial. Where the old address is gone, only the count goes on.
const bar = document.getElementById("left");
const end = Date.now() + Number(bar.dataset.left) * 1000;
const told = document.querySelector("[role=alert]");
const words = told.textContent.split(String(bar.dataset.left));
const tick = setInterval(() => {
  const left = Math.max(0, Math.round((end - Date.now()) / 1000));
  bar.value = left;
  told.textContent = words.join(String(left));
  told.setAttribute("role", "timer");
  if (left === 0) { clearInterval(tick); setTimeout(() => location.replace("/settings/trial"), 3000); }
}, 1000);
