// Talking to the API of this service, and saying in plain words what did not work.
export async function send(method, path, body) {
  const isForm = body instanceof FormData || body instanceof Blob;
  const answer = await fetch(path, {
    method,
    headers: { Accept: "application/json", ...(body && !isForm ? { "Content-Type": "application/json" } : {}) },
    body: body && !isForm ? JSON.stringify(body) : body,
  });
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(document.detail || `The service answered ${answer.status}.`);
  return document;
}

export function toast(text, kind = "") {
  const line = Object.assign(document.createElement("p"), { className: `toast ${kind}`, textContent: text });
  document.querySelector(".toasts").append(line);
  setTimeout(() => line.remove(), kind === "bad" ? 9000 : 4000);
}

// A button that is at work says so and cannot be pressed twice.
export async function during(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    toast(error.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

// <form data-send="POST /v1/…"> sends its fields as JSON and then shows the page anew.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.send) return;
  event.preventDefault();
  const [method, path] = form.dataset.send.split(" ");
  const fields = Object.fromEntries([...new FormData(form, event.submitter)].filter(([, value]) => value !== ""));
  for (const input of form.querySelectorAll("[data-number]")) {
    if (input.name in fields) fields[input.name] = Number(fields[input.name]);
  }
  const done = await during(event.submitter, () => send(method, path, fields));
  if (!done) return;
  form.closest("dialog")?.close();
  if (form.dataset.then) location.assign(form.dataset.then);
  else location.reload();
});

// <button data-opens="id"> opens a dialog; [data-closes] closes the one it is in.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
});
