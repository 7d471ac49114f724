// The server says that something has changed; the page is then loaded anew and put in place where it differs.
import { localise } from "./times.js";

let waiting = false;

export function follow(main) {
  if (!main) return;
  const events = new EventSource(`/live?topics=${encodeURIComponent(main.dataset.live)}`);
  let isFirst = true;
  events.addEventListener("changed", () => {
    if (isFirst && performance.now() < 5000) {
      isFirst = false; // how things stood when the page was made
      return;
    }
    isFirst = false;
    refresh(main);
  });
  addEventListener("pagehide", () => events.close());
}

export async function refresh(main = document.querySelector("main")) {
  if (waiting) return;
  waiting = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    localise(fresh);
    swap(main, fresh);
    document.dispatchEvent(new Event("refreshed"));
  } catch {
    // The server is away; the next event or a reload brings the page up to date.
  } finally {
    waiting = false;
  }
}

function swap(main, fresh) {
  // What a person is busy with stays; the rest is replaced section by section.
  const parts = [...fresh.children];
  const old = [...main.children];
  if (parts.length !== old.length) {
    if (!main.contains(document.activeElement)) main.replaceChildren(...parts);
    return;
  }
  old.forEach((part, place) => {
    const busy = part.contains(document.activeElement) || part.querySelector("dialog[open]") || part.matches("[data-still]");
    if (!busy && !part.isEqualNode(parts[place])) part.replaceWith(parts[place]);
  });
}
