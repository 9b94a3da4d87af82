"use strict";
// Filters the posts, which are all on the page already. Nothing of a post becomes HTML or code here.
{
  const by = (id) => document.getElementById(id);
  const form = by("filters"), shown = by("shown"), nothing = by("nothing");
  const fields = { query: by("query"), type: by("type"), low: by("low"), high: by("high"), status: by("status") };
  const fold = (text) => text.normalize("NFKC").toLowerCase();

  const posts = [...document.querySelectorAll(".post")].map((element) => ({
    element,
    text: fold([...element.querySelectorAll(".searched")].map((part) => part.textContent).join(" ")),
    types: JSON.parse(element.dataset.types),
    statuses: JSON.parse(element.dataset.statuses),
    entities: [...element.querySelectorAll(".text .entity")].map(({ dataset }) => ({ type: dataset.type, score: Number(dataset.score) })),
  }));

  // "" is any, "none" is none, "=PER" is PER.
  const fits = (choice, names) => choice === "" || (choice === "none" ? names.length === 0 : names.includes(choice.slice(1)));

  const update = () => {
    const words = fold(fields.query.value).split(/\s+/).filter(Boolean);
    const type = fields.type.value, status = fields.status.value;
    const low = fields.low.value === "" ? -1 : Number(fields.low.value);
    const high = fields.high.value === "" ? 2 : Number(fields.high.value);
    const anyScore = low < 0 && high > 1;
    let count = 0;
    for (const post of posts) {
      const scored = () => post.entities.some((one) => low <= one.score && one.score <= high && (type === "" || type.slice(1) === one.type));
      const kept = fits(type, post.types) && fits(status, post.statuses) && (anyScore || scored()) && words.every((word) => post.text.includes(word));
      post.element.hidden = !kept;
      count += kept;
    }
    shown.textContent = `${count} of ${posts.length} posts`;
    nothing.hidden = count > 0 || posts.length === 0;
  };

  const set = (values) => {
    for (const [name, field] of Object.entries(fields)) field.value = values[name] ?? "";
    update();
  };

  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); set({}); fields.query.focus(); });

  // Bars and names choose a filter; without scripts they are links to the posts.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-type], a[data-status]");
    if (!link) return;
    event.preventDefault();
    set(link.dataset);
    by("posts").scrollIntoView();
    by("posts").focus({ preventScroll: true });
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      fields.query.focus();
    } else if (event.key === "Escape" && (typing || event.target.closest(".entity"))) {
      event.target.blur();
    }
  });

  // A link to a post shows it, whatever the filters say.
  window.addEventListener("hashchange", () => {
    const target = by(decodeURIComponent(location.hash.slice(1)));
    if (target?.hidden) { set({}); target.scrollIntoView(); }
  });

  update();
}
