// The queue: products loaded page by page, drawn as far as they are in sight, and which of them are selected.

import { getQueue } from "./api.js";
import { STATUS, byId, h, number, plural, small } from "./dom.js";

const ROW = 64;
const SPARE = 6;

export class Queue {
  constructor({ onOpen, onSelection, onFailure }) {
    this.list = byId("queue-list");
    this.rows = byId("rows");
    this.onOpen = onOpen;
    this.onSelection = onSelection;
    this.onFailure = onFailure;
    this.drawn = new Map();
    this.products = [];
    this.selected = new Set();
    this.cursor = null;
    this.list.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.list);
  }

  clear(filter, after) {
    this.filter = filter;
    this.products = [];
    this.cursor = after;
    this.current = -1;
    this.loading = null;
    this.selected = new Set();
    this.anchor = -1;
    for (const row of this.drawn.values()) row.node.remove();
    this.drawn.clear();
    this.list.scrollTop = 0;
    this.onSelection();
  }

  // Loads the next page; answers whether there was one.
  async more() {
    if (this.cursor === null) return false;
    if (!this.loading) {
      const mine = this.load().finally(() => {
        if (this.loading === mine) this.loading = null;
      });
      this.loading = mine;
    }
    return this.loading;
  }

  async load() {
    const { filter } = this;
    const first = this.products.length === 0;
    let page;
    try {
      page = await getQueue(filter, this.cursor);
    } catch (error) {
      this.onFailure(error);
      return false;
    }
    if (filter !== this.filter) return false; // another filter was chosen meanwhile
    this.products.push(...page.products);
    this.cursor = page.cursor;
    if (first) this.list.scrollTop = 0;
    this.draw();
    return page.products.length > 0;
  }

  indexOf(productId) {
    return this.products.findIndex((product) => product.id === productId);
  }

  // Brings a product up to date, but for images with decisions on their way.
  update(product) {
    const known = this.products[this.indexOf(product.id)];
    if (!known) return;
    const images = product.images.map((image) => {
      const old = known.images.find((candidate) => candidate.id === image.id);
      if (!old) return image;
      return old.open ? old : Object.assign(old, image);
    });
    Object.assign(known, product, { images });
    this.draw();
  }

  setCurrent(index) {
    this.current = index;
    const top = index * ROW;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = top + ROW - this.list.clientHeight;
    }
    this.draw();
  }

  toggle(index, { range = false } = {}) {
    const product = this.products[index];
    if (!product) return;
    if (range && this.anchor >= 0) {
      const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
      for (const between of this.products.slice(from, to + 1)) this.selected.add(between.id);
    } else if (!this.selected.delete(product.id)) this.selected.add(product.id);
    this.anchor = index;
    this.draw();
    this.onSelection();
  }

  clearSelection() {
    this.selected.clear();
    this.draw();
    this.onSelection();
  }

  get selectedProducts() {
    return this.products.filter((product) => this.selected.has(product.id));
  }

  draw() {
    const height = this.list.clientHeight;
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - SPARE);
    const last = Math.min(this.products.length, Math.ceil((this.list.scrollTop + height) / ROW) + SPARE);
    this.rows.style.height = `${this.products.length * ROW}px`;
    for (const [index, row] of this.drawn) {
      if (index < first || index >= last) {
        row.node.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) this.drawRow(index);
    if (height && this.cursor !== null && last + 2 * SPARE >= this.products.length) this.more();
  }

  drawRow(index) {
    const product = this.products[index];
    const statuses = product.images.map((image) => image.status);
    const state = [product.id, product.status, ...statuses, this.selected.has(product.id), index === this.current].join();
    const known = this.drawn.get(index);
    if (known?.state === state) return;
    const node = this.row(index, product, statuses);
    // The picture stays the same element, so that it does not flicker; so does the focus.
    const focused = known?.node.contains(document.activeElement) && document.activeElement.className;
    if (known) {
      if (known.id === product.id) node.querySelector(".thumb").replaceWith(known.node.querySelector(".thumb"));
      known.node.replaceWith(node);
    } else this.rows.append(node);
    if (focused) node.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
    this.drawn.set(index, { node, state, id: product.id });
  }

  row(index, product, statuses) {
    const waiting = statuses.filter((status) => status === "pending").length;
    const says = product.images.length ? `${waiting} of ${plural(product.images.length, "image")} to review` : "no image";
    // Without a photograph the newest image stands for the product.
    const picture = product.source || product.images.at(-1)?.url;
    const select = h("input", {
      type: "checkbox",
      class: "select",
      "aria-label": `Select product ${product.id}`,
      onclick: (event) => {
        event.preventDefault();
        // The browser sets the box back after this.
        setTimeout(() => this.toggle(index, { range: event.shiftKey }));
      },
    });
    select.checked = this.selected.has(product.id);
    const open = h(
      "button",
      {
        type: "button",
        class: "open",
        "aria-current": index === this.current ? "true" : null,
        onclick: (event) => (event.shiftKey ? this.toggle(index, { range: true }) : this.onOpen(index)),
      },
      picture ? h("img", { class: "thumb", src: small(picture), alt: "", decoding: "async" }) : h("span", { class: "thumb none" }),
      h("span", { class: "name" }, h("b", {}, `No. ${product.id}`), h("span", { class: "category" }, product.label)),
      h("span", { class: "marks", title: says }, ...statuses.map((status) => h("i", { class: `mark ${status}` }))),
      h("span", { class: "sr" }, `, ${STATUS[product.status] || product.status}, ${says}`),
    );
    const node = h("li", { class: "row", "aria-posinset": index + 1, "aria-setsize": -1 }, select, open);
    node.classList.toggle("reviewed", product.images.length > 0 && !waiting);
    node.style.transform = `translateY(${index * ROW}px)`;
    return node;
  }
}

export const countText = (count, limit) => (count >= limit ? `${number(limit)}+` : number(count));
