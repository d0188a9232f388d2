// The page's own small tools: elements, the API, toasts and dialogs.
const boot = window.__BOOT__;

function h(tag, attributes, ...children) {
  const [name, testid] = tag.split("#");
  const element = document.createElement(name);
  if (testid) element.setAttribute("data-testid", testid);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child != null && child !== false) element.append(child);
  return element;
}

const cookie = (name) => (document.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`)) || [])[1];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let calls = 0;

function headers() {
  return {
    authorization: "Bearer sandbox-web-client", "x-csrf-token": cookie("ct0") || "", "content-type": "application/json",
    "x-client-transaction-id": `${boot.load}-${++calls}`,
  };
}

const queryUrl = (operation, variables) =>
  `/i/api/graphql/${boot.queryId}/${operation}?variables=${encodeURIComponent(JSON.stringify(variables))}`;

// Reads; throws {status} when the server does not answer with 200.
async function read(operation, variables) {
  const url = queryUrl(operation, variables);
  const early = window.__EARLY__ && window.__EARLY__.url === url ? window.__EARLY__.answer : null;
  window.__EARLY__ = null;
  const response = await (early || fetch(url, { headers: headers() }));
  if (!response.ok) throw { status: response.status };
  return response.json();
}

const layers = () => document.getElementById("layers");

let toastTimer;
function toast(text, href, label = WORD.view) {
  document.querySelector('[data-testid="toast"]')?.remove();
  clearTimeout(toastTimer);
  const shown = h("div#toast", { role: "alert" }, h("div", {}, h("span", {}, text)), href && h("a", { href, role: "link" }, h("span", {}, label)));
  layers().append(shown);
  toastTimer = setTimeout(() => shown.remove(), 4000);
}

function dialog(label, ...children) {
  const box = h("div", { role: "dialog", "aria-modal": "true", "aria-label": label }, ...children);
  const layer = h("div", { class: "layer" }, h("div#mask", { class: "mask" }), box);
  layers().append(layer);
  return { box, close: () => layer.remove() };
}

// The error boundary of a page: usually transient, so it offers another try.
function pageError(target, again, text = "Something went wrong. Try reloading.") {
  target.replaceChildren(h("div", { class: "boundary" }, h("span", {}, text), h("button", { role: "button", type: "button", onclick: again }, h("span", {}, "Retry"))));
}

function missing(target, text = "Hmm...this page doesn’t exist. Try searching for something else.") {
  target.replaceChildren(h("div#error-detail", {}, h("span", {}, text)));
}
