// The pages: each reads its JSON and draws it.
const column = () => document.getElementById("primary");

function shell() {
  const me = boot.viewer.handle;
  const side = h("header", { role: "banner" },
    h("a#AppTabBar_Home_Link", { href: "/home", "aria-label": "Home" }, "Home"),
    h("a#AppTabBar_Notifications_Link", { href: "/notifications", "aria-label": "Notifications" }, "Notifications"),
    h("a#AppTabBar_Profile_Link", { href: `/${me}`, "aria-label": "Profile" }, "Profile"),
    h("a#SideNav_NewTweet_Button", { href: "/compose/post", "aria-label": WORD.post, onclick: (event) => { event.preventDefault(); openComposer(); } }, WORD.post),
    h("button#SideNav_AccountSwitcher_Button", { type: "button", "aria-label": "Account menu" }, h("div", {}, boot.viewer.name), h("span", {}, `@${me}`)));
  const main = h("main", { role: "main" }, h("div#primaryColumn", { id: "primary" }));
  document.getElementById("react-root").replaceChildren(side, main);
  if (boot.condition === "suspended") layers().append(h("div", { role: "alert", class: "bar" }, "Your account is suspended and is not permitted to perform this action."));
}

function entries(answer) {
  const found = [];
  for (const instruction of answer.instructions) {
    if (instruction.type === "TimelinePinEntry") found.push(instruction.entry);
    if (instruction.type === "TimelineAddEntries") found.push(...instruction.entries);
  }
  return found;
}

function draw(target, list) {
  for (const { content } of list) {
    if (content.cursorType) { target.dataset.cursor = content.value; continue; }
    const { tweet_results: { result }, socialContext, promotedMetadata } = content.itemContent;
    target.append(article(result, { context: socialContext?.text, promoted: Boolean(promotedMetadata) }));
  }
}

async function timeline(target, operation, variables, pick) {
  const list = h("div", { "aria-label": "Timeline" });
  const more = async (cursor) => {
    delete list.dataset.cursor;
    draw(list, entries(pick(await read(operation, cursor ? { ...variables, cursor } : variables))));
  };
  try {
    await more();
  } catch (problem) {
    return pageError(target, () => location.reload(), problem.status === 429 ? "Sorry, you are rate limited. Please wait a few moments then try again." : undefined);
  }
  target.append(list);
  addEventListener("scroll", () => {
    const near = innerHeight + scrollY > document.documentElement.scrollHeight - 800;
    if (near && list.dataset.cursor) more(list.dataset.cursor).catch(() => toast("Rate limit exceeded"));
  });
}

async function home() {
  column().append(h("div", { class: "inline" }, composer({ modal: false, onSent: () => home.redraw() })));
  const feed = h("section", {});
  column().append(feed);
  home.redraw = async () => {
    feed.replaceChildren();
    await timeline(feed, "HomeTimeline", boot.variables, (a) => a.data.home.home_timeline_urt);
  };
  await home.redraw();
}
home.redraw = () => {};

async function compose() {
  const target = new URLSearchParams(location.search).get("in_reply_to");
  const under = home();
  if (!target) openComposer();
  else if (boot.page.stuck) dialog(WORD.reply, h("div", { role: "progressbar", "aria-label": "Loading" }));
  else {
    const result = (await read("TweetDetail", { focalTweetId: target }).catch(() => null))?.data.focal;
    if (!result || result.__typename !== "Tweet") toast(FAILURES[385]);
    else openComposer({ replyTo: facts(result) });
  }
  await under;
}

async function profile() {
  let user;
  try {
    user = (await read("UserByScreenName", { screen_name: boot.page.handle })).data.user?.result;
  } catch {
    return pageError(column(), () => location.reload());
  }
  if (!user) return missing(column(), "This account doesn’t exist");
  if (user.suspended) return column().replaceChildren(h("div#emptyState", {}, h("span", {}, "Account suspended"), h("span", {}, "X suspends accounts which violate the X Rules")));
  const handle = user.core.screen_name, count = user.legacy.followers_count;
  column().append(h("div#UserName", {}, h("span", {}, user.core.name), h("span", {}, `@${handle}`)), h("div#UserDescription", {}, user.legacy.description),
    h("div", {}, h("a", { href: `/${handle}/following`, role: "link" }, h("span", {}, h("span", {}, "86")), " ", h("span", {}, WORD.following)), " ",
      h("a", { href: `/${handle}/verified_followers`, role: "link" }, h("span", {}, h("span", {}, compact(count, 10000, 100))), " ", h("span", {}, WORD.followers))));
  await timeline(column(), boot.page.replies ? "UserTweetsAndReplies" : "UserTweets", { userId: user.rest_id, count: 20 }, (a) => a.data.user.result.timeline.timeline);
}

async function status() {
  let answer;
  try {
    answer = await read("TweetDetail", { focalTweetId: boot.page.id });
  } catch (problem) {
    return pageError(column(), () => location.reload(), problem.status === 429 ? "Rate limit exceeded" : undefined);
  }
  const { focal, parents, replies } = answer.data;
  if (!focal) return missing(column());
  if (location.pathname.startsWith("/i/") && focal.core) history.replaceState({}, "", `/${facts(focal).handle}/status/${boot.page.id}`);
  for (const parent of parents) column().append(article(parent));
  column().append(article(focal, { detail: true }));
  if (focal.__typename === "Tweet") column().append(h("div", { class: "inline" }, composer({ modal: false, replyTo: facts(focal), onSent: () => {} })));
  for (const reply of replies) column().append(article(reply));
  if (boot.page.analytics) await analytics(focal);
}

async function mentions() {
  column().append(h("h2", {}, "Notifications"));
  await timeline(column(), "NotificationsTimeline", boot.variables, (a) => a.data.viewer.timeline);
}

async function start() {
  await pause(boot.page.hydrateMs || 0);
  if (boot.page.shellOnly) {
    document.getElementById("react-root").innerHTML = "<div class='boundary'><span>Something went wrong, but don’t fret — let’s give it another shot.</span></div>";
    return;
  }
  shell();
  overlays();
  await { home, compose, profile, status, mentions, missing: async () => missing(column()) }[boot.page.name]();
}
