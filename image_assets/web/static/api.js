// The server's endpoints, each for the page's collection.

const page = document.getElementById("page");
export const { owner, collection } = page.dataset;

async function call(path, body) {
  const text = body && JSON.stringify(body);
  const init = body && {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Form-Token": page.dataset.formToken },
    body: text,
    // A decision made just before the page is left still arrives; browsers allow that for 64 KiB.
    keepalive: text.length < 16_000,
  };
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", headers: { Accept: "application/json" }, ...init });
  } catch {
    throw new Error("The server can't be reached.");
  }
  if (answer.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.message || `The server answered ${answer.status}.`);
  return content;
}

function at(path, values = {}) {
  const given = Object.entries({ collection, ...values }).filter(([, value]) => value !== "" && value !== null);
  return `/review/api/${path}?${new URLSearchParams(given)}`;
}

export const getQueue = (filter, cursor) => call(at("queue", { ...filter, cursor }));
export const getSummary = ({ category }) => call(at("summary", { category }));
export const getProduct = (id) => call(at(`products/${id}`));
export const getHistory = (imageId) => call(at(`images/${imageId}/history`));
export const postDecisions = (decisions) => call(at("decisions"), { decisions });
export const postUndo = (imageIds) => call(at("undo"), { image_ids: imageIds });
