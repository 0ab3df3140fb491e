
"use strict";
const csrf = document.querySelector("input[name=csrf]").value;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
// An answer, or nothing where the line is broken or dead.
const ask = (url, more) =>
  fetch(url, { ...more, signal: AbortSignal.timeout(40000) }).catch(() => null);

// The installation that goes on.
const job = document.getElementById("job");
async function follow() {
  let after = "";
  for (;;) {
    // Answered when there is something new.
    const answer = await ask("/update/job" + after);
    if (answer && !answer.ok) break;
    const now = answer && await answer.json().catch(() => null);
    if (!now) { await wait(1000); continue; /* the connection may come back */ }
    if (!now.running) break;
    document.getElementById("job-text").textContent = now.text + ": " + now.percent + " %";
    document.getElementById("job-bar").value = now.percent;
    after = "?after=" + now.revision;
  }
  location.replace("/update");
}
if (job) follow();

// A question to the server: once it is answered, the page is loaded again.
async function answered() {
  for (;;) {
    await wait(3000);
    const answer = await ask("/update");
    const text = answer && answer.ok && await answer.text().catch(() => "");
    const page = text && new DOMParser().parseFromString(text, "text/html");
    if (page && !page.getElementById("asking")) break;
  }
  location.replace("/update");
}
if (document.getElementById("asking")) answered();

// Sending a package: its head first, so that a wrong one is refused at once, then the rest;
// after a broken connection from where it broke.
const HEAD = 65536, TRIES = 20;
// A line that is dead without having broken is let go after so many milliseconds without a byte.
const QUIET = 60000;
const form = document.getElementById("upload");
form.hidden = false;
const said = document.getElementById("upload-text");
const say = (text, kind = "") => { said.textContent = text; said.className = kind; };
const bar = document.getElementById("upload-bar");

function put(url, file, first, end, etag) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.setRequestHeader("X-CSRF-Token", csrf);
    // Nothing is left to send: what has come is to be checked.
    const range = first < end ? `${first}-${end - 1}` : "*";
    request.setRequestHeader("Content-Range", `bytes ${range}/${file.size}`);
    if (etag) request.setRequestHeader("If-Match", etag);
    const watch = () => setTimeout(() => request.abort(), QUIET);
    // Once all is sent, it is checked for as long as that takes.
    let quiet = first < end ? watch() : 0;
    request.upload.onprogress = (event) => {
      clearTimeout(quiet);
      if (event.loaded < event.total) quiet = watch();
      const percent = Math.floor((first + event.loaded) * 100 / file.size);
      bar.value = percent;
      say((percent < 100 ? form.dataset.sending : form.dataset.checking) + ": " + percent + " %");
    };
    request.onloadend = () => { clearTimeout(quiet); done(request); };
    request.send(file.slice(first, end));
  });
}

// Which package a file is: the SHA-256 of what is signed in its head.
async function package_of(file) {
  const head = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const end = head.indexOf(0, 10);
  const text = new TextDecoder("latin1").decode(head.subarray(10, end));
  const signed = text.indexOf("---\n");
  if (end < 0 || signed < 0) return "";
  const digest = await crypto.subtle.digest("SHA-256", head.subarray(10 + signed + 4, end));
  return '"' + Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("") + '"';
}

async function create(file) {
  const answer = await ask("/update/upload", {
    method: "POST", headers: { "X-CSRF-Token": csrf, "Upload-Length": String(file.size) },
  });
  if (!answer) return null;
  if (answer.status === 401) location.replace("/login");
  return answer.ok ? answer.headers.get("Location") : refusal(await answer.text());
}

function refusal(text) {
  let told = {};
  try { told = JSON.parse(text); } catch { /* not ours */ }
  const reason = (document.documentElement.lang === "fr" && told.reason_fr) || told.reason;
  if (!reason) throw new Error(form.dataset.lost);
  throw new Error(told.refused ? reason : form.dataset.machine + " " + reason);
}

// Remembered over a reload of this page, by package.
const kept = (etag) => { try { return sessionStorage.getItem(etag); } catch { return null; } };
const keep = (etag, url) => { try { sessionStorage.setItem(etag, url); } catch { /* then not */ } };

async function send(file) {
  const etag = await package_of(file);
  let url = etag && kept(etag);
  let offset = 0;
  const resume = () => { say(form.dataset.resuming); return wait(3000); };
  for (let tried = 0; tried < TRIES;) {
    if (url) {
      const at = await ask(url, { method: "HEAD" });
      if (!at) { await resume(); tried += 1; continue; }
      if (at.status === 404) url = null;
      else if (at.ok) {
        if (at.headers.get("Upload-Complete") === "?1") return;
        offset = Number(at.headers.get("Upload-Offset"));
      }
    }
    if (!url) {
      url = await create(file);
      if (!url) { await resume(); tried += 1; continue; }
      offset = 0;
      if (etag) keep(etag, url);
    }
    const complete = offset >= file.size;
    if (complete) say(form.dataset.checking);
    const again = offset < HEAD && !complete;
    const answer = await put(url, file, again ? 0 : Math.min(offset, file.size), again ? Math.min(HEAD, file.size) : file.size, etag);
    if (answer.status === 201) return;
    if (answer.status === 202) { tried = 0; continue; }
    if (answer.status === 401) location.replace("/login");
    // The check that a broken connection left behind goes on, for as long as it takes.
    if (complete && answer.status === 409) { await wait(3000); continue; }
    if (answer.status >= 400 && ![408, 409, 416].includes(answer.status)) refusal(answer.responseText);
    await resume();
    tried += 1;
  }
  throw new Error(form.dataset.lost);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = document.getElementById("file").files[0];
  const button = form.querySelector("button");
  button.disabled = true;
  bar.hidden = false;
  try {
    await send(file);
    say(form.dataset.done);
    location.replace("/update");
  } catch (error) {
    say(error.message, "bad");
    bar.hidden = true;
  }
  button.disabled = false;
});
