import { call, recommendations, report, search, similar } from "./api.js";
import { card, matches } from "./cards.js";
import { Given, dropInto, recordBy } from "./given.js";

const byId = (id) => document.getElementById(id);
const MODALITIES = ["text", "image", "audio", "reviews", "attributes"];
let asked = 0;

const key = () => byId("key").value;
const user = () => byId("user").value;

function say(message) {
  byId("note").textContent = message;
}

function sayOfSearch(message) {
  byId("search-note").textContent = message;
}

const given = new Given(byId("given"), sayOfSearch);

async function attempt(work, tell = say) {
  try {
    await work();
  } catch (error) {
    tell(error.message);
  }
}

async function showList(message = "") {
  const turn = ++asked;
  const { answer, milliseconds } = await recommendations(user(), byId("diversity").value, key());
  // A list that was asked for later is the one to show.
  if (turn !== asked) return;
  byId("shown-user").textContent = user();
  const cards = answer.items.map((item) =>
    card(item, key(), {
      like: () => attempt(() => react(item, "like", answer.request_id)),
      hide: () => attempt(() => react(item, "hide", answer.request_id)),
      similar: () => attempt(() => showSimilar(item)),
    }),
  );
  byId("list").replaceChildren(...cards);
  const who = answer.known_user ? "" : " Nothing is known of this user yet.";
  say(`${message}${who}`);
  byId("status").textContent = `${answer.model_version} answered in ${milliseconds} ms.`;
}

async function react(item, type, request) {
  await report(user(), item.item_id, type, request, key());
  await showList(type === "like" ? `You liked ${item.title}.` : `${item.title} is hidden.`);
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
  const words = byId("words").value.trim();
  const asked = { ...(words && { text: words }), ...(await given.asked()) };
  if (!Object.keys(asked).length) {
    sayOfSearch("Type words, or choose a picture or a sound.");
    return;
  }
  sayOfSearch("Searching …");
  const found = [];
  // One after the other: the service reads only so many pictures and sounds at once.
  for (const name of MODALITIES) found.push(await search(asked, name, key()));
  const columns = found.map(({ answer }, place) =>
    matches(MODALITIES[place], answer.items, (item) => attempt(() => showSimilar(item))),
  );
  byId("found").replaceChildren(...columns.filter(Boolean));
  sayOfSearch(columns.some(Boolean) ? "" : "Nothing was found.");
}

byId("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(showList);
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
attempt(async () => {
  const { answer } = await call("/readyz");
  byId("status").textContent = `${answer.model_version} answers.`;
  await showList();
});
