// The review page: where the reviewer is, and what keys and buttons do.

import { collection, getSummary, owner } from "./api.js";
import { Decisions } from "./decisions.js";
import { productFacts, selectionText, showDetails } from "./details.js";
import { STATUS, announce, byId, h, pill, plural, toast } from "./dom.js";
import { Queue, countText } from "./queue.js";
import { askReason } from "./reason.js";
import { Viewer } from "./viewer.js";

const AHEAD = 5;
const address = new URL(location.href);
const tabs = [...document.querySelectorAll("[data-status]")];
const [FIRST] = tabs.map((tab) => tab.dataset.status);
const filter = {
  status: (tabs.find((tab) => tab.dataset.status === address.searchParams.get("status")) || tabs[0]).dataset.status,
  category: address.searchParams.get("category") || "",
};
let at = { product: -1, image: -1 };
let steps = 0; // counts moves, so that a slow one does not overrule a later one
let ahead = [];

const viewer = new Viewer({ name: byId("page").dataset.image, onPick: (image) => go(at.product, image) });
const queue = new Queue({
  onOpen: (index) => go(index, firstWaiting(queue.products[index])),
  onSelection: showSelection,
  onFailure: (error) => toast(`The queue can't be loaded. ${error.message}`, { kind: "problem", action: "Try again", run: () => queue.more() }),
});
const decisions = new Decisions({
  find: (item) => {
    const product = queue.products[queue.indexOf(item.product.id)];
    const image = product?.images.find((candidate) => candidate.id === item.id);
    return image && { product, image };
  },
  follows: Boolean(byId("again")),
  onChange: refresh,
  onReload: (product) => { queue.update(product); refresh(); },
  onShow: show,
  onSettled: later(loadSummary, 700),
});

// Moving

const current = () => queue.products[at.product];
const currentImage = () => current()?.images[at.image];
const waiting = (product) => (product?.images || []).filter((image) => image.status === "pending");
const targets = (product) => waiting(product).map((image) => ({ product, image }));

function firstWaiting(product) {
  const index = product.images.findIndex((image) => image.status === "pending");
  return index < 0 ? Math.min(0, product.images.length - 1) : index;
}

function go(product, image) {
  steps += 1;
  at = { product, image };
  byId("empty").hidden = true;
  byId("stage").classList.remove("finished");
  queue.setCurrent(product);
  refresh();
  preload();
  remember();
  announce(position());
}

function position() {
  const product = current();
  const image = currentImage();
  if (!product) return "";
  const which = image ? `image ${at.image + 1} of ${product.images.length}, ${STATUS[image.status]}` : "no image";
  return `Product ${product.id}, ${which}`;
}

async function step(by) {
  const product = current();
  if (!product) return;
  const next = at.image + by;
  if (next >= 0 && next < product.images.length) go(at.product, next);
  else await stepProduct(by, by < 0);
}

async function stepProduct(by, last = false) {
  const mine = steps;
  const index = at.product + by;
  if (index >= queue.products.length) await queue.more();
  const product = queue.products[index];
  if (!product || mine !== steps) {
    if (mine === steps) announce(by > 0 ? "This is the last image." : "This is the first image.");
    return;
  }
  go(index, last ? product.images.length - 1 : Math.min(0, product.images.length - 1));
}

// The next image that waits: further on, then among those left behind.
async function advance() {
  const mine = (steps += 1);
  const from = { ...at };
  for (let product = from.product; ; product += 1) {
    if (product >= queue.products.length && !(await queue.more())) break;
    if (mine !== steps) return;
    const found = nextWaiting(product, product === from.product ? from.image + 1 : 0);
    if (found >= 0) return void go(product, found);
  }
  for (let product = 0; product <= from.product; product += 1) {
    const found = nextWaiting(product, 0);
    if (found >= 0) {
      toast("Back to images that were left behind.");
      return void go(product, found);
    }
  }
  finished();
}

function nextWaiting(product, from) {
  const images = queue.products[product]?.images || [];
  return images.findIndex((image, index) => index >= from && image.status === "pending");
}

function finished() {
  const text = queue.products.length ? "All images of this queue are decided." : `Nothing here: no product is ${nothing()}.`;
  const empty = byId("empty");
  empty.replaceChildren(h("p", { class: "big" }, text), h("button", { type: "button", onclick: () => load(0) }, "Load the queue again"));
  empty.hidden = false;
  byId("stage").classList.add("finished");
  if (!queue.products.length) {
    byId("product-title").textContent = STATUS[filter.status];
    byId("product-facts").replaceChildren();
    byId("product-status").replaceChildren();
    byId("details").replaceChildren();
  }
  announce(text);
}

const nothing = () => (filter.status === FIRST ? "waiting for review" : STATUS[filter.status].toLowerCase())
  + (filter.category ? ` in ${filter.category}` : "");

// Goes to an image by its numbers, if its product is loaded.
function show(productId, imageId) {
  const index = queue.indexOf(productId);
  if (index < 0) return void load(productId - 1);
  go(index, queue.products[index].images.findIndex((image) => image.id === imageId));
}

function preload() {
  const urls = [];
  for (let index = at.product; index < queue.products.length && urls.length < 2 * AHEAD; index += 1) {
    const next = waiting(queue.products[index]);
    if (next.length && queue.products[index].source) urls.push(queue.products[index].source);
    urls.push(...next.slice(0, AHEAD).map((image) => image.url));
  }
  ahead = urls.map((url) => Object.assign(new Image(), { src: url }));
  if (at.product + 10 > queue.products.length) queue.more();
  return ahead;
}

// Showing

function refresh() {
  queue.draw();
  showSelection();
  const product = current();
  if (!product) return;
  byId("product-title").textContent = `Product ${product.id}`;
  byId("product-title").append(h("span", { class: "of" }, product.label));
  byId("product-status").replaceChildren(pill(product.status));
  byId("product-facts").replaceChildren(...productFacts(product));
  byId("failure").hidden = !product.failure_reason;
  byId("failure").textContent = product.failure_reason || "";
  const asked = product.source ? "" : currentImage()?.prompt || "";
  byId("asked").hidden = !asked;
  byId("asked").textContent = asked;
  viewer.show(product, at.image);
  showDetails(product, at.image, { owner, onUndo: takeBack });
  const open = currentImage()?.status === "pending";
  byId("approve-current").disabled = !open;
  byId("reject-current").disabled = !open;
  byId("approve-product").disabled = !waiting(product).length;
  byId("undo").disabled = !decisions.made.length && currentImage()?.decided_by !== owner;
}

function showSelection() {
  const chosen = queue.selectedProducts;
  byId("bulk").hidden = !chosen.length;
  byId("bulk-text").textContent = chosen.length ? selectionText(chosen) : "";
}

function remember() {
  clearTimeout(remember.timer);
  remember.timer = setTimeout(() => {
    const url = new URL("/review", location.href);
    if (address.searchParams.has("collection")) url.searchParams.set("collection", collection);
    if (filter.status !== FIRST) url.searchParams.set("status", filter.status);
    if (filter.category) url.searchParams.set("category", filter.category);
    if (current()) url.searchParams.set("product", current().id);
    history.replaceState(null, "", url);
  }, 300);
}

async function loadSummary() {
  try {
    const { counts, limit, categories } = await getSummary(filter);
    for (const tab of tabs) {
      tab.querySelector(".count").textContent = countText(counts[tab.dataset.status], limit);
      if (tab.dataset.status === filter.status) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    const names = filter.category && !categories.includes(filter.category) ? [filter.category, ...categories] : categories;
    const select = byId("category");
    if (document.activeElement === select && select.options.length > 1) return; // not while it is open
    select.replaceChildren(select.options[0], ...names.map((name) => h("option", { value: name }, name)));
    select.value = filter.category;
  } catch (error) {
    toast(error.message, { kind: "problem" });
  }
}

async function load(after) {
  const mine = (steps += 1);
  await decisions.tail; // so that what was just decided is not loaded as it was before
  if (mine !== steps) return;
  at = { product: -1, image: -1 };
  queue.clear({ ...filter }, Math.max(0, after));
  byId("from-start").hidden = !after;
  remember();
  loadSummary();
  await queue.more();
  if (mine !== steps) return;
  if (!queue.products.length) return void finished();
  const found = filter.status === FIRST ? queue.products.findIndex((product) => waiting(product).length) : 0;
  const index = Math.max(0, found);
  go(index, firstWaiting(queue.products[index]));
}

// Deciding

function approve() {
  const image = currentImage();
  if (image?.status !== "pending") return void announce("This image is decided already.");
  if (viewer.broken.has(image.sha256)) {
    return void toast("An image that can't be shown can't be approved.", { kind: "problem" });
  }
  if (!viewer.isSeen(at.image)) return void toast("The image is still being loaded.");
  decisions.decide([{ product: current(), image }], "approve");
  return void advance();
}

function bulk(action) {
  const chosen = queue.selectedProducts;
  const items = (chosen.length ? chosen.flatMap(targets) : targets(current())).filter(
    ({ image }) => action === "reject" || !viewer.broken.has(image.sha256),
  );
  if (!items.length) return void announce("No image waits there.");
  const what = chosen.length ? `${plural(items.length, "image")} of ${plural(chosen.length, "product")}` : `all that wait of product ${current().id}`;
  const carryOut = (reason = null, again = false) => {
    decisions.decide(items, action, reason, again);
    if (chosen.length) {
      queue.clearSelection();
      toast(`${action === "approve" ? "Approved" : "Rejected"}: ${what}.`, { action: "Undo", run: undo });
    }
    advance();
  };
  if (action === "approve") carryOut();
  else askReason(`Reject ${what}`, carryOut);
  return undefined;
}

function reject() {
  const image = currentImage();
  const product = current();
  if (image?.status !== "pending") return void announce("This image is decided already.");
  askReason(`Reject image ${at.image + 1} of product ${product.id}`, (reason, again) => {
    decisions.decide([{ product, image }], "reject", reason, again);
    advance();
  });
  return undefined;
}

function undo() {
  const entry = decisions.undo();
  if (!entry) return void (currentImage()?.decided_by === owner ? takeBack() : announce("There is nothing to undo."));
  const [{ product, id }] = entry;
  if (queue.indexOf(product.id) < 0) return void toast(`Taken back: product ${product.id}.`);
  return void show(product.id, id);
}

function takeBack() {
  const image = currentImage();
  decisions.forget(image.id);
  decisions.undo([{ product: current(), image, id: image.id, sha256: image.sha256 }]);
}

// Keys and buttons

const setPair = (pair) => {
  viewer.setPair(pair);
  byId("view-all").setAttribute("aria-pressed", !pair);
  byId("view-pair").setAttribute("aria-pressed", pair);
};
const keys = {
  a: approve, A: () => bulk("approve"), r: reject, R: () => bulk("reject"), u: undo,
  j: () => step(1), k: () => step(-1), J: () => stepProduct(1), K: () => stepProduct(-1),
  x: () => queue.toggle(at.product), v: () => setPair(!viewer.pair),
  "+": () => viewer.zoomBy(1.5), "=": () => viewer.zoomBy(1.5), "-": () => viewer.zoomBy(1 / 1.5), 0: () => viewer.zoomTo(1),
  b: () => current()?.source && viewer.blink(true), "/": () => byId("category").focus(), "?": () => byId("help").showModal(),
};
const REPEATING = new Set(["j", "k", "J", "K", "+", "=", "-"]);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  if (event.key === "Escape" && typing && !typing.matches("dialog")) event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const run = keys[event.key];
  if (!run || (event.repeat && !REPEATING.has(event.key))) return;
  event.preventDefault();
  run();
});
document.addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "b") viewer.blink(false);
});
addEventListener("blur", () => viewer.blink(false));

const buttons = {
  "approve-current": approve, "reject-current": reject, "approve-product": () => bulk("approve"), undo, next: () => step(1), previous: () => step(-1),
  "bulk-approve": () => bulk("approve"), "bulk-reject": () => bulk("reject"), "bulk-clear": () => queue.clearSelection(),
  "zoom-in": () => viewer.zoomBy(1.5), "zoom-out": () => viewer.zoomBy(1 / 1.5), "zoom-reset": () => viewer.zoomTo(1),
  "view-all": () => setPair(false), "view-pair": () => setPair(true), "show-help": () => byId("help").showModal(), "from-start": () => load(0),
};
for (const [id, run] of Object.entries(buttons)) byId(id).addEventListener("click", () => run());

byId("queue-toggle").addEventListener("click", () => {
  const open = byId("queue").classList.toggle("open");
  byId("queue-toggle").setAttribute("aria-expanded", open);
  byId("queue-toggle").textContent = open ? "Hide" : "Show";
  queue.draw();
});
byId("category").addEventListener("change", (event) => {
  filter.category = event.target.value;
  event.target.blur();
  load(0);
});
for (const tab of tabs) {
  tab.addEventListener("click", (event) => {
    event.preventDefault();
    filter.status = tab.dataset.status;
    load(0);
  });
}
byId("jump").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = Number(byId("jump-to").value);
  byId("jump-to").blur();
  if (wanted > 0) load(wanted - 1);
});

function later(run, delay) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, delay);
  };
}

setPair(viewer.pair);
load(Number(address.searchParams.get("product") || 1) - 1);
