"use strict";
// How hard a new password is to guess, roughly: its length counts most. The server judges by its own rule.
function strength(text) {
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].filter((kind) => kind.test(text)).length;
  const different = new Set(text).size;
  if (text.length < 8) return Math.min(39, text.length * 4);
  return Math.min(100, different * 4 + kinds * 6 + Math.max(0, text.length - 8) * 2);
}
for (const field of document.querySelectorAll("[data-measure]")) {
  const meter = document.getElementById(field.dataset.measure);
  const said = meter.nextElementSibling;
  meter.parentElement.hidden = false;
  field.addEventListener("input", () => {
    const value = strength(field.value);
    meter.value = value;
    const word = value < 40 ? "weak" : value < 70 ? "fair" : "strong";
    said.textContent = field.value ? said.dataset[word] : "";
  });
}
