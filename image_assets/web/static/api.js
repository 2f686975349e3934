// The server's endpoints.

const page = document.getElementById("page");
export const owner = page.dataset.owner;

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

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null);
  return new URLSearchParams(given).toString();
}

export const getQueue = (filter, cursor) => call(`/review/api/queue?${query({ ...filter, cursor })}`);
export const getSummary = ({ category }) => call(`/review/api/summary?${query({ category })}`);
export const getProduct = (id) => call(`/review/api/products/${id}`);
export const getHistory = (imageId) => call(`/review/api/images/${imageId}/history`);
export const postDecisions = (decisions) => call("/review/api/decisions", { decisions });
export const postUndo = (imageIds) => call("/review/api/undo", { image_ids: imageIds });
