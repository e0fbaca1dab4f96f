import { recommendations, report, search, similar } from "./api.js";
import { card, matches } from "./cards.js";
import { Given, dropInto, recordBy } from "./given.js";
import { MODALITIES } from "./modalities.js";

const byId = (id) => document.getElementById(id);
const SLIDER_RESTS = 300;
const FALLBACK =
  "A part of the service failed or was late: this list was made of what was at hand, and may suit less well. Show asks again.";
let asked = 0;
let searched = 0;
// Whose list stands on the page: what is liked, hidden or moved is theirs, whatever is being typed.
let shown = { user: "", at: null };

const key = () => byId("key").value;

function tell(place, message, warning) {
  place.textContent = message;
  place.classList.toggle("warning", Boolean(warning));
}

const say = (message, warning) => tell(byId("note"), message, warning);
const sayOfSearch = (message, warning) => tell(byId("search-note"), message, warning);

const given = new Given(byId("given"), sayOfSearch);

async function attempt(work, told = say) {
  try {
    await work();
  } catch (error) {
    told(error.message, true);
  }
}

function showAge(old) {
  byId("list").classList.toggle("old", old);
  byId("shown-age").textContent = old ? `, as it was at ${shown.at.toLocaleTimeString()}` : "";
}

async function showList(user, message = "") {
  const turn = ++asked;
  const found = await recommendations(user, byId("diversity").value, key()).catch((error) => error);
  // A list that was asked for later is the one to show.
  if (turn !== asked) return;
  if (found instanceof Error) {
    if (shown.at) showAge(true);
    else byId("status").textContent = "There is no list yet.";
    throw new Error(`${message} ${found.message}`.trim());
  }
  const { answer, milliseconds } = found;
  shown = { user, at: new Date() };
  byId("shown-user").textContent = user;
  showAge(false);
  const cards = answer.items.map((item) =>
    card(item, key(), {
      like: () => attempt(() => react(user, item, "like", answer.request_id)),
      hide: () => attempt(() => react(user, item, "hide", answer.request_id)),
      similar: () => attempt(() => showSimilar(item)),
    }),
  );
  byId("list").replaceChildren(...cards);
  const fallback = answer.path === "fallback";
  const who = answer.known_user ? "" : "Nothing is known of this user yet.";
  say([message, fallback ? FALLBACK : "", who].filter(Boolean).join(" "), fallback);
  byId("status").textContent = `The list was answered in ${milliseconds} ms.`;
  byId("about").hidden = false;
  byId("about-text").textContent = `Model ${answer.model_version}, answer ${answer.request_id}.`;
}

async function react(user, item, type, request) {
  await report(user, item.item_id, type, request, key());
  await showList(user, type === "like" ? `You liked ${item.title}.` : `${item.title} is hidden.`);
  byId("list").focus();
}

async function showSimilar(item) {
  const { answer } = await similar(item.item_id, key());
  byId("similar-title").textContent = `Similar to ${item.title}`;
  const cards = answer.items.map((found) =>
    card(found, key(), { similar: () => attempt(() => showSimilar(found)) }),
  );
  byId("similar").replaceChildren(...cards);
  byId("similar-section").hidden = false;
  byId("similar-title").focus();
}

async function find() {
  const turn = ++searched;
  const words = byId("words").value.trim();
  const asked = { ...(words && { text: words }), ...(await given.asked()) };
  if (!Object.keys(asked).length) {
    sayOfSearch("Type words, or choose a picture or a sound.");
    return;
  }
  sayOfSearch("Searching …");
  // What was found by other words would be taken for what these find.
  byId("found").replaceChildren();
  const found = [];
  // One after the other: the service reads only so many pictures and sounds at once.
  for (const name of MODALITIES) found.push(await search(asked, name, key()));
  if (turn !== searched) return;
  const choose = (item) => attempt(() => showSimilar(item), sayOfSearch);
  const columns = found.map(({ answer }, place) => matches(MODALITIES[place], answer.items, choose));
  byId("found").replaceChildren(...columns.filter(Boolean));
  sayOfSearch(columns.some(Boolean) ? "" : "Nothing was found.");
}

byId("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => showList(byId("user").value));
});
let resting;
byId("diversity").addEventListener("input", () => {
  clearTimeout(resting);
  resting = setTimeout(() => attempt(() => showList(shown.user || byId("user").value)), SLIDER_RESTS);
});
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(find, sayOfSearch);
});
for (const name of ["picture", "sound"]) {
  byId(name).addEventListener("change", (event) => {
    given.take(event.target.files);
    // The same file may be chosen again.
    event.target.value = "";
  });
}
dropInto(byId("search-form"), (files) => given.take(files));
recordBy(byId("record"), (file) => given.set("audio", file), sayOfSearch);
attempt(() => showList(byId("user").value));
