// The editor and the two composers (inline, and the dialog over any page).
const URL_RULE = /(?:https?:\/\/\S+|(?<![@\w.-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|dev|io|co|app|info|ai)\b(?:\/\S*)?)/gi;
const LIGHT = [[0, 4351], [8192, 8205], [8208, 8223], [8242, 8247]];

function weight(text) {
  let rest = text.normalize("NFC"), total = 0;
  rest = rest.replace(URL_RULE, () => ((total += 23), ""));
  rest = rest.replace(/\p{RGI_Emoji}/gv, () => ((total += 2), ""));
  for (const ch of rest) total += LIGHT.some(([from, to]) => ch.codePointAt(0) >= from && ch.codePointAt(0) <= to) ? 1 : 2;
  return total;
}

// What the editor holds, line by line; blocks and <br> are the browser's own way of writing a new line.
function contentOf(editor) {
  const lines = [];
  let open = false;
  const walk = (node) => {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) {
        if (!open) { lines.push(""); open = true; }
        lines[lines.length - 1] += child.data;
      } else if (child.nodeName === "BR") {
        if (!open) lines.push("");
        open = false;
      } else if (child.nodeName === "DIV" || child.nodeName === "P") {
        open = false;
        walk(child);
        open = false;
      } else walk(child);
    }
  };
  walk(editor);
  return lines.join("\n").replace(/\u00a0/g, " ");
}

function makeEditor(index, placeholder, changed) {
  const editor = h(`div#tweetTextarea_${index}`, {
    role: "textbox", contenteditable: "true", "aria-label": WORD.postText, "aria-multiline": "true", spellcheck: "true", class: "editor", "data-placeholder": placeholder,
  });
  const state = { text: "", editor };
  // Only what a person (or a driver that acts like one) types changes the state: a script that sets innerText does not.
  editor.addEventListener("input", (event) => {
    if (!event.isTrusted) return;
    state.text = contentOf(editor);
    changed();
  });
  state.box = h(`div#tweetTextarea_${index}RichTextInputContainer`, {}, h(`div#tweetTextarea_${index}_label`, {}, editor));
  return state;
}

function composer({ modal, replyTo, onSent }) {
  const parts = [], boxes = h("div", {}), limit = boot.viewer.longPosts ? 25000 : 280;
  const sendLabel = h("span", {}, replyTo ? WORD.reply : WORD.post);
  const send = h(`button#${modal ? "tweetButton" : "tweetButtonInline"}`, { role: "button", type: "button" }, sendLabel);
  const add = !replyTo && h("button#addButton", { role: "button", type: "button", "aria-label": WORD.addPost }, "+");
  let busy = false;
  const length = (text) => (boot.viewer.longPosts ? text.length : weight(text));
  function refresh() {
    const ready = !busy && parts.every((part) => part.text.trim() && length(part.text.trim()) <= limit);
    send.toggleAttribute("disabled", !ready);
    if (ready) send.removeAttribute("aria-disabled");
    else send.setAttribute("aria-disabled", "true");
    if (!replyTo) sendLabel.textContent = parts.length > 1 ? WORD.postAll : WORD.post;
  }
  function extend() {
    const part = makeEditor(parts.length, replyTo ? WORD.yourReply : WORD.happening, refresh);
    parts.push(part);
    boxes.append(part.box);
    refresh();
    part.editor.focus();
  }
  if (add) add.addEventListener("click", extend);
  send.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    refresh();
    await publish(parts.map((part) => part.text.trim()), replyTo?.id, onSent);
    busy = false;
    refresh();
  });
  extend();
  return h("div", { class: "composer" }, boxes, h("div#toolBar", { class: "bar" }, add, send));
}

const FAILURES = {
  37: "Your account is suspended and is not permitted to send posts.",
  64: "Your account is suspended and is not permitted to send posts.",
  88: "Sorry, you are rate limited. Please wait a few moments then try again.",
  130: "X is over capacity. Please wait a few moments then try again.",
  185: "You are over the daily limit for sending posts.",
  186: "The text of your post exceeds the maximum allowed limit.",
  187: "Whoops! You already said that.",
  344: "You are over the daily limit for sending posts.",
  385: "The post you are trying to reply to has been deleted or is not visible to you.",
};
const UNMAPPED = "Something went wrong. Try sending your post again in a minute.";

async function create(text, replyTo) {
  const operation = weight(text) > 280 ? "CreateNoteTweet" : "CreateTweet";
  const variables = { tweet_text: text, dark_request: false, media: { media_entities: [], possibly_sensitive: false }, semantic_annotation_ids: [] };
  if (replyTo) variables.reply = { in_reply_to_tweet_id: replyTo, exclude_reply_user_ids: [] };
  const sent = headers();
  const watch = setInterval(() => obey(sent["x-client-transaction-id"]), 200);
  try {
    const response = await fetch(`/i/api/graphql/${boot.queryId}/${operation}`, {
      method: "POST", headers: sent, body: JSON.stringify({ variables, features: { longform_notetweets_consumption_enabled: true }, queryId: boot.queryId }),
    });
    return await response.json();
  } finally {
    clearInterval(watch);
  }
}

// While an answer is overdue the page asks whether it was told to crash (a fault of the sandbox).
async function obey(transaction) {
  const order = await fetch(`/_sandbox/page/orders/${transaction}`).then((r) => r.json()).catch(() => ({}));
  if (order.crash) document.querySelector(":not(".repeat(100000) + "a" + ")".repeat(100000));
}

async function publish(texts, replyTo, onSent) {
  let last = replyTo, first = null;
  for (const text of texts) {
    let answer;
    try {
      answer = await create(text, last);
    } catch {
      return toast(UNMAPPED);
    }
    const error = answer.errors?.[0];
    if (error?.code === 326) return location.assign("/account/access");
    if (error) return toast(FAILURES[error.code] || UNMAPPED, [185, 344].includes(error.code) ? "/i/limits" : null, "Learn more");
    const result = (answer.data.create_tweet || answer.data.notetweet_create).tweet_results.result;
    last = result?.rest_id;
    first = first || last;
  }
  onSent();
  toast(texts.length > 1 ? WORD.allSent : WORD.sent, first && `/${boot.viewer.handle}/status/${first}`);
}

function openComposer({ replyTo } = {}) {
  const before = location.pathname.startsWith("/compose") ? "/home" : location.href;
  if (!location.pathname.startsWith("/compose")) history.pushState({}, "", replyTo ? `/compose/post?in_reply_to=${replyTo.id}` : "/compose/post");
  const shown = dialog(WORD.post, h("button#app-bar-close", { role: "button", "aria-label": "Close", type: "button", onclick: leave }, "×"), replyTo && h("div", { class: "target" }, `@${replyTo.handle}`));
  function leave() {
    shown.close();
    history.replaceState({}, "", before);
  }
  const inner = composer({ modal: true, replyTo, onSent: leave });
  shown.box.append(inner);
  inner.querySelector('[contenteditable="true"]').focus();
}
