// A zip of annotated photos, dropped or chosen, on its way to POST /v1/annotations; XMLHttpRequest tells how far it is.
import { toast } from "./api.js";
import { refresh } from "./live.js";

const form = document.getElementById("upload");
const drop = document.getElementById("upload-drop");
const state = form?.querySelector(".upload-state");

function nameOf(file) {
  const plain = file.name.replace(/\.zip$/i, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return plain.slice(0, 60) || "upload";
}

function upload(file) {
  const [bar, said] = [state.querySelector("progress"), state.querySelector("p")];
  const request = new XMLHttpRequest();
  const failed = (text) => {
    state.hidden = true;
    toast(text, "bad");
  };
  state.hidden = false;
  bar.value = 0;
  said.textContent = `Sending ${file.name} …`;
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    bar.value = total ? loaded / total : 0;
    said.textContent = `Sending ${file.name}: ${Math.round(100 * bar.value)} %`;
  });
  request.addEventListener("load", () => {
    const answer = request.response ?? {};
    if (request.status !== 202) return failed(answer.detail ?? `The service answered ${request.status}.`);
    bar.value = 1;
    said.textContent = `${answer.id} is here. It is checked and taken in soon; the list below tells how it stands.`;
    refresh();
    return undefined;
  });
  request.addEventListener("error", () => failed(`${file.name} could not be sent. Is the service still there?`));
  request.open("POST", `/v1/annotations?name=${encodeURIComponent(nameOf(file))}`);
  request.responseType = "json";
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("Accept", "application/json");
  request.send(file);
}

form?.addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) upload(file);
});
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop?.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    const file = name === "drop" && event.dataTransfer.files[0];
    if (file) upload(file);
  });
}
