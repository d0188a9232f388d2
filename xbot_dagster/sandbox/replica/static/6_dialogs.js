// Post analytics and the things that get in the way.
const METRICS = { Impressions: "Impressions", Engagements: "Engagements", DetailExpands: "Detail expands", ProfileVisits: "Profile visits", LinkClicks: "Link clicks" };

async function analytics(result) {
  const post = facts(result);
  const shown = dialog("Post Analytics", h("h2", { id: "modal-header", role: "heading" }, h("span", {}, "Post Analytics")));
  const rows = h("div", {}, h("div", { role: "progressbar" }));
  shown.box.append(rows);
  if (post.handle.toLowerCase() !== boot.viewer.handle.toLowerCase()) {
    return rows.replaceChildren(h("span", {}, "Views"), h("span", {}, full(post.views)), h("span", {}, "Times this post was seen."), h("button", { type: "button", onclick: shown.close }, "Dismiss"));
  }
  const failed = () => rows.replaceChildren(h("div", {}, "Something went wrong"), h("div", {}, "Please try again later."), h("button", { type: "button", onclick: () => (shown.close(), analytics(result)) }, "Retry"));
  let grid;
  try {
    const answer = await read("TweetActivityQuery", { restId: post.id, from_time: post.at.toISOString(), to_time: boot.now, requested_organic_metrics: ["DetailExpands", "Engagements", "Follows", "Impressions", "LinkClicks", "ProfileVisits"] });
    if (answer.errors) return failed();
    grid = answer.data.tweet_result_by_rest_id.result.organic_metrics_total.datapoints_grid;
  } catch {
    return failed();
  }
  const value = Object.fromEntries(grid.map((point) => [point.metric_type, point.metric_value]));
  if (!value.Impressions && Date.parse(boot.now) - post.at < 5 * 60_000) {
    return rows.replaceChildren(h("div", {}, "Nothing to see here - yet"), h("div", {}, "Once more data is collected, you'll see that information here."));
  }
  const strip = [["likes", post.likes, WORD.likes], ["reposts", post.reposts, WORD.reposts], ["replies", post.replies, WORD.replies]];
  const cells = [];
  const row = (label, n) => {
    const cell = h("span", {}, "0");
    cells.push([cell, n]);
    return h("div", { class: "metric" }, h("div", { dir: "ltr" }, h("span", {}, label)), h("div", { dir: "ltr", class: "bold" }, h("span#app-text-transition-container", {}, cell)));
  };
  const drawn = Object.entries(METRICS).filter(([type]) => type !== "LinkClicks" || post.entities.length).map(([type, label]) => row(label, value[type] ?? 0));
  rows.replaceChildren(h("div", { class: "quoted" }, textOf(post)), h("div", {}, strip.map(([, n, forms]) => h("div", { "aria-label": counted(n, forms) }, number(n, (x) => compact(x, 1e5))))), ...drawn);
  // Numbers are first drawn as 0 and roll to their value: an eager reader stores zeros.
  setTimeout(() => cells.forEach(([cell, n]) => (cell.textContent = compact(n, 1e5, 0))), 50);
}

function overlays() {
  if (boot.page.staleToast) toast(WORD.sent, boot.page.staleToast);
  const kind = boot.page.overlay;
  if (kind === "consent_mask") {
    const wall = h("div", { class: "layer top" }, h("div#twc-cc-mask", { class: "mask" }), h("div#BottomBar", { class: "wall" }, h("span", {}, "Did someone say … cookies?"),
      h("button", { type: "button", role: "button", onclick: () => wall.remove() }, "Accept all cookies"), h("button", { type: "button", role: "button", onclick: () => wall.remove() }, "Refuse non-essential cookies")));
    layers().append(wall);
  }
  if (kind === "got_it" || kind === "confirmation") {
    const layer = h("div", { class: "layer top" }, h("div#mask", { class: "mask" }));
    const close = () => layer.remove();
    layer.append(kind === "got_it"
      ? h("div#sheetDialog", { role: "dialog", class: "sheet" }, h("span", {}, "Views are here. You can now see how often a post was seen."), h("button", { type: "button", role: "button", onclick: close }, h("span", {}, "Got it")))
      : h("div#confirmationSheetDialog", { role: "dialog", class: "sheet" }, h("span", {}, "Turn on notifications?"), h("button#confirmationSheetConfirm", { type: "button", onclick: close }, "Turn on"), h("button#confirmationSheetCancel", { type: "button", onclick: close }, "Not now")));
    layers().append(layer);
  }
}

start();
