// The queue as a list: keys, what has come since, and going on with a whole group.
const list = document.querySelector("form.list");
const rows = [...list.querySelectorAll(".item")];
const placeKey = `place ${location.pathname}${location.search}`;
let here = -1;

function goTo(place) {
  if (!rows.length) return;
  rows[here]?.removeAttribute("aria-current");
  here = Math.max(0, Math.min(place, rows.length - 1));
  const row = rows[here];
  row.setAttribute("aria-current", "true");
  row.tabIndex = -1;
  const rest = row.querySelector("details.rest");
  if (rest) rest.open = true;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function box() {
  return rows[here]?.querySelector("[name=item]");
}

const MOVES = { ArrowDown: 1, ArrowUp: -1 };

document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("select, textarea, dialog, input:not([type=checkbox])");
  if (!(event.key in MOVES) || elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
  goTo(here + MOVES[event.key]);
  event.preventDefault();
});

// The letters press these buttons, as they press all that have a key (see console.js).
for (const button of document.querySelectorAll("[data-move]")) {
  button.addEventListener("click", () => goTo(here + Number(button.dataset.move)));
}
document.querySelector("[data-tick-here]").addEventListener("click", () => box()?.click());

// Where nothing is ticked, the comment that somebody is at is decided. The list comes back without it,
// and they are at the one that took its place.
list.addEventListener("submit", () => {
  const current = box();
  if (here < 0) return;
  if (current && !list.querySelector("[name=item]:checked")) current.checked = true;
  sessionStorage.setItem(placeKey, String(here));
});

const place = sessionStorage.getItem(placeKey);
if (place) goTo(Number(place));
sessionStorage.removeItem(placeKey);

const going = document.querySelector("form[data-go-on]");
if (going) going.requestSubmit();

// -- What has come since ------------------------------------------------------------------------

const EVERY_MS = 5000;
const news = document.getElementById("news");
let known = "";

async function ask() {
  if (document.hidden || news.hasAttribute("data-off")) return;
  const answer = await fetch(news.dataset.news, known ? { headers: { "If-None-Match": known } } : {});
  if (answer.status !== 200) return;
  known = answer.headers.get("ETag") || "";
  const said = await answer.text();
  news.hidden = !said;
  news.firstElementChild.textContent = said;
  if (said && !rows.length) location.assign(news.firstElementChild.href); // nobody reads an empty list
}

function askQuietly() {
  ask().catch(() => {}); // the next one may get through
}

if (news) {
  setInterval(askQuietly, EVERY_MS);
  document.addEventListener("visibilitychange", askQuietly);
}
