// Decisions: shown at once, sent one after the other, set right when the server says otherwise.

import { getProduct, owner, postDecisions, postUndo } from "./api.js";
import { plural, toast } from "./dom.js";

const BATCH = 50;

export class Decisions {
  // `follows`: more than a status may follow from a decision, so that its product is looked at again.
  constructor({ find, follows, onChange, onReload, onShow, onSettled }) {
    this.find = find;
    this.follows = follows;
    this.onChange = onChange;
    this.onReload = onReload;
    this.onShow = onShow;
    this.onSettled = onSettled;
    this.made = []; // what undo takes back, the last one last
    this.tail = Promise.resolve();
    this.open = 0;
    addEventListener("beforeunload", (event) => {
      if (this.open) event.preventDefault();
    });
  }

  // Targets are images with their products: [{ product, image }]; `again` asks for other images in their place.
  decide(targets, action, reason = null, again = false) {
    const status = action === "approve" ? "approved" : "rejected";
    const entry = targets.map(({ product, image }) => ({ product, image, id: image.id, sha256: image.sha256 }));
    for (const item of entry) {
      set(item, { status, reason, decided_by: owner, decided_at: new Date().toISOString() });
    }
    this.made.push(entry);
    if (this.made.length > 500) this.made.shift();
    this.onChange();
    const wish = { action, reason, ...(again && { again }) };
    const send = (items) => postDecisions(items.map(({ id, sha256 }) => ({ image_id: id, sha256, ...wish })));
    this.queue(entry, send, { reason: null, status: "pending", decided_by: null, decided_at: null });
  }

  // Takes back the last decision, or the one given; answers what it was.
  undo(last = this.made.pop()) {
    if (!last?.length) return null;
    // The queue may have been loaded anew since: what is shown counts.
    const entry = last.map((item) => ({ ...item, ...this.find(item) }));
    const before = { status: entry[0].image.status, reason: entry[0].image.reason };
    for (const item of entry) set(item, { status: "pending", reason: null, decided_by: null, decided_at: null });
    this.onChange();
    this.queue(entry, (items) => postUndo(items.map(({ id }) => id)), { ...before, decided_by: owner });
    return entry;
  }

  // Forgets a decision that was taken back by itself.
  forget(imageId) {
    this.made = this.made.map((entry) => entry.filter((item) => item.id !== imageId)).filter((entry) => entry.length);
  }

  queue(entry, send, otherwise) {
    const marks = entry.map((item) => item.image.mark);
    for (const { image } of entry) image.open = (image.open || 0) + 1;
    this.open += 1;
    this.tail = this.tail.then(async () => {
      const refused = [];
      for (let from = 0; from < entry.length; from += BATCH) {
        const items = entry.slice(from, from + BATCH);
        try {
          const { results } = await send(items);
          results.forEach((result, at) => {
            if (result.ok) settle(items[at], result, marks[from + at]);
            else refused.push([items[at], result]);
          });
        } catch (error) {
          this.unsent(entry.slice(from), otherwise, error);
          break;
        }
      }
      for (const { image } of entry) image.open -= 1;
      if (refused.length) await this.conflict(refused);
      // Of many at once nobody looks at each.
      else if (this.follows && numbers(entry).length === 1) await this.reload(entry);
      this.open -= 1;
      this.onChange();
      this.onSettled();
    });
  }

  unsent(items, otherwise, error) {
    for (const item of items) set(item, otherwise);
    for (const item of items) this.forget(item.id);
    const [first] = items;
    toast(`Not saved: ${plural(items.length, "image")} of ${name(first)}. ${error.message}`, {
      kind: "problem",
      action: "Show",
      run: () => this.onShow(first.product.id, first.id),
    });
  }

  async reload(items) {
    for (const id of numbers(items)) {
      try {
        this.onReload(await getProduct(id));
      } catch (error) {
        toast(error.message, { kind: "problem" });
      }
    }
  }

  async conflict(refused) {
    for (const [item] of refused) this.forget(item.id);
    await this.reload(refused.map(([item]) => item));
    const [[first, result]] = refused;
    const more = refused.length > 1 ? ` And ${plural(refused.length - 1, "more image")}.` : "";
    toast(`${name(first)}, image ${first.image.ordinal}: ${result.message}${more}`, {
      kind: "problem",
      action: "Show",
      run: () => this.onShow(first.product.id, first.id),
    });
  }
}

const numbers = (items) => [...new Set(items.map(({ product }) => product.id))];
const name = (item) => `Product ${item.product.id}`;

// Every change has a number, so that a late answer never overwrites a later wish.
function set(item, values) {
  Object.assign(item.image, values, { mark: (item.image.mark || 0) + 1 });
}

function settle(item, result, mark) {
  item.product.status = result.product_status;
  if (item.image.mark !== mark) return;
  const { status, reason, decided_by, decided_at } = result;
  Object.assign(item.image, { status, reason, decided_by, decided_at });
}
