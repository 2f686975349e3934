// The dialog that asks why an image is rejected, and whether another one is wanted in its place.

import { byId } from "./dom.js";

const dialog = byId("reject");
const field = byId("reason");
const againBox = byId("again"); // only where the collection queues products anew
const reasons = [...byId("reasons").querySelectorAll("button")];
let confirmed = null;

// Runs `run(reason, again)` once a reason is given.
export function askReason(title, run) {
  byId("reject-title").textContent = title;
  confirmed = run;
  choose("");
  if (againBox) againBox.checked = true;
  dialog.showModal();
}

function choose(reason) {
  field.value = reason;
  for (const button of reasons) button.setAttribute("aria-pressed", button.dataset.reason === reason);
}

dialog.addEventListener("keydown", (event) => {
  const button = reasons[Number(event.key) - 1];
  const common = field.value === "" || reasons.some((known) => known.dataset.reason === field.value);
  if (!button || !common || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(button.dataset.reason);
  field.focus();
});
field.addEventListener("input", () => choose(field.value));
for (const button of reasons) {
  button.addEventListener("click", () => { choose(button.dataset.reason); field.focus(); });
}
byId("reject-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = field.value.trim();
  if (!reason) return void field.focus();
  dialog.close();
  return void confirmed(reason, Boolean(againBox?.checked));
});
byId("reject-cancel").addEventListener("click", () => dialog.close());
