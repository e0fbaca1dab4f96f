// Calls of the service; every failure becomes an Error whose message is the service's own.

export async function call(path, { body, key } = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  const started = performance.now();
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail ?? response.statusText);
  return { answer, milliseconds: Math.round(performance.now() - started) };
}

export function recommendations(user, diversity, key) {
  const query = new URLSearchParams({ k: 12, diversity });
  return call(`/v1/users/${encodeURIComponent(user)}/recommendations?${query}`, { key });
}

export function similar(item, key) {
  return call(`/v1/items/${encodeURIComponent(item)}/similar?k=6`, { key });
}

export function search(asked, modality, key) {
  return call("/v1/search", { body: { ...asked, modalities: [modality], k: 5 }, key });
}

export function report(user, item, type, request, key) {
  const event = { event_id: crypto.randomUUID(), user_id: user, item_id: item, type };
  return call("/v1/events", { body: { ...event, request_id: request }, key });
}
