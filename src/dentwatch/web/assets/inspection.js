// One inspection: looking closer, saying what is wrong, and how satisfied one is.
import { during, send, toast } from "./api.js";

const id = document.querySelector("main").dataset.inspection;
const looker = document.getElementById("looker");
const stage = looker?.querySelector(".stage");
const SHARP = 2048; // longer side of the picture that is looked at closely

function light(number, on) {
  for (const part of document.querySelectorAll(`[data-damage="${number}"]`)) part.classList.toggle("lit", on);
}
for (const kind of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
  document.addEventListener(
    kind,
    (event) => {
      const part = event.target.closest?.("[data-damage]");
      if (part) light(part.dataset.damage, kind === "pointerenter" || kind === "focusin");
    },
    true,
  );
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-look]");
  if (opener) look(opener);
});

function look(opener) {
  const picture = opener.querySelector("svg").cloneNode(true);
  const image = picture.querySelector("image");
  image.setAttribute("href", image.getAttribute("href").replace(/side=\d+/, `side=${SHARP}`));
  stage.replaceChildren(picture);
  document.getElementById("looker-name").textContent = opener.closest("figure").querySelector("figcaption span").textContent;
  zoomTo(1);
  looker.showModal();
}

let zoom = 1;
function zoomTo(wanted) {
  const middle = [stage.scrollLeft + stage.clientWidth / 2, stage.scrollTop + stage.clientHeight / 2];
  const before = zoom;
  zoom = Math.min(8, Math.max(1, wanted));
  const picture = stage.firstElementChild;
  picture.setAttribute("width", `${100 * zoom}%`);
  picture.setAttribute("height", `${100 * zoom}%`);
  stage.scrollLeft = (middle[0] * zoom) / before - stage.clientWidth / 2;
  stage.scrollTop = (middle[1] * zoom) / before - stage.clientHeight / 2;
}

looker?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.zoom) zoomTo(zoom * Number(button.dataset.zoom));
  if (button && "boxes" in button.dataset) {
    const isOff = stage.classList.toggle("bare");
    button.setAttribute("aria-pressed", String(!isOff));
  }
});
stage?.addEventListener("dblclick", () => zoomTo(zoom > 1 ? 1 : 3));
stage?.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoomTo(zoom * (event.deltaY < 0 ? 1.25 : 0.8));
  },
  { passive: false },
);
let drag = null;
stage?.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "mouse") drag = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
});
addEventListener("pointermove", (event) => {
  if (drag) [stage.scrollLeft, stage.scrollTop] = [drag[0] - event.clientX, drag[1] - event.clientY];
});
addEventListener("pointerup", () => (drag = null));

// Disputes.
const dispute = document.getElementById("dispute");
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dispute]");
  if (!opener) return;
  dispute.dataset.detection = opener.dataset.dispute;
  document.getElementById("dispute-title").textContent = `What is wrong about ${opener.dataset.name}?`;
  dispute.showModal();
});
dispute?.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { reason: event.target.elements.reason.value };
  if (dispute.dataset.detection) body.detection = dispute.dataset.detection;
  const done = await during(event.submitter, () => send("POST", `/v1/inspections/${id}/disputes`, body));
  if (done) location.reload();
});

// Satisfaction.
const rating = document.querySelector("[data-rating]");
rating?.addEventListener("change", () => (rating.querySelector("button").disabled = false));
rating?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { rating: Number(rating.elements.rating.value) };
  if (rating.elements.comment.value.trim()) body.comment = rating.elements.comment.value.trim();
  const done = await during(event.submitter, () => send("POST", `/v1/inspections/${id}/feedback`, body));
  if (!done) return;
  rating.querySelector("[role=status]").textContent = `Thank you. Rated ${body.rating} of 5.`;
  rating.elements.comment.value = "";
  toast("Thank you.");
});

// Before and after.
const changes = document.getElementById("changes");
const SAID = { new: ["bad", "new"], known: ["plain", "known before"], gone: ["good", "gone"], not_comparable: ["info", "not comparable"] };
const WHY = {
  not_seen: "no other photo shows this place",
  too_small: "the other photos show this place too small",
  other_damage_there: "the other photos show other damage there",
  looks_the_same: "the place looks alike in both: it may have been missed once",
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-compare]");
  if (!button) return;
  const [earlier, later] = button.dataset.earlier === "true" ? [button.dataset.compare, id] : [id, button.dataset.compare];
  const path = `/v1/vehicles/${encodeURIComponent(changes.dataset.vehicle)}/changes?earlier=${earlier}&later=${later}`;
  changes.textContent = "Comparing the photos…";
  const found = await during(button, () => send("GET", path));
  if (!found) return (changes.textContent = "");
  changes.replaceChildren(...lines(found));
});

function lines(found) {
  if (found.changes.length === 0) return [paragraph("Neither inspection shows damage.")];
  const list = document.createElement("ul");
  list.className = "plain";
  for (const change of found.changes) {
    const line = document.createElement("li");
    const [kind, said] = SAID[change.status];
    line.append(pill(kind, said), ` ${change.label.replaceAll("_", " ")}${change.reason ? `: ${WHY[change.reason]}` : ""}`);
    list.append(line);
  }
  const models = "Two model versions answered, so that some of this may be their difference.";
  return found.same_model ? [list] : [list, paragraph(models)];
}

function pill(kind, text) {
  return Object.assign(document.createElement("span"), { className: `pill ${kind}`, textContent: text });
}

function paragraph(text) {
  return Object.assign(document.createElement("p"), { className: "hint", textContent: text });
}
