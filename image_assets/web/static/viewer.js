// The panes: raw photograph, if there is one, and images, zoomed and moved together.

import { STATUS, byId, h, small } from "./dom.js";

const MAX_ZOOM = 16;
const NARROW = matchMedia("(max-width: 899px)");

export class Viewer {
  // `name` is what one of the images is called.
  constructor({ name, onPick }) {
    this.root = byId("panes");
    this.name = name;
    this.onPick = onPick;
    this.pair = NARROW.matches;
    this.broken = new Set();
    this.raw = [];
    this.images = [];
    this.pointers = new Map();
    this.reset();
    this.root.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.onDown(event));
    this.root.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.root.addEventListener(name, (event) => this.onUp(event));
    }
    this.root.addEventListener("dblclick", (event) => {
      this.zoomTo(this.scale > 1 ? 1 : 3, this.point(event));
    });
    new ResizeObserver(() => this.arrange()).observe(this.root);
  }

  // Shows a product; the zoom stays while it is the same.
  show(product, index) {
    const key = `${product.id} ${product.source} ${product.images.map((image) => image.sha256)}`;
    if (key !== this.key) {
      this.key = key;
      this.reset();
      this.raw = product.source ? [this.rawPane(product)] : [];
      this.images = product.images.map((image, at) => this.imagePane(product, image, at));
      this.strip = h("div", { class: "strip", role: "group", "aria-label": "Images of the product" });
      this.strip.append(...product.images.map((image, at) => this.thumb(image, at)));
      this.root.replaceChildren(...this.raw, ...this.images, this.strip);
    }
    product.images.forEach((image, at) => {
      const pane = this.images[at];
      const says = STATUS[image.status];
      for (const node of [pane, this.strip.children[at]]) {
        node.classList.toggle("current", at === index);
        for (const status of ["pending", "approved", "rejected"]) {
          node.classList.toggle(status, status === image.status);
        }
      }
      pane.querySelector(".says").textContent = says;
      pane.querySelector(".photo").alt = `${this.name} ${at + 1} of product ${product.id}, ${says.toLowerCase()}`;
      const button = this.strip.children[at];
      button.setAttribute("aria-pressed", at === index);
      button.setAttribute("aria-label", `Image ${at + 1}, ${says.toLowerCase()}`);
    });
    this.arrange();
  }

  isSeen(index) {
    const photo = this.images[index].querySelector(".photo");
    return photo.complete && photo.naturalWidth > 0;
  }

  setPair(pair) {
    this.pair = pair;
    this.arrange();
  }

  rawPane(product) {
    const photo = this.photo(product.source, `Raw photograph of product ${product.id}`, "photo");
    const frame = h("div", { class: "frame" }, h("div", { class: "layer" }, photo));
    return h("figure", { class: "pane raw" }, h("figcaption", {}, h("b", {}, "Raw photograph")), frame);
  }

  imagePane(product, image, at) {
    const photo = this.photo(image.url, "", "photo");
    const frame = h("div", { class: "frame" }, h("div", { class: "layer" }, photo));
    photo.addEventListener("error", () => {
      this.broken.add(image.sha256);
      frame.append(h("p", { class: "missing" }, "This image can't be shown: its file is missing or not the one recorded."));
    });
    // Behind the image, for blinking.
    if (product.source) frame.firstElementChild.append(this.photo(product.source, "", "behind"));
    const caption = h("figcaption", {}, h("b", {}, `Image ${at + 1}`), h("span", { class: "says" }));
    const pane = h("figure", { class: "pane" }, caption, frame);
    pane.dataset.index = at;
    return pane;
  }

  photo(src, alt, kind) {
    return h("img", { src, alt, class: kind, draggable: "false", decoding: "async" });
  }

  thumb(image, at) {
    const picture = h("img", { src: small(image.url), alt: "", decoding: "async" });
    return h("button", { type: "button", onclick: () => this.onPick(at) }, picture, h("span", {}, String(at + 1)));
  }

  // As many columns as make the panes largest.
  arrange() {
    this.root.classList.toggle("pair", this.pair);
    const many = this.images.length > 1;
    const shown = this.raw.length + (this.pair && many ? 1 : this.images.length);
    const { clientWidth: width, clientHeight: height } = this.root;
    const room = height - (this.pair && many ? 76 : 0);
    let best = { columns: 1, side: 0 };
    for (let columns = 1; columns <= shown; columns += 1) {
      const rows = Math.ceil(shown / columns);
      const side = Math.min(width / columns / 4, (room / rows - 32) / 3);
      if (side > best.side + 0.5) best = { columns, side };
    }
    if (NARROW.matches) best.columns = this.pair && width < 600 ? 1 : 2;
    this.root.style.setProperty("--columns", best.columns);
    this.root.style.setProperty("--rows", Math.max(1, Math.ceil(shown / best.columns)));
  }

  blink(on) {
    this.root.classList.toggle("blink", on);
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.apply();
  }

  // Zooms so that what is under `at` stays there; in fractions of a pane, from its middle.
  zoomTo(scale, at = { x: 0, y: 0 }) {
    const next = Math.min(MAX_ZOOM, Math.max(1, scale));
    const ratio = next / this.scale;
    this.x = at.x - (at.x - this.x) * ratio;
    this.y = at.y - (at.y - this.y) * ratio;
    this.scale = next;
    this.apply();
  }

  zoomBy(factor, at) {
    this.zoomTo(this.scale * factor, at);
  }

  apply() {
    const edge = (this.scale - 1) / 2;
    this.x = Math.min(edge, Math.max(-edge, this.x));
    this.y = Math.min(edge, Math.max(-edge, this.y));
    this.root.style.setProperty("--scale", this.scale.toFixed(4));
    this.root.style.setProperty("--x", `${(this.x * 100).toFixed(3)}%`);
    this.root.style.setProperty("--y", `${(this.y * 100).toFixed(3)}%`);
    this.root.classList.toggle("zoomed", this.scale > 1);
    byId("zoom-level").textContent = `${Math.round(this.scale * 100)}%`;
  }

  point(event) {
    const frame = event.target.closest(".frame") || this.root.querySelector(".frame");
    const box = frame.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width - 0.5, y: (event.clientY - box.top) / box.height - 0.5, box };
  }

  onWheel(event) {
    // On a narrow screen the page itself scrolls; there two fingers zoom.
    if (NARROW.matches && !event.ctrlKey) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const at = event.target.closest(".frame") ? this.point(event) : undefined;
    this.zoomBy(Math.exp(-event.deltaY * lines * 0.002), at);
  }

  onDown(event) {
    const frame = event.target.closest(".frame");
    if (!frame || event.button > 0) return;
    const { box } = this.point(event);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, box, frame, moved: 0 });
    frame.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    const from = this.pointers.get(event.pointerId);
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    const others = [...this.pointers.values()].filter((other) => other !== from);
    if (others.length) {
      const [other] = others;
      const before = Math.hypot(from.x - other.x, from.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (before > 0) this.zoomBy(after / before, this.point(event));
    } else if (this.scale > 1) {
      this.x += dx / from.box.width;
      this.y += dy / from.box.height;
      this.apply();
    }
    Object.assign(from, { x: event.clientX, y: event.clientY, moved: from.moved + Math.hypot(dx, dy) });
  }

  onUp(event) {
    const from = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (event.type === "pointercancel" || !from || from.moved > 4) return;
    const { index } = from.frame.closest(".pane").dataset;
    if (index !== undefined) this.onPick(Number(index));
  }
}
