// A quiet sound when something urgent comes, or something after nothing was waiting. Only for those who chose it.
const { arrivals, sound } = document.querySelector("script[data-sound]").dataset;
const EVERY_MS = 20000;
let audio = null; // no page makes a sound before somebody has touched it
let known = null; // the urgent comments that were there at the last look
let nWaiting = 0;

for (const touch of ["pointerdown", "keydown"]) {
  document.addEventListener(
    touch,
    () => {
      audio ??= new Audio(sound);
    },
    { passive: true },
  );
}

async function look() {
  const answer = await fetch(arrivals);
  if (!answer.ok) return;
  const now = await answer.json();
  const isNews = known && ((now.n_waiting && !nWaiting) || now.urgent.some((id) => !known.has(id)));
  known = new Set(now.urgent);
  nWaiting = now.n_waiting;
  if (isNews && audio) await audio.play();
}

async function watch() {
  for (;;) {
    await look().catch(() => {}); // the next look may fare better
    await new Promise((later) => setTimeout(later, EVERY_MS));
  }
}

// One of several open pages looks, so that a sound is heard once; without locks (on HTTP) each does.
if (navigator.locks) navigator.locks.request("hakam-sound", watch);
else watch();
