// One post as an article, from the API's JSON.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function facts(result) {
  const user = result.core.user_results.result;
  return {
    id: result.rest_id, handle: user.core.screen_name, name: user.core.name, text: result.legacy.full_text, at: new Date(result.legacy.created_at_ms),
    replies: result.legacy.reply_count, reposts: result.legacy.retweet_count + result.legacy.quote_count, likes: result.legacy.favorite_count,
    bookmarks: result.legacy.bookmark_count, views: Number(result.views.count || 0), quoted: result.quoted_status_result?.result,
    entities: result.legacy.entities.urls,
  };
}

// "7 replies, 6 reposts, 143 likes": zero counts are left out; no label at all when everything is zero.
function groupLabel(post) {
  const parts = [[post.replies, WORD.replies], [post.reposts, WORD.reposts], [post.likes, WORD.likes], [post.bookmarks, WORD.bookmarks], [post.views, WORD.views]];
  return parts.filter(([n]) => n).map(([n, forms]) => counted(n, forms)).join(", ");
}

const title = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const number = (n, format) => h("span#app-text-transition-container", {}, h("span", {}, n ? format(n) : ""));

function action(testid, n, label, format, onclick) {
  return h(`button#${testid}`, { role: "button", type: "button", "aria-label": label, onclick }, h("i", { "aria-hidden": "true" }), number(n, format));
}

function actions(post, detail) {
  const format = (n) => compact(n);
  const own = post.handle.toLowerCase() === boot.viewer.handle.toLowerCase();
  const bookmark = detail ? `${counted(post.bookmarks, WORD.bookmarks.map(title))}. ${title(WORD.bookmarks[0])}` : title(WORD.bookmarks[0]);
  const views = post.views ? `${counted(post.views, WORD.views)}. ${WORD.viewAnalytics}` : WORD.viewAnalytics;
  const label = groupLabel(post);
  return h("div", { role: "group", "aria-label": label || null, class: "actions" },
    action("reply", post.replies, `${counted(post.replies, WORD.replies.map(title))}. ${WORD.reply}`, format, () => openComposer({ replyTo: post })),
    action("retweet", post.reposts, `${counted(post.reposts, WORD.reposts)}. Repost`, format),
    action("like", post.likes, `${counted(post.likes, WORD.likes.map(title))}. ${title(WORD.likes[0])}`, format),
    (!detail || own) && h("a", { href: `/${post.handle}/status/${post.id}/analytics`, role: "link", "aria-label": views }, number(post.views, format)),
    action("bookmark", detail ? post.bookmarks : 0, bookmark, format));
}

// X draws emoji as pictures whose alternative text is the character.
const PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
function withPictures(text) {
  const pieces = [];
  let from = 0;
  for (const found of text.matchAll(/\p{RGI_Emoji}/gv)) {
    if (found[0].charCodeAt(0) < 128) continue;
    pieces.push(text.slice(from, found.index), h("img", { alt: found[0], title: found[0], draggable: "false", src: PICTURE, class: "emoji" }));
    from = found.index + found[0].length;
  }
  return [...pieces, text.slice(from)];
}

function textOf(post) {
  const span = h("span", {});
  let rest = post.text;
  for (const url of post.entities) {
    const at = rest.indexOf(url.url);
    span.append(...withPictures(rest.slice(0, at)), h("a", { href: url.short, role: "link", rel: "noopener" }, url.display));
    rest = rest.slice(at + url.url.length);
  }
  span.append(...withPictures(rest));
  return h("div#tweetText", { lang: "en", dir: "auto", class: "text" }, span);
}

const when = (post) => h("time", { datetime: post.at.toISOString() }, `${MONTHS[post.at.getUTCMonth()]} ${post.at.getUTCDate()}`);
const permalink = (post, ...inner) => h("a", { href: `/${post.handle}/status/${post.id}`, role: "link", dir: "ltr" }, ...inner);

function article(result, { context, promoted = false, detail = false } = {}) {
  if (result.__typename === "TweetTombstone") return h("div#cellInnerDiv", {}, h("article", { class: "tombstone" }, h("span", {}, "This post is unavailable.")));
  const post = facts(result);
  const name = h("div#User-Name", {}, h("a", { href: `/${post.handle}`, role: "link" }, h("span", {}, post.name)),
    h("a", { href: `/${post.handle}`, role: "link", tabindex: "-1" }, h("span", {}, `@${post.handle}`)), !detail && !promoted && permalink(post, when(post)), promoted && h("span", {}, WORD.ad));
  const quoted = post.quoted && h("div", { role: "link", class: "quoted" }, h("div#User-Name", {}, `@${facts(post.quoted).handle}`), textOf(facts(post.quoted)));
  const below = detail && h("div", { class: "when" }, permalink(post, when(post)), " · ", h("span", {}, number(post.views, (n) => compact(n)), ` ${title(WORD.views[1])}`));
  return h("div#cellInnerDiv", {}, promoted ? h("div#placementTracking", {}, body()) : body());
  function body() {
    return h("article#tweet", { role: "article", tabindex: "0" }, context && h("span#socialContext", {}, context), name, textOf(post), quoted, below, actions(post, detail));
  }
}
