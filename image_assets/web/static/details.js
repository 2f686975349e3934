// What is known of the current image: where it comes from, its checks, and its trail.

import { getHistory } from "./api.js";
import { byId, h, number, pill, plural, size, time } from "./dom.js";

const root = byId("details");
let wanted = 0;

export function productFacts(product) {
  return product.facts.map(([name, value]) => h("span", {}, `${name} `, h("b", {}, value)));
}

export function showDetails(product, index, { onUndo, owner }) {
  const image = product.images[index];
  wanted += 1;
  if (!image) {
    root.replaceChildren(section("Image", h("p", { class: "note" }, "No image was made.")), ...known(product));
    return;
  }
  const trail = h("ol", { class: "trail", id: "trail" }, h("li", { class: "note" }, "Loading"));
  root.replaceChildren(
    h("div", { class: "details-head" }, h("h2", {}, `Image ${index + 1} of ${product.images.length}`), pill(image.status)),
    ...decided(image, owner, onUndo),
    // Without a photograph the prompt stands above the image.
    ...(product.source ? [section("Prompt", h("p", { class: "prompt" }, image.prompt))] : []),
    section(
      "Made by",
      facts([
        ["Model", image.model],
        ...image.facts,
        ["Cost", `$${Number(image.cost_usd).toFixed(3)}`],
        ["Size", `${number(image.width)} × ${number(image.height)} px`],
        ["File", size(image.bytes)],
        ["SHA-256", h("code", { title: image.sha256 }, `${image.sha256.slice(0, 12)}…`)],
      ]),
    ),
    section("Checks", h("ul", { class: "checks" }, ...Object.entries(image.checks).map(check))),
    ...known(product),
    section("Audit trail", trail),
  );
  loadTrail(image, trail, wanted);
}

function decided(image, owner, onUndo) {
  if (image.status === "pending") return [];
  const by = h("p", { class: "decided" }, `${image.status === "approved" ? "Approved" : "Rejected"} by `, h("b", {}, image.decided_by));
  if (image.decided_at) by.append(", ", time(image.decided_at));
  if (image.reason) by.append(h("span", { class: "why" }, image.reason));
  const undo = image.decided_by === owner && h("button", { type: "button", class: "quiet", onclick: onUndo }, "Take back");
  return undo ? [by, undo] : [by];
}

function check([name, good]) {
  return h("li", { class: good ? "good" : "bad" }, h("span", { class: "verdict" }, good ? "Passed" : "Failed"), name);
}

const known = (product) => product.sections.map((one) => section(one.title, facts(one.facts)));

function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), ...content);
}

function facts(rows) {
  return h("dl", { class: "facts-list" }, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// Only once a reviewer stays for a moment: whoever flies through the queue asks for no trails.
async function loadTrail(image, trail, asked) {
  await new Promise((resolve) => { setTimeout(resolve, 150); });
  if (asked !== wanted) return;
  try {
    const { entries } = await getHistory(image.id);
    if (asked !== wanted) return;
    const items = entries.map((entry) => h(
      "li",
      { class: entry.action },
      h("b", {}, { approved: "Approved", rejected: "Rejected", undone: "Taken back" }[entry.action] || entry.action),
      ` by ${entry.reviewer}, `,
      time(entry.created_at),
      entry.reason ? h("span", { class: "why" }, entry.reason) : null,
      h("code", { title: `SHA-256 ${entry.sha256}` }, entry.sha256.slice(0, 12)),
    ));
    trail.replaceChildren(...(items.length ? items : [h("li", { class: "note" }, "Nobody has decided yet.")]));
  } catch (error) {
    trail.replaceChildren(h("li", { class: "note" }, error.message));
  }
}

export function selectionText(products) {
  const waiting = products.flatMap((product) => product.images).filter((image) => image.status === "pending");
  return `${plural(products.length, "product")}, ${plural(waiting.length, "image")} to review`;
}
