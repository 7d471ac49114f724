// Keys are made, shown once, revoked, and given passwords; receivers of alerts are tried.
import { during, send, toast } from "./api.js";

const made = document.getElementById("made-key");

document.getElementById("make-key").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, role } = event.target.elements;
  const key = await during(event.submitter, () => send("POST", "/v1/keys", { name: name.value.trim(), role: role.value }));
  if (!key) return;
  event.target.closest("dialog").close();
  made.querySelector("h2 span").textContent = key.name;
  made.querySelector(".secret").textContent = key.key;
  made.showModal();
});
made.addEventListener("close", () => location.reload());
document.getElementById("copy-key").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(made.querySelector(".secret").textContent);
    toast("Copied.");
  } catch {
    toast("The browser does not allow copying here: select the key and copy it.", "bad");
  }
});

for (const [name, method, path, done] of [
  ["revoke", "DELETE", "", "The key is revoked."],
  ["password", "PUT", "/password", "The password is set."],
]) {
  const dialog = document.getElementById(name);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(`[data-${name}]`);
    if (!button) return;
    dialog.dataset.name = button.dataset[name];
    dialog.querySelector("h2 span").textContent = button.dataset[name];
    dialog.querySelector("form").reset();
    dialog.showModal();
  });
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    const body = Object.keys(fields).length ? fields : undefined;
    const target = `/v1/keys/${encodeURIComponent(dialog.dataset.name)}${path}`;
    if (!(await during(event.submitter, () => send(method, target, body)))) return;
    dialog.close();
    if (name === "revoke") location.reload();
    else toast(done);
  });
}

document.getElementById("test-alerts")?.addEventListener("click", async (event) => {
  const said = await during(event.currentTarget, () => send("POST", "/v1/alerts/test"));
  for (const [name, outcome] of Object.entries(said?.receivers ?? {})) {
    const place = document.querySelector(`[data-receiver="${CSS.escape(name)}"] [role=status]`);
    place.textContent = outcome;
    place.className = `pill ${outcome === "delivered" ? "good" : "bad"}`;
  }
});
