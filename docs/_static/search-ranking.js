// What the search finds: pages by all that they say, and names of the reference by their spelling. No part of this
// knows of a document or a window, so that it can be tried alone.
"use strict";

globalThis.SiteSearch = (() => {
  // Words of a question that say nothing of the page.
  const EMPTY = new Set(
    ("a an and are as at be but by can do does for from get has have how i if in into is it its me my of on or our "
    + "should so than that the their them they this to use using want was what when where which who why will with "
    + "without you your").split(" "));

  // A whole name such as num_repeats, --model-type or pass@k is a word, and so is each of its parts.
  function words(text) {
    const found = [];
    for (const whole of text.match(/[\p{L}\p{N}][\p{L}\p{N}_@.+-]*/gu) ?? []) {
      const name = whole.replace(/[.+-]+$/u, "");
      found.push(name);
      const parts = name.split(/[_@.+-]+/u);
      if (parts.length > 1) found.push(...parts);
    }
    return found;
  }

  // One form for the forms of a word. It need not be a word itself.
  function stem(word) {
    const lower = word.toLowerCase();
    if (lower.length < 5 || /[^a-z]/u.test(lower)) return lower;
    return lower
      .replace(/ies$/u, "y").replace(/(ss|us|is)$/u, "$1\u0000").replace(/s$/u, "").replace("\u0000", "")
      .replace(/(ing|ed|ion|er|or)$/u, "").replace(/([^aeiou])\1$/u, "$1").replace(/e$/u, "");
  }

  function term(word) {
    return EMPTY.has(word.toLowerCase()) ? null : stem(word);
  }

  // What a text asks for: its words in their one form, without those that say nothing.
  const core = (text) => words(text).map(term).filter(Boolean).join(" ");

  const flat = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

  class Index {
    constructor({ pages, names }, MiniSearch) {
      this.pages = pages;
      this.names = names.map(([name, page, anchor]) => ({ name, page, anchor, flat: flat(name) }));
      this.keywords = pages.map((page) => page.keywords.split(",").map(core).filter(Boolean));
      this.index = new MiniSearch({
        fields: ["title", "keywords", "description", "headings", "text"],
        tokenize: words,
        processTerm: term,
      });
      this.index.addAll(pages.map((page, id) => ({
        id,
        title: page.title,
        keywords: page.keywords,
        description: page.description,
        headings: page.sections.map(([, heading]) => heading).join(" . "),
        text: page.sections.map(([, , text]) => text).join(" "),
      })));
    }

    // The pages that answer what was typed, the best first, each with the section that has most of its words.
    find(typed) {
      const asked = [...new Set(words(typed).map(term).filter(Boolean))];
      if (!asked.length) return [];
      const whole = ` ${core(typed)} `;
      const results = this.index.search(typed, {
        boost: { title: 5, keywords: 5, description: 3, headings: 3, text: 1 },
        prefix: (each) => each.length > 2,
        fuzzy: (each) => (each.length > 4 ? 0.2 : false),
        weights: { fuzzy: 0.25, prefix: 0.6 },
      });
      const scored = results.map((result) => {
        const page = this.pages[result.id];
        const covered = new Set(result.queryTerms).size / asked.length;
        // A keyword of the page that was typed whole says more the more words it has.
        const typedWhole = this.keywords[result.id].filter((each) => whole.includes(` ${each} `));
        const phrase = Math.max(0, ...typedWhole.map((each) => each.split(" ").length));
        const named = ` ${core(page.title)} `.includes(whole);
        const score = result.score * covered ** 2 * (1 + 0.4 * phrase) * (named ? 1.6 : 1) * (page.generated ? 0.3 : 1);
        return { page, score, section: this.section(page, new Set(result.terms)) };
      });
      return scored.sort((one, other) => other.score - one.score);
    }

    // The section of a page with most of the words that were found; none where the page's beginning has as many.
    section(page, found) {
      let best = null;
      let most = 0;
      for (const [anchor, heading, text] of page.sections) {
        const has = (each) => words(each).reduce((sum, word) => sum.add(term(word)), new Set());
        const [inHeading, inText] = [has(heading), has(text)];
        let score = 0;
        for (const each of found) score += (inHeading.has(each) ? 3 : 0) + (inText.has(each) ? 1 : 0);
        if (score > most) [best, most] = [{ anchor, heading }, score];
      }
      return best && best.heading !== page.title ? best : null;
    }

    // The names of the reference that are spelled as typed, or begin so: the whole name, or its last part.
    named(typed) {
      const asked = flat(typed.replace(/^-+/u, ""));
      if (asked.length < 3) return [];
      const rank = ({ flat: name }) => {
        if (name === asked) return 0;
        if (name.endsWith(` ${asked}`)) return 1;
        return name.startsWith(`${asked} `) || name.includes(` ${asked} `) ? 2 : name.startsWith(asked) ? 3 : 9;
      };
      return this.names
        .map((each) => ({ ...each, rank: rank(each) }))
        .filter((each) => each.rank < 9)
        .sort((one, other) => one.rank - other.rank || one.name.length - other.name.length);
    }
  }

  return { Index, words, stem };
})();
