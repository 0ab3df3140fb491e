"use strict";
// What is shown is renewed in its place: whoever reads on, reads on where they were.
const main = document.getElementById("main");
const header = (page) => page.querySelector("header").innerHTML;
async function renew() {
  const answer = await fetch("/?again").catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("main");
  // Somebody else, or nobody, is logged in by now.
  if (!fresh || header(page) !== header(document)) location.reload();
  else if (fresh.innerHTML !== main.innerHTML) main.replaceChildren(...fresh.childNodes);
}
setInterval(renew, 30000);
