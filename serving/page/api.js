// Calls of the service; every failure becomes an Error whose message is the service's own.

export async function call(path, { body, key } = {}) {
  const started = performance.now();
  const response = await answerTo(request(path, body, key));
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.detail ?? `The service answered ${response.status} and did not say why.`);
  if (answer === null) {
    throw new Error(`What answers at ${location.host} is not the service: look at the address, and at a proxy before it.`);
  }
  return { answer, milliseconds: Math.round(performance.now() - started) };
}

function request(path, body, key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  try {
    return new Request(path, options);
  } catch {
    throw new Error("The key holds characters that no key has: copy it again.");
  }
}

// A browser says no more than "Failed to fetch" of whatever keeps an answer away.
async function answerTo(asked) {
  try {
    return await fetch(asked);
  } catch {
    throw new Error(`The service at ${location.host} cannot be reached: look whether it runs, then try again.`);
  }
}

// Browsers take dots away from an address, and the request would be another one.
function part(id) {
  if (id === "." || id === "..") throw new Error(`“${id}” cannot be asked for: no address can hold it.`);
  return encodeURIComponent(id.toWellFormed?.() ?? id);
}

export async function recommendations(user, diversity, key) {
  const query = new URLSearchParams({ k: 12, diversity });
  return call(`/v1/users/${part(user)}/recommendations?${query}`, { key });
}

export async function similar(item, key) {
  return call(`/v1/items/${part(item)}/similar?k=6`, { key });
}

export async function search(asked, modality, key) {
  return call("/v1/search", { body: { ...asked, modalities: [modality], k: 5 }, key });
}

export async function report(user, item, type, request, key) {
  const event = { event_id: crypto.randomUUID(), user_id: user, item_id: item, type };
  return call("/v1/events", { body: { ...event, request_id: request }, key });
}
