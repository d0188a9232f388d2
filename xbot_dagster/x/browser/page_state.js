// Everything a reader needs from one page, in one call. Selectors and phrases come from the table of the site.
(s) => {
  const label = (root, selector) => {
    const found = root.querySelector(selector);
    return found ? found.getAttribute("aria-label") || "" : null;
  };
  const shown = (root, selector) => {
    const found = root.querySelector(selector);
    return found ? fold(found.innerText || "") : null;
  };
  const own = [s.post_text, s.post_author, s.profile_bio].join(",");
  const fold = (text) => text.replace(/\u2019/g, "'").replace(/\u00a0/g, " ").split(/\s+/).join(" ").trim();
  // X draws emoji as pictures: their alternative text is part of what was written.
  const words = (node) => {
    if (!node.querySelector("img[alt]")) return node.innerText;
    const copy = node.cloneNode(true);
    copy.querySelectorAll("img[alt]").forEach((picture) => picture.replaceWith(picture.alt));
    return copy.textContent;
  };
  const articles = [...document.querySelectorAll(s.article)].map((article) => {
    const links = [...article.querySelectorAll(s.permalink)];
    const dated = links.find((a) => a.querySelector("time")) || links.find((a) => a.matches(s.analytics_link));
    const group = article.querySelector(s.action_group);
    const social = article.querySelector(s.social_context);
    const text = article.querySelector(s.post_text);
    const quoted = [...article.querySelectorAll(s.post_author)][1];
    const time = dated ? dated.querySelector("time") : null;
    return {
      href: dated ? new URL(dated.href).pathname : null,
      time: time ? time.getAttribute("datetime") : null,
      text: text ? words(text) : "",
      social: social ? fold(social.innerText) : null,
      group: group !== null,
      label: group ? group.getAttribute("aria-label") || "" : null,
      buttons: {
        replies: label(article, s.reply_button),
        retweets: label(article, s.repost_button),
        likes: label(article, s.like_button),
        bookmarks: label(article, s.bookmark_button),
      },
      views: label(article, s.analytics_link),
      shown: {
        replies: shown(article, s.reply_button),
        retweets: shown(article, s.repost_button),
        likes: shown(article, s.like_button),
        bookmarks: shown(article, s.bookmark_button),
        impressions: shown(article, s.analytics_link),
      },
      quotes: quoted ? quoted.innerText : null,
      dialog: article.closest(s.dialog) !== null,
    };
  });
  const phrases = new Set(s.phrases);
  const said = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = fold(walker.currentNode.nodeValue || "");
    if (phrases.has(text) && !walker.currentNode.parentElement.closest(own)) said.add(text);
  }
  const dialog = [...document.querySelectorAll(s.dialog)].find((d) => !d.querySelector(s.consent_mask));
  const rows = {};
  if (dialog) {
    const labels = new Set(s.metric_labels);
    for (const node of dialog.querySelectorAll("span, div, p, dt, th")) {
      const name = node.childElementCount === 0 ? fold(node.textContent) : "";
      if (!labels.has(name) || node.closest(own) || name in rows) continue;
      for (let box = node.parentElement; box && box !== dialog; box = box.parentElement) {
        const value = box.querySelector(s.metric_value);
        if (value) { rows[name] = value.textContent.trim(); break; }
      }
    }
  }
  const followers = document.querySelector(s.followers_link);
  return {
    path: location.pathname,
    lang: document.documentElement.lang || "",
    articles, rows, said: [...said],
    dialog: dialog !== undefined,
    error: document.querySelector(s.error_detail) !== null,
    login: document.querySelector(s.login_button) !== null,
    consent: document.querySelector(s.consent_mask) !== null,
    followers: followers ? followers.innerText : null,
    // Nothing below and nothing on its way: a list that has ended, or one that has not come yet (then `listed` is false).
    resting: window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 4 && !document.querySelector("[role=progressbar]"),
    listed: document.querySelector(s.timeline_region) !== null,
    signed_in: [...document.querySelectorAll(s.own_profile_link)].map((link) => link.getAttribute("href") || ""),
  };
}
