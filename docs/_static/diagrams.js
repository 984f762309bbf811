// Draws each diagram, and draws it again when the reader changes between light and dark.
"use strict";

(function () {
  const places = Array.from(document.querySelectorAll(".mermaid-diagram"));
  // On a narrow screen a diagram keeps letters that can be read, and its place scrolls.
  const READABLE_PX = 640;
  const isDark = () => document.documentElement.dataset.theme === "dark";
  let drawn;

  async function draw() {
    const dark = isDark();
    if (dark === drawn) return;
    drawn = dark;
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: "strict",
      theme: dark ? "dark" : "neutral",
      // The dark theme's own label background is too light for its text.
      themeVariables: dark ? { edgeLabelBackground: "#14181e" } : {},
    });
    for (const [index, place] of places.entries()) {
      const source = place.querySelector("template.mermaid-source");
      const code = source.content.textContent;
      const { svg } = await mermaid.render(`diagram-${index}-${dark ? "dark" : "light"}`, code);
      place.innerHTML = svg;
      place.append(source);
      // The place is the picture and carries the words: what is inside is not read out a second time.
      const picture = place.firstElementChild;
      picture.setAttribute("aria-hidden", "true");
      picture.style.minWidth = `${Math.min(parseFloat(picture.style.maxWidth) || 0, READABLE_PX)}px`;
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
    }
  }

  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
