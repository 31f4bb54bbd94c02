// Search goes on by itself, page after page, until a page is full or somebody stops it.
const looked = document.getElementById("looked");
const stop = looked?.querySelector("[data-stop]");
let stopped = false;

function take(page) {
  const next = page.getElementById("looked");
  if (!next) throw new Error("no page of search");
  const rows = [...page.querySelectorAll(".found > li")].map((row) => document.importNode(row, true));
  document.querySelector(".found").append(...rows);
  const pending = rows.some((row) => row.querySelector("[name=item]"));
  for (const each of document.querySelectorAll(".decide")) each.hidden = each.hidden && !pending;
  looked.querySelector("progress").value = next.querySelector("progress").value;
  const link = next.querySelector("a");
  if (link) looked.querySelector("a").replaceWith(document.importNode(link, true));
  else looked.querySelector("a").remove();
  const none = document.querySelector(".found > li") && next.querySelector(".none");
  none?.remove();
  looked.dataset.goOn = next.dataset.goOn || "";
  return next.querySelector("p");
}

async function goOn() {
  let said;
  looked.setAttribute("aria-busy", "true");
  stop.hidden = false;
  try {
    while (looked.dataset.goOn && !stopped) {
      const answer = await fetch(looked.dataset.goOn);
      if (!answer.ok) break; // the link is still there
      said = take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {
    // as above
  }
  stop.hidden = true;
  looked.removeAttribute("aria-busy");
  if (said) looked.querySelector("p").replaceChildren(...document.importNode(said, true).childNodes);
}

stop?.addEventListener("click", () => {
  stopped = true;
});
if (looked?.dataset.goOn) void goOn();
