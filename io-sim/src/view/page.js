"use strict";
(() => {
  const all = (what) => Array.from(document.querySelectorAll(what));
  const one = (id) => document.getElementById(id);
  const pictures = all("svg.names, svg.picture").map((svg) => [svg, +svg.getAttribute("width"), +svg.getAttribute("height")]);
  document.body.classList.add("js");
  one("tools").hidden = false;

  // Zoom keeps the point under (x, y) of the window where it is.
  let zoom = 1;
  const page = document.scrollingElement;
  function scale(to, x = innerWidth / 2, y = innerHeight / 2) {
    to = Math.min(4, Math.max(0.1, to));
    const picture = pictures[1][0];
    const before = picture.getBoundingClientRect();
    const [left, top] = [(x - before.left) / zoom, (y - before.top) / zoom];
    zoom = to;
    for (const [svg, width, height] of pictures) {
      svg.setAttribute("width", width * zoom);
      svg.setAttribute("height", height * zoom);
    }
    const after = picture.getBoundingClientRect();
    page.scrollBy({ left: after.left + left * zoom - x, top: after.top + top * zoom - y, behavior: "instant" });
  }
  one("in").onclick = () => scale(zoom * 1.25);
  one("out").onclick = () => scale(zoom / 1.25);
  one("one").onclick = () => scale(1);
  one("fit").onclick = () => scale((innerWidth - 56) / pictures[1][1]);
  addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    scale(zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });

  // Dragging the ground of the picture moves it.
  let held = null;
  const picture = pictures[1][0];
  picture.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("a")) {
      held = [event.clientX, event.clientY];
      picture.setPointerCapture(event.pointerId);
      event.preventDefault();
    }
  });
  picture.addEventListener("pointermove", (event) => {
    if (!held) return;
    page.scrollBy({ left: held[0] - event.clientX, top: held[1] - event.clientY, behavior: "instant" });
    held = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => { held = null; });

  // The filter looks into everything that stands in the list.
  const entries = all(".stanzas li").map((entry) => [entry, [one("a" + entry.id.slice(1)), one("l" + entry.id.slice(1))], entry.textContent.toLowerCase()]);
  const filter = one("filter");
  filter.oninput = () => {
    const wanted = filter.value.trim().toLowerCase();
    let found = 0;
    for (const [entry, arrow, text] of entries) {
      const fits = text.includes(wanted);
      found += fits;
      entry.hidden = !fits;
      for (const part of arrow) part.classList.toggle("dim", !fits);
    }
    one("found").textContent = wanted ? found + " of " + entries.length : "";
  };
  one("chatter").onchange = (event) => document.body.classList.toggle("no-chatter", !event.target.checked);

  // An arrow shows its stanza in a panel instead of leading to the list.
  const panel = one("panel");
  let chosen = null;
  function choose(arrow) {
    for (const [which, on] of [[chosen, false], [arrow, true]]) {
      if (!which) continue;
      for (const part of ["a", "l"]) one(part + which.id.slice(1)).classList.toggle("chosen", on);
    }
    if (!arrow && chosen) chosen.focus({ preventScroll: true });
    chosen = arrow;
  }
  function close() {
    panel.hidden = true;
    choose(null);
  }
  function show(arrow) {
    choose(arrow);
    const entry = one("m" + arrow.id.slice(1));
    const title = document.createElement("h3");
    title.textContent = "#" + arrow.id.slice(1) + "  " + entry.querySelector(".gist").textContent;
    const shut = document.createElement("button");
    shut.textContent = "\u00d7";
    shut.setAttribute("aria-label", "Close");
    shut.onclick = close;
    panel.replaceChildren(title, entry.querySelector(".tale").cloneNode(true), entry.querySelector("pre").cloneNode(true), shut);
    panel.hidden = false;
  }
  const arrows = all("a.arrow");
  for (const link of all("a.arrow, a.label")) {
    link.addEventListener("click", (event) => { event.preventDefault(); show(one("a" + link.id.slice(1))); });
  }
  addEventListener("keydown", (event) => {
    if (event.target.matches("input") && event.key !== "Escape") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { j: 1, k: -1 }[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "+") scale(zoom * 1.25);
    else if (event.key === "-") scale(zoom / 1.25);
    else if (event.key === "0") scale(1);
    else if (event.key === "/") { event.preventDefault(); filter.focus(); }
    else if (step && arrows.length) {
      const seen = arrows.filter((arrow) => !arrow.classList.contains("dim"));
      const next = seen[Math.min(seen.length - 1, Math.max(0, seen.indexOf(chosen) + step))];
      if (next) { show(next); next.scrollIntoView({ block: "center", inline: "nearest" }); }
    }
  });
  // Whoever opens the page with an address of a stanza wants to see it.
  const wanted = location.hash.match(/^#m(\d+)$/);
  if (wanted && one(wanted[0].slice(1))) one(wanted[0].slice(1)).querySelector("details").open = true;
})();
