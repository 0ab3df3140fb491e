"use strict";
// What is wrong with a form is told while one types; the server judges, and saves nothing for it.
for (const form of document.querySelectorAll("[data-section]")) {
  let timer = 0, asked = 0;
  const check = async () => {
    const mine = asked += 1;
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch("/settings/check", { method: "POST", body }).catch(() => null);
    if (!answer || !answer.ok || mine !== asked) return;
    const told = await answer.json().catch(() => ({}));
    for (const place of form.querySelectorAll("[data-problem]")) {
      const why = told[place.dataset.problem] || "";
      if (place.textContent !== why) place.textContent = why;
      const field = document.getElementById(place.dataset.problem);
      if (why) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
    }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, 400); });
  form.addEventListener("change", check);
}
