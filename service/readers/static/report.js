// For pages of sites: opens the links by which readers report comments in a dialogue, and hands over
// the text of the comment. Without it, or in an old browser, the same links lead to the same form.
"use strict";

(() => {
  const words = {
    ar: ["الإبلاغ عن تعليق", "إغلاق"],
    en: ["Report a comment", "Close"],
    fr: ["Signaler un commentaire", "Fermer"],
  };
  const name = "hakam-report";

  function element(kind, values) {
    return Object.assign(document.createElement(kind), values);
  }

  function dialogue(language) {
    const [title, close] = words[language];
    const dialog = element("dialog", { dir: language === "ar" ? "rtl" : "ltr", lang: language });
    const button = element("button", { type: "button", textContent: close });
    const frame = element("iframe", { name, title });
    Object.assign(dialog.style, { width: "min(38rem, 94vw)", padding: "0.5rem", border: "1px solid gray" });
    Object.assign(frame.style, { display: "block", width: "100%", height: "min(40rem, 78vh)", border: "0" });
    dialog.setAttribute("aria-label", title);
    button.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(button, frame);
    document.body.append(dialog);
    dialog.showModal();
  }

  function send(link, language) {
    const address = new URL(link.href);
    const form = element("form", { method: "post", target: name, hidden: true });
    const values = {
      token: address.searchParams.get("token"),
      lang: language,
      text: link.dataset.text ?? "",
      author_name: link.dataset.authorName ?? "",
    };
    for (const [field, value] of Object.entries(values)) {
      // A text area keeps the breaks of lines, which an input would drop.
      form.append(element("textarea", { name: field, value: value ?? "" }));
    }
    address.search = "";
    form.action = address.href;
    document.body.append(form);
    form.submit();
    form.remove();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-hakam-report]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !window.HTMLDialogElement) return;
    event.preventDefault();
    const said = (link.closest("[lang]")?.lang || "ar").slice(0, 2).toLowerCase();
    const language = Object.hasOwn(words, said) ? said : "ar";
    dialogue(language);
    send(link, language);
  });
})();
