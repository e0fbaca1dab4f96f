// One item as people see it. Text is set as text: what a catalogue says is never taken as HTML.

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function button(label, item, act) {
  const made = element("button", label, { type: "button", "aria-label": `${label}: ${item.title}` });
  made.addEventListener("click", act);
  return made;
}

// A tag cannot send a key: where there is one, the bytes are fetched and shown from memory.
async function fill(tag, item, modality, key) {
  const path = `/v1/items/${encodeURIComponent(item.item_id)}/media/${modality}`;
  if (!key) {
    tag.src = path;
    return;
  }
  const response = await fetch(path, { headers: { Authorization: `Bearer ${key}` } }).catch(() => null);
  if (response?.ok) tag.src = URL.createObjectURL(await response.blob());
}

function shares(reason) {
  const told = Object.entries(reason.modality_shares).filter(([, share]) => share > 0.005);
  const words = told.map(([name, share]) => `${name} ${Math.round(share * 100)} %`).join(", ");
  const bar = element("div", undefined, { class: "shares", role: "img", "aria-label": words, title: words });
  for (const [name, share] of told) {
    const part = element("span", undefined, { class: name });
    part.style.flex = String(share);
    bar.append(part);
  }
  return told.length ? [bar] : [];
}

export function card(item, key, { like, hide, similar }) {
  const made = element("li", undefined, { class: "card" });
  if (item.media.includes("image")) {
    const picture = element("img", undefined, { alt: "", loading: "lazy" });
    fill(picture, item, "image", key);
    made.append(picture);
  }
  made.append(element("h3", item.title), element("p", item.categories.join(", ")));
  if (item.media.includes("audio")) {
    const told = { controls: "", preload: "none", "aria-label": `Sound of ${item.title}` };
    const player = element("audio", undefined, told);
    fill(player, item, "audio", key);
    made.append(player);
  }
  if (item.reason) made.append(element("p", `Because of ${item.reason.sentence}.`), ...shares(item.reason));
  const actions = element("div", undefined, { class: "actions" });
  if (like) actions.append(button("Like", item, like));
  if (hide) actions.append(button("Hide", item, hide));
  actions.append(button("Similar", item, similar));
  made.append(actions);
  return made;
}

export function matches(modality, items, choose) {
  if (!items.length) return null;
  const column = element("div");
  const list = element("ol");
  for (const item of items) {
    const row = element("li");
    const pick = element("button", item.title, { type: "button" });
    pick.addEventListener("click", () => choose(item));
    row.append(pick);
    list.append(row);
  }
  column.append(element("h3", `By ${modality}`), list);
  return column;
}
