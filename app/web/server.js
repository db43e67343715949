// Talks to the server: JSON, streams, and the key that it may ask for. Knows no element but the door.

export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
  }
}

async function fetched(method, path, body, signal) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(path, { method, headers, body: sent, signal });
  if (answer.status === 401) {
    await signedIn();
    return fetched(method, path, body, signal);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.error);
  }
  return answer;
}

export async function call(method, path, body) {
  return (await fetched(method, path, body)).json();
}

/** Every event of a streamed response, as it comes. */
export async function* events(body, signal) {
  const answer = await fetched("POST", "/v1/responses", { ...body, stream: true }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

let door = null;

/** Ask for a key until one is right; everybody who waits is let in by the same. */
function signedIn() {
  door ??= new Promise((resolve) => {
    const dialog = document.getElementById("door");
    document.getElementById("sign-in").onsubmit = async (submitted) => {
      submitted.preventDefault();
      const key = document.getElementById("key").value;
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const answer = await fetch("/api/session", { method: "POST", headers, body: "{}" });
      if (!answer.ok) {
        document.getElementById("wrong").textContent = "That key is not known.";
        return;
      }
      dialog.close();
      door = null;
      resolve();
    };
    dialog.oncancel = (event) => event.preventDefault();
    dialog.showModal();
  });
  return door;
}
