"use strict";
// Until the restart this answers 200, meanwhile nothing does, and the server that comes up then
// knows no session of before.
async function comeBack() {
  for (;;) {
    await new Promise((done) => setTimeout(done, 2000));
    try {
      const answer = await fetch("/update/job", { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) break;
    } catch { /* not yet */ }
  }
  location.replace("/update");
}
comeBack();
