// Press the copy button of every code block: the site's own script, with as much of a browser as it asks for.
//
// In, as JSON: the script, and for each block the classes of its outer <div> and its <pre>, a tree of texts and of
// {classes, children}. Out, as JSON: what the clipboard gets for each block; null where there is no button.
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

const { script, blocks } = JSON.parse(readFileSync(0, "utf-8"));

class Element {
  constructor({ classes, children }, parent = null) {
    this.classes = classes;
    this.parent = parent;
    this.children = children.map((child) => (typeof child === "string" ? child : new Element(child, this)));
    this.attributes = {};
  }
  cloneNode() {
    return new Element(this);
  }
  setAttribute(name, value) {
    this.attributes[name] = { value };
  }
  insertAdjacentHTML(place, html) {
    this.button = html.match(/data-clipboard-target="([^"]+)"/)[1];
  }
  remove() {
    this.parent.children.splice(this.parent.children.indexOf(this), 1);
  }
  descendants() {
    const inner = this.children.filter((child) => child instanceof Element);
    return inner.flatMap((child) => [child, ...child.descendants()]);
  }
  querySelectorAll(selectors) {
    const names = selectors.split(",").map((selector) => selector.trim());
    const other = names.find((name) => !/^\.[\w-]+$/.test(name));
    if (other) throw new Error(`expected classes in copybutton_exclude, found ${other}`);
    return this.descendants().filter((each) => names.some((name) => each.classes.includes(name.slice(1))));
  }
  get innerText() {
    return this.children.map((child) => (typeof child === "string" ? child : child.innerText)).join("");
  }
}

const cells = blocks.map((block) => new Element(block.pre));

function withButton(selector) {
  const without = selector.match(/^div:not\(\.([\w-]+)\) > div\.highlight > pre$/);
  if (!without) throw new Error(`checks/copy.mjs does not know this copybutton_selector: ${selector}`);
  return cells.filter((cell, number) => !blocks[number].classes.includes(without[1]));
}

let copied;
function ClipboardJS(selector, options) {
  copied = options.text;
  return { on() {} };
}

const document = {
  readyState: "complete",
  documentElement: { lang: "en" },
  querySelectorAll: withButton,
  querySelector: (selector) => cells.find((cell) => `#${cell.attributes.id?.value}` === selector),
};
runInNewContext(script, { document, window: { ClipboardJS }, ClipboardJS, DOCUMENTATION_OPTIONS: { URL_ROOT: "" } });

const trigger = (value) => ({ attributes: { "data-clipboard-target": { value } } });
console.log(JSON.stringify(cells.map((cell) => (cell.button ? copied(trigger(cell.button)) : null))));
