// Small helpers: elements, numbers, times. Markup is never made from strings, so nothing from outside can become markup.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

const plain = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const number = (value) => plain.format(value);
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export function time(text) {
  return h("time", { datetime: text, title: text }, moment.format(new Date(text)));
}

export function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export const STATUS = {
  pending: "To review",
  pending_review: "To review",
  approved: "Approved",
  rejected: "Rejected",
  failed: "Failed",
};

export function pill(status) {
  return h("span", { class: `pill ${status}` }, STATUS[status] || status);
}

// The address of a small picture in place of an image's own.
export const small = (url) => `${url}&w=160`;

// A message that goes by itself, unless it asks for something.
export function toast(text, { kind = "", action = null, run = null } = {}) {
  const box = byId("toasts");
  const close = () => node.remove();
  const node = h("div", { class: `toast ${kind}` }, h("p", {}, text));
  if (action) node.append(h("button", { type: "button", onclick: () => { close(); run(); } }, action));
  node.append(h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: close }, "×"));
  box.append(node);
  while (box.children.length > 4) box.firstElementChild.remove();
  setTimeout(close, kind === "problem" ? 15000 : 6000);
  return node;
}

export function announce(text) {
  byId("live").textContent = text;
}
