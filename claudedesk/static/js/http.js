/** Requests to our own server: the session's token on each, an error's own words on failure. */

const SILENT = "claudedesk does not answer. Nothing you wrote is lost; try again in a moment.";

/** What the server said no to, or that it did not answer (status 0). `message` may be shown as it stands. */
export class Refused extends Error {
  constructor(message, status = 0, kind = "connection") {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

export function headers(more = {}) {
  const token = document.querySelector('meta[name="claudedesk-token"]')?.content ?? "";
  return { "X-Claudedesk-Token": token, ...more };
}

/** Send JSON, return JSON (or text, or null when there is none). Throws Refused. */
export async function send(method, url, body, options = {}) {
  const request = { method, headers: headers(), ...options };
  if (body !== undefined) {
    request.headers = headers({ "Content-Type": "application/json" });
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, request);
  } catch {
    throw new Refused(SILENT);
  }
  const said = await read(response);
  if (response.ok) return said;
  const { message, kind } = said?.error ?? {};
  throw new Refused(message ?? `That did not work (${response.status}).`, response.status, kind);
}

async function read(response) {
  if (response.status === 204) return null;
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  try {
    return isJson ? await response.json() : await response.text();
  } catch {
    throw new Refused(SILENT);
  }
}
