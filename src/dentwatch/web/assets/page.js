// What every page does: its menu, its colours, times in the reader's zone, and news from the server.
import "./api.js";
import { follow } from "./live.js";
import { localise } from "./times.js";

const root = document.documentElement;
const menuButton = document.querySelector(".menu-button");

menuButton?.addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("menu-open");
  menuButton.setAttribute("aria-expanded", String(isOpen));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.body.classList.contains("menu-open")) menuButton.click();
});

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const dark =
    root.dataset.theme === "dark" ||
    (root.dataset.theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

// A row of a table leads where its first link leads.
document.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  const link = row?.querySelector("th a");
  if (link && !event.target.closest("a, button, input, label") && !getSelection().toString()) link.click();
});

// Forms that choose what is shown do so at once.
document.addEventListener("change", (event) => {
  if (event.target.form?.matches("[data-filter]")) event.target.form.requestSubmit();
});

document.querySelector("[data-print]")?.addEventListener("click", () => print());

// Tables that are wider than the screen are reached and moved with the keyboard, too.
function reachable() {
  for (const part of document.querySelectorAll(".scroll")) {
    part.toggleAttribute("tabindex", false);
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
}
addEventListener("resize", reachable);
addEventListener("load", reachable);
document.addEventListener("refreshed", reachable);
reachable();

localise(document);
follow(document.querySelector("main[data-live]"));
