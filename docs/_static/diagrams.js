// Draws each diagram, and draws it again when the reader changes between light and dark.
"use strict";

(function () {
  const places = Array.from(document.querySelectorAll(".mermaid-diagram"));
  // Mermaid writes letters of 16 pixels. None is drawn smaller than 12: on a narrow screen the diagram's place scrolls.
  const SMALLEST = 12.2 / 16;
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
      sequence: { actorMargin: 16, diagramMarginX: 8 },
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
      picture.style.minWidth = `${(parseFloat(picture.style.maxWidth) || 0) * SMALLEST}px`;
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
    }
  }

  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
