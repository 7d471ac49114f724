// The whole log is read anew on the server; it says whether it is as it was written.
import { during, send } from "./api.js";

const place = document.getElementById("verification");

document.getElementById("verify").addEventListener("click", async (event) => {
  place.textContent = "";
  const said = await during(event.currentTarget, () => send("POST", "/v1/audit/verification"));
  if (!said) return;
  const note = Object.assign(document.createElement("p"), { className: `note ${said.intact ? "good" : "bad"}` });
  if (said.intact) {
    note.append(`${said.entries.toLocaleString("en")} entries, each as it was written. Mark, to be kept elsewhere: `);
    note.append(Object.assign(document.createElement("code"), { textContent: said.mark }));
  } else {
    note.textContent = said.problem;
  }
  place.replaceChildren(note);
});
