// Words and numbers of the interface, by language. Counts in aria-labels are plain integers in every language.
const WORDS = {
  en: {
    post: "Post", postAll: "Post all", reply: "Reply", addPost: "Add post", postText: "Post text", happening: "What's happening?",
    yourReply: "Post your reply", sent: "Your post was sent.", allSent: "Your posts were sent.", view: "View",
    replies: ["reply", "replies"], reposts: ["repost", "reposts"], likes: ["like", "likes"], bookmarks: ["bookmark", "bookmarks"],
    views: ["view", "views"], viewAnalytics: "View post analytics", followers: "Followers", following: "Following", pinned: "Pinned",
    reposted: "reposted", ad: "Ad",
  },
  de: {
    post: "Posten", postAll: "Alles posten", reply: "Antworten", addPost: "Post hinzufügen", postText: "Post-Text", happening: "Was gibt’s Neues?",
    yourReply: "Poste deine Antwort", sent: "Dein Post wurde gesendet.", allSent: "Deine Posts wurden gesendet.", view: "Ansehen",
    replies: ["Antwort", "Antworten"], reposts: ["Repost", "Reposts"], likes: ["„Gefällt mir“-Angabe", "„Gefällt mir“-Angaben"],
    bookmarks: ["Lesezeichen", "Lesezeichen"], views: ["Mal angezeigt", "Mal angezeigt"], viewAnalytics: "Post-Analysen anzeigen",
    followers: "Follower", following: "Folge ich", pinned: "Angepinnt", reposted: "hat repostet", ad: "Anzeige",
  },
  es: {
    post: "Postear", postAll: "Postear todo", reply: "Responder", addPost: "Agregar post", postText: "Texto del post", happening: "¿Qué está pasando?",
    yourReply: "Postea tu respuesta", sent: "Se envió tu post.", allSent: "Se enviaron tus posts.", view: "Ver",
    replies: ["respuesta", "respuestas"], reposts: ["repost", "reposts"], likes: ["Me gusta", "Me gusta"], bookmarks: ["guardado", "guardados"],
    views: ["reproducción", "reproducciones"], viewAnalytics: "Ver analíticas del post", followers: "Seguidores", following: "Siguiendo",
    pinned: "Fijado", reposted: "reposteó", ad: "Anuncio",
  },
  fr: {
    post: "Poster", postAll: "Tout poster", reply: "Répondre", addPost: "Ajouter un post", postText: "Texte du post", happening: "Quoi de neuf ?!",
    yourReply: "Postez votre réponse", sent: "Votre post a été envoyé.", allSent: "Vos posts ont été envoyés.", view: "Voir",
    replies: ["réponse", "réponses"], reposts: ["repost", "reposts"], likes: ["J’aime", "J’aime"], bookmarks: ["signet", "signets"],
    views: ["vue", "vues"], viewAnalytics: "Voir les statistiques du post", followers: "abonnés", following: "abonnements", pinned: "Épinglé",
    reposted: "a reposté", ad: "Publicité",
  },
  pt: {
    post: "Postar", postAll: "Postar tudo", reply: "Responder", addPost: "Adicionar post", postText: "Texto do post", happening: "O que está acontecendo?",
    yourReply: "Postar sua resposta", sent: "Seu post foi enviado.", allSent: "Seus posts foram enviados.", view: "Ver",
    replies: ["resposta", "respostas"], reposts: ["repost", "reposts"], likes: ["curtida", "curtidas"], bookmarks: ["item salvo", "itens salvos"],
    views: ["visualização", "visualizações"], viewAnalytics: "Ver estatísticas do post", followers: "Seguidores", following: "Seguindo",
    pinned: "Fixado", reposted: "repostou", ad: "Anúncio",
  },
  ja: {
    post: "ポストする", postAll: "すべてポスト", reply: "返信", addPost: "ポストを追加", postText: "ポスト本文", happening: "いまどうしてる？",
    yourReply: "返信をポスト", sent: "ポストを送信しました。", allSent: "ポストを送信しました。", view: "表示",
    replies: ["件の返信", "件の返信"], reposts: ["件のリポスト", "件のリポスト"], likes: ["件のいいね", "件のいいね"],
    bookmarks: ["件のブックマーク", "件のブックマーク"], views: ["件の表示", "件の表示"], viewAnalytics: "ポストアナリティクスを表示",
    followers: "フォロワー", following: "フォロー中", pinned: "固定", reposted: "さんがリポストしました", ad: "広告",
  },
};
const COMPACT = {
  en: [[1e9, "B"], [1e6, "M"], [1e3, "K"]],
  de: [[1e6, " Mio."]],
  es: [[1e6, " M"], [1e3, " mil"]],
  fr: [[1e6, " M"], [1e3, " k"]],
  pt: [[1e6, " mi"], [1e3, " mil"]],
  ja: [[1e8, "億"], [1e4, "万"]],
};
const LANG = document.documentElement.lang;
const WORD = WORDS[LANG] || WORDS.en;
const NUMBER_LOCALE = WORDS[LANG] ? LANG : "en";

const full = (n) => n.toLocaleString(NUMBER_LOCALE);
const counted = (n, forms) => (NUMBER_LOCALE === "ja" ? `${n}${forms[0]}` : `${n} ${n === 1 ? forms[0] : forms[1]}`);

// 1.1K, 13K, 3.6M: one decimal below ten units of a suffix (hundred for followers), cut off, not rounded up.
function compact(n, from = 1000, decimalsBelow = 10) {
  if (n < from) return full(n);
  for (const [unit, suffix] of COMPACT[NUMBER_LOCALE]) {
    if (n >= unit) {
      const scaled = n / unit;
      const cut = scaled < decimalsBelow ? Math.floor(scaled * 10) / 10 : Math.floor(scaled);
      return cut.toLocaleString(NUMBER_LOCALE, { maximumFractionDigits: 1 }) + suffix;
    }
  }
  return full(n);
}
