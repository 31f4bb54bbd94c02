// Keys, the lease on the screen, and the next comment without a flicker. Every page works without it.
const one = (selector, root = document) => root.querySelector(selector);
const csrfToken = () => one("meta[name=csrf-token]").content;
// Where no answer comes, it is one that is not well.
const asked = (...what) => fetch(...what).catch(() => Response.error());

// -- Keys: a letter works on every keyboard layout, the Arabic one included ---------------------

// A Latin letter is the one that was typed, wherever its key lies (AZERTY, Dvorak). Under a letter of
// another script it is the one that is printed on the same key.
function pressed(event, key) {
  const typed = event.key.toLowerCase();
  if (key === "?") return typed === "?" || typed === "\u061f"; // ARABIC QUESTION MARK
  const otherScript = /[\p{L}\p{M}]/u.test(typed) && !/\p{Script=Latin}/u.test(typed);
  return otherScript ? event.code === `Key${key.toUpperCase()}` : typed === key;
}

const DIGITS = [0x30, 0x660, 0x6f0].map((zero) => Array.from("0123456789", (_, n) => String.fromCharCode(zero + n)));

// A number as the page writes it.
function inDigits(text) {
  if (document.documentElement.dataset.digits !== "eastern") return text;
  return text.replace(/[0-9]/g, (digit) => DIGITS[1][digit]);
}

// Which of the keys 1 to 9 and 0 it is, from 0 on; -1 for another key. A digit is the one that was
// typed, else the one on the key: AZERTY types it with Shift only.
function placeOf(event) {
  const typed = Math.max(...DIGITS.map((digits) => digits.indexOf(event.key)));
  const printed = /^Digit([0-9])$/.exec(event.code);
  const digit = typed < 0 && printed ? Number(printed[1]) : typed;
  return digit < 0 ? -1 : (digit + 9) % 10;
}

function typing(element) {
  return element.closest("textarea, select, [contenteditable], input:not([type=radio]):not([type=checkbox])");
}

// In a field: Escape leaves it, Control and Enter send its form.
function inField(event) {
  const form = event.target.form;
  if (event.key === "Escape") {
    event.target.blur();
    one("main").focus({ preventScroll: true });
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form) {
    event.preventDefault();
    form.requestSubmit(one("[data-send]", form) || one("button", form));
  }
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.repeat || !event.key || one("dialog[open]")) return;
  if (typing(event.target)) return inField(event);
  if (event.ctrlKey || event.metaKey || event.altKey || document.documentElement.dataset.keys === "off") return;
  const form = one("form.verdict");
  const reason = form?.querySelectorAll("[name=reason]")[placeOf(event)];
  if (reason) {
    reason.checked = true;
    return;
  }
  const button = [...document.querySelectorAll("[data-key]")].find((b) => pressed(event, b.dataset.key));
  if (button) {
    event.preventDefault();
    button.click();
    if (button.matches("summary")) one("textarea", button.parentElement).focus();
  }
});

// A menu closes with Escape, and when something else is pressed.
function leaveMenus(event) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (event.key ? event.key !== "Escape" : menu.contains(event.target)) continue;
    menu.open = false;
    if (event.key && menu.contains(document.activeElement)) one("summary", menu).focus();
  }
}
for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, leaveMenus);

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-sheet]");
  if (!opener) return;
  event.preventDefault();
  document.getElementById(opener.dataset.sheet).showModal();
});

document.addEventListener("change", (event) => {
  const form = event.target.form;
  const all = form && one("[data-tick] input", form);
  if (!all) return;
  const boxes = [...form.querySelectorAll(`[name=${all.parentElement.dataset.tick}]`)];
  if (event.target === all) for (const box of boxes) box.checked = all.checked;
  else all.checked = boxes.every((box) => box.checked);
});
for (const all of document.querySelectorAll("[data-tick]")) all.hidden = false; // of use with a script only

// On a narrow screen the names of the pages scroll; that of this page is in sight.
const here = one(".pages [aria-current]");
if (here) {
  const [page, pages] = [here, here.closest(".pages")].map((part) => part.getBoundingClientRect());
  here.closest(".pages").scrollLeft += (page.left + page.right - pages.left - pages.right) / 2;
}

// -- A form that waits while its sender logs in at the single sign-on ----------------------------

// It is kept sealed, in this window alone, and only as long as the way there and back.
const KEPT = "hakam.kept";
document.addEventListener("click", (event) => {
  const away = event.target.closest("[data-keeps]");
  if (away) sessionStorage.setItem(KEPT, one("[name=kept]", away.closest("form")).value);
});
const restoring = one("form[data-restores]");
if (restoring) one("[name=kept]", restoring).value = sessionStorage.getItem(KEPT) || "";
if (restoring || !one("[name=next][value$='/login/kept']")) sessionStorage.removeItem(KEPT);
restoring?.requestSubmit();

// -- The next comment, put in place of this one -------------------------------------------------

let sending = false;

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-swap]")) return;
  event.preventDefault();
  if (sending) return; // one press, one decision
  sending = true;
  form.setAttribute("aria-busy", "true");
  try {
    const elsewhere = event.submitter?.getAttribute("formaction"); // shows the same comment again
    const answer = await fetch(elsewhere || form.getAttribute("action"), {
      method: "POST",
      body: new FormData(form, event.submitter),
    });
    show(new DOMParser().parseFromString(await answer.text(), "text/html"), elsewhere ? location.href : answer.url);
  } catch {
    unanswered(form, event.submitter);
  } finally {
    form.removeAttribute("aria-busy");
    sending = false;
  }
});

// What was typed stays, and counts once however often it arrives. At the second time with a network
// the browser tries, and says what is wrong in its own words.
function unanswered(form, submitter) {
  const said = one("[data-unanswered]", form);
  if (said.hidden || !navigator.onLine) {
    said.hidden = true; // so that it is read out again
    said.hidden = false;
    said.scrollIntoView({ block: "nearest" });
    return;
  }
  sending = false;
  form.removeAttribute("data-swap");
  form.requestSubmit(submitter);
}

// -- A form that leads to another page ----------------------------------------------------------

const SAME_PRESS_MS = 10000; // after which a press is meant; an answer that is a file leaves the page here
const sent = new Map();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  const content = new URLSearchParams(new FormData(form, event.submitter)).toString();
  if (sent.get(form) === content) return event.preventDefault();
  sent.set(form, content);
  form.setAttribute("aria-busy", "true");
  setTimeout(() => {
    sent.delete(form);
    form.removeAttribute("aria-busy");
  }, SAME_PRESS_MS);
});

// The page of before, shown again as it was left.
addEventListener("pageshow", () => {
  for (const form of sent.keys()) form.removeAttribute("aria-busy");
  sent.clear();
});

function show(next, address) {
  document.title = next.title;
  document.body.className = next.body.className;
  one("meta[name=csrf-token]").content = one("meta[name=csrf-token]", next).content;
  for (const part of [".top", ".notices", "main"])
    one(part).replaceChildren(...document.importNode(one(part, next), true).childNodes);
  history.replaceState(null, "", one("form.verdict") ? address : location.href);
  scrollTo(0, 0);
  (one("[autofocus]", one("main")) || one("main")).focus({ preventScroll: true });
  say();
  arrive();
}

// Tells a screen reader what became of the last comment, and which one is on the screen now.
function say() {
  const covered = document.documentElement.matches("[data-blur]") && one(".comment[data-severe]");
  const parts = [".notices", "form.notice > span", "h1", "#author", covered ? "" : "#comment"];
  const words = parts.map((part) => (part && one(part)?.textContent.trim().replace(/\s+/g, " ")) || "");
  one("#said").textContent = words.filter(Boolean).join(". ").slice(0, 800);
}

// -- The lease ----------------------------------------------------------------------------------

let leaseEnds = 0;
let renewedAt = 0;

function arrive() {
  const lease = one(".lease");
  leaseEnds = lease ? Date.now() + 1000 * Number(lease.dataset.expiresIn) : 0;
  renewedAt = Date.now();
  tick();
}

function tick() {
  const lease = one(".lease");
  if (!lease || !leaseEnds) return;
  const left = Math.round((leaseEnds - Date.now()) / 1000);
  if (left > 0) {
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    one(".left", lease).textContent = inDigits(clock);
  } else if (!lease.classList.contains("ended")) {
    lease.classList.add("ended");
    lease.setAttribute("role", "alert");
    lease.textContent = lease.dataset.ended;
  }
}

// Whoever reads, scrolls or types is at work: the lease starts anew, at most every half minute.
async function renew() {
  const lease = one(".lease");
  if (!lease || Date.now() > leaseEnds || Date.now() - renewedAt < 30000) return;
  renewedAt = Date.now();
  const body = new FormData();
  body.set("token", one("form.verdict [name=token]").value);
  body.set("csrf_token", csrfToken());
  const answer = await asked(lease.dataset.renew, { method: "POST", body });
  if (answer.ok) leaseEnds = Date.now() + 1000 * (await answer.json()).expires_in_seconds;
  if (answer.status !== 409) return;
  lease.dataset.ended = (await answer.json()).sentence; // withdrawn, edited, or gone to somebody else
  leaseEnds = Date.now();
}

setInterval(tick, 1000);
for (const sign of ["pointermove", "keydown", "scroll"]) {
  document.addEventListener(sign, () => void renew(), { passive: true });
}
arrive();

// -- What changes by itself ---------------------------------------------------------------------

const live = one("[data-live]");
const AGAIN_MS = 5000;

// The browser asks again by itself, but not where the answer was an error.
function follow() {
  const events = new EventSource(live.dataset.live);
  events.onmessage = (event) => {
    live.removeAttribute("aria-busy");
    if (live.contains(document.activeElement)) return; // not under somebody's fingers
    const next = new DOMParser().parseFromString(event.data, "text/html");
    live.replaceChildren(...document.importNode(next.body, true).childNodes);
  };
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return;
    live.setAttribute("aria-busy", "true"); // what is shown is older than it seems
    setTimeout(follow, AGAIN_MS);
  };
}
if (live) follow();

// -- What a threshold would have meant ----------------------------------------------------------

let asking;

// The switches of a comment policy are tried on the last days' comments as soon as one is turned.
document.addEventListener("change", async (event) => {
  const form = event.target.closest("[data-try]");
  if (!form) return;
  const turned = new URLSearchParams(new FormData(form));
  turned.delete("csrf_token");
  const address = `${form.dataset.try}?${turned}`;
  form.dataset.asked = address;
  one("#tried").setAttribute("aria-busy", "true"); // until it is of these switches
  const answer = await asked(address);
  const text = await answer.text();
  if (!answer.ok || form.dataset.asked !== address) return;
  one("#tried").removeAttribute("aria-busy");
  one("#tried").replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
});

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.dataset.preview || !field.checkValidity()) return;
  clearTimeout(asking);
  asking = setTimeout(async () => {
    const address = `${field.dataset.preview}&threshold=${field.value || field.dataset.otherwise}`;
    const answer = await asked(address);
    if (answer.ok) document.getElementById(field.getAttribute("aria-describedby")).textContent = await answer.text();
  }, 150);
});
