// Taking photos: each is checked as soon as it is there, kept in this tab until it is sent, and sent with the others.
import { send as ask } from "./api.js";

const form = document.getElementById("capture");
const sendButton = document.getElementById("send");
const fault = document.getElementById("fault");
const further = document.getElementById("further");
const views = [...form.querySelectorAll(".view[data-view]")];
const photos = new Map(); // by the element that shows it
let draft = crypto.randomUUID?.() ?? String(Math.random()); // a second try is not a second inspection
let isSending = false;

for (const view of views) {
  view.querySelector("input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) put(view, file, `${view.dataset.view.toLowerCase().replaceAll(" ", "-")}-${file.name}`);
  });
  view.querySelector(".again").addEventListener("click", () => drop(view));
}

const chooser = document.querySelector("#drop input");
chooser.addEventListener("change", () => {
  [...chooser.files].forEach(add);
  chooser.value = "";
});
for (const kind of ["dragover", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.getElementById("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") [...event.dataTransfer.files].forEach(add);
  });
}

function add(file) {
  const view = document.getElementById("further-view").content.firstElementChild.cloneNode(true);
  view.querySelector(".name").textContent = file.name;
  view.querySelector(".again").addEventListener("click", () => drop(view));
  further.append(view);
  put(view, file, file.name);
}

function put(view, file, name) {
  if (photos.size >= Number(form.dataset.maxPhotos) && !photos.has(view)) {
    return say(`One inspection takes ${form.dataset.maxPhotos} photos. Send these first.`);
  }
  const picture = view.querySelector(".picture");
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.hidden = false;
  view.classList.add("taken");
  view.querySelector(".again").hidden = false;
  photos.set(view, { file, name });
  draft = crypto.randomUUID?.() ?? String(Math.random());
  count();
  check(view, file);
}

function drop(view) {
  photos.delete(view);
  const picture = view.querySelector(".picture");
  URL.revokeObjectURL(picture.src);
  if (!view.dataset.view) view.remove();
  picture.hidden = true;
  view.classList.remove("taken");
  view.querySelector(".again").hidden = true;
  tell(view, "", "");
  count();
}

async function check(view, file) {
  tell(view, "looking", "");
  if (file.size > Number(form.dataset.maxBytes)) {
    return tell(view, "bad", "This file is too large. Take the photo at a lower resolution.");
  }
  try {
    const said = await ask("POST", "/v1/photo-checks", file);
    if (photos.get(view)?.file !== file) return undefined; // another was taken meanwhile
    if (!said.readable) return tell(view, "bad", said.problem);
    if (said.quality.reliable) return tell(view, "good", "");
    return tell(view, "watch", said.quality.reasons.map((reason) => reason.advice).join(" "));
  } catch {
    return tell(view, "", ""); // the check is a courtesy; sending says what is wrong
  }
}

function tell(view, state, advice) {
  view.dataset.state = state;
  view.querySelector(".advice").textContent = advice;
  const mark = view.querySelector(".state");
  mark.hidden = !state;
  mark.textContent = { good: "Good", watch: "Take it again", bad: "Cannot be used", looking: "Checking…" }[state] ?? "";
}

function count() {
  const taken = views.filter((view) => photos.has(view)).length;
  const missing = views.filter((view) => !photos.has(view)).map((view) => view.dataset.view.toLowerCase());
  document.getElementById("missing").textContent =
    missing.length === 0
      ? "Every view is there"
      : taken === 0
        ? `None of ${views.length} views taken yet`
        : `${taken} of ${views.length} taken; still missing: ${missing.join(", ")}`;
  document.getElementById("count").textContent =
    photos.size === 0 ? "No photo yet" : photos.size === 1 ? "1 photo" : `${photos.size} photos`;
  sendButton.disabled = photos.size === 0 || isSending;
}

function say(text) {
  fault.textContent = text;
  fault.hidden = !text;
  if (text) fault.scrollIntoView({ block: "center" });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (isSending || photos.size === 0) return;
  say("");
  const body = new FormData();
  for (const name of ["vehicle_id", "vehicle_class", "listing_id"]) {
    const value = form.elements[name].value.trim();
    if (value) body.append(name, value);
  }
  body.append("channel", form.dataset.channel);
  const sent = [...photos];
  for (const [, { file, name }] of sent) body.append("photos", file, name);
  submit(body, sent);
});

function submit(body, sent) {
  const request = new XMLHttpRequest(); // fetch does not say how far an upload has come
  request.open("POST", "/v1/inspections");
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Idempotency-Key", draft);
  request.responseType = "json";
  busy(true, "Sending…");
  request.upload.addEventListener("progress", (event) => progress(sent, event.loaded));
  request.upload.addEventListener("load", () => busy(true, "Looking for damage…"));
  request.addEventListener("load", () => {
    if (request.status < 300) {
      location.assign(`/inspections/${request.response.id}`);
      return;
    }
    busy(false);
    say(request.response?.detail ?? `The service answered ${request.status}. Try again in a moment.`);
  });
  request.addEventListener("error", () => {
    busy(false);
    say("There is no connection to the service. Your photos are still here: try again.");
  });
  request.send(body);
}

function progress(sent, loaded) {
  let before = 0;
  for (const [view, { file }] of sent) {
    const bar = view.querySelector("progress");
    bar.hidden = false;
    bar.value = Math.max(0, Math.min(1, (loaded - before) / file.size));
    before += file.size;
  }
}

function busy(is, text = "Inspect") {
  isSending = is;
  form.toggleAttribute("inert", is);
  sendButton.querySelector("span").textContent = text;
  sendButton.setAttribute("aria-busy", String(is));
  if (!is) form.querySelectorAll("progress").forEach((bar) => (bar.hidden = true));
  count();
}

addEventListener("beforeunload", (event) => {
  if (photos.size > 0 && !isSending) event.preventDefault();
});
