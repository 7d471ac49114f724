// One photo after the other: taken, judged, handed in while the next, which was fetched before, is on the screen.
import { send, toast } from "./api.js";
import { Boxes } from "./boxes.js";
import { Canvas } from "./canvas.js";

const RENEW_MS = 4 * 60_000; // a claim lasts ten minutes
const editor = document.getElementById("editor");
const meanings = JSON.parse(editor.dataset.meanings);
const parts = Object.fromEntries([...editor.querySelectorAll("[data-shows]")].map((part) => [part.dataset.shows, part]));
const labelKeys = [...editor.querySelectorAll("[data-label]")];
const canvas = new Canvas(document.getElementById("canvas"), show, () => label);

const screen = sessionStorage.getItem("review-screen") ?? crypto.randomUUID?.() ?? String(Math.random()).slice(2);
sessionStorage.setItem("review-screen", screen);

let label = "scratch";
let work = null; // the photo on the screen: { task, boxes, isSaved }
let last = null; // the one that was saved before it
let upcoming = []; // those that come next, the first of them fetched
let fetching = null;
let skipped = JSON.parse(sessionStorage.getItem("review-skipped") ?? "[]");
const saving = new Map(); // by number: the work whose review is on its way
const progress = { today: 0, left: 0 };

const numberOf = (one) => one.task.review.number;
const picture = ({ review }) => `/v1/inspections/${review.inspection_id}/photos/${review.position}?side=1600`;
const made = (task) => ({ task, boxes: new Boxes(task), isSaved: false });

async function take() {
  const besides = [...skipped, ...[work, ...upcoming, ...saving.values()].filter(Boolean).map(numberOf)];
  const answer = await send("POST", "/v1/reviews/next", { screen, besides });
  const open = Object.values(answer.open).reduce((sum, count) => sum + count, 0);
  progress.today = answer.reviewed_today + saving.size;
  progress.left = Math.max(0, open - saving.size);
  if (answer.task) new Image().src = picture(answer.task);
  return answer.task && made(answer.task);
}

// Has the next photo ready before it is wanted.
function fetchAhead() {
  if (fetching || upcoming.length) return;
  fetching = take()
    .then((next) => next && upcoming.push(next))
    .catch(() => undefined) // asked again when it is wanted
    .finally(() => (fetching = null) ?? showProgress());
}

async function next() {
  work = null;
  await fetching;
  if (!upcoming.length) await Promise.allSettled([...saving.values()].map((one) => one.sent));
  try {
    work = upcoming.shift() ?? (await take());
  } catch (error) {
    toast(error.message, "bad");
  }
  open();
}

function open() {
  parts.end.hidden = Boolean(work);
  editor.classList.toggle("ended", !work);
  if (!work) return showEnd();
  const { task, boxes } = work;
  canvas.show(boxes, picture(task));
  parts.reason.textContent = task.review.reason;
  parts.meaning.textContent = meanings[task.review.reason] ?? "";
  showFacts(task);
  showOthers(task);
  show();
  say(`Photo ${numberOf(work)}: ${boxes.all.length} boxes.`);
  canvas.svg.focus({ preventScroll: true });
  fetchAhead();
  return undefined;
}

async function start() {
  const number = Number(editor.dataset.number);
  if (number) {
    try {
      work = made(await send("POST", `/v1/reviews/${number}/claim`, { screen }));
      open();
      return;
    } catch (error) {
      toast(error.message, "bad");
    }
  }
  await next();
}

function save() {
  if (!work) return;
  const { boxes } = work;
  if (boxes.undecided) {
    boxes.choose(boxes.all.find((one) => one.verdict === "open").key);
    show();
    toast(`${boxes.undecided === 1 ? "One box wants" : `${boxes.undecided} boxes want`} a word: A accepts, X deletes.`);
    return;
  }
  const done = work;
  if (!done.isSaved) {
    progress.today += 1;
    progress.left = Math.max(0, progress.left - 1);
  }
  saving.set(numberOf(done), done);
  done.sent = send("POST", `/v1/reviews/${numberOf(done)}`, { screen, ...boxes.review() })
    .then(() => (done.isSaved = true))
    .catch((error) => {
      toast(`Photo ${numberOf(done)} was not saved: ${error.message}`, "bad");
      if (!done.isSaved) progress.today -= 1;
    })
    .finally(() => saving.delete(numberOf(done)));
  last = done;
  next();
}

async function back() {
  if (!last) return toast("No photo was saved before this one.");
  await last.sent;
  if (work) upcoming.unshift(work);
  [work, last] = [last, null];
  open();
  return undefined;
}

function skip() {
  if (!work) return;
  skipped.push(numberOf(work));
  sessionStorage.setItem("review-skipped", JSON.stringify(skipped));
  release(work);
  next();
}

function release(one) {
  if (one.isSaved) return;
  fetch(`/v1/reviews/${numberOf(one)}/release`, {
    method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ screen }),
  }).catch(() => undefined); // it runs out by itself
}

async function renew() {
  for (const one of [work, ...upcoming]) {
    if (!one || one.isSaved) continue;
    try {
      await send("POST", `/v1/reviews/${numberOf(one)}/claim`, { screen });
    } catch (error) {
      upcoming = upcoming.filter((other) => other !== one);
      if (one === work) {
        toast(error.message, "bad");
        next();
      }
    }
  }
}

// What is shown.

function show() {
  if (!work) return;
  const { boxes } = work;
  canvas.draw();
  for (const key of labelKeys) key.setAttribute("aria-pressed", String(key.dataset.label === (boxes.current?.label ?? label)));
  parts.boxes.replaceChildren(...boxes.all.map((one) => boxLine(one, boxes)));
  editor.querySelector('[data-does="accept"]').disabled = !boxes.undecided;
  editor.querySelector('[data-does="delete"]').disabled = !boxes.current;
  editor.querySelector('[data-does="undo"]').disabled = !boxes.past.length;
  showProgress();
}

function boxLine(one, boxes) {
  const state = { open: "no verdict yet", right: one.isNew ? "new" : one.isChanged ? "changed" : "right", wrong: "wrong" }[one.verdict];
  const button = Object.assign(document.createElement("button"), { type: "button", className: `box-line ${one.verdict}` });
  const name = Object.assign(document.createElement("b"), { textContent: one.label.replace("_", " ") });
  const from = one.who ? `${one.who} drew it` : one.score === undefined ? "drawn by you" : `${Math.round(one.score * 100)} %`;
  const rest = Object.assign(document.createElement("small"), { textContent: `${from} · ${state}${one.isDisputed ? " · disputed" : ""}` });
  button.append(name, rest);
  button.setAttribute("aria-pressed", String(one.key === boxes.chosen));
  button.addEventListener("click", () => {
    boxes.choose(one.key);
    show();
    canvas.svg.focus({ preventScroll: true });
  });
  const line = document.createElement("li");
  line.append(button);
  return line;
}

function showFacts(task) {
  const facts = { Vehicle: task.vehicle, Channel: task.channel, Model: task.model, Photo: `${task.width} × ${task.height}` };
  parts.facts.replaceChildren(
    ...Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
}

function showOthers(task) {
  parts.others.hidden = !task.statements.length;
  const place = new Map(task.detections.map((one, number) => [one.id, number + 1]));
  parts.said.replaceChildren(
    ...task.statements.map((one) => {
      const line = document.createElement("li");
      const about = one.detection ? `box ${place.get(one.detection)}` : one.kind === "dispute" ? "the whole inspection" : `a ${one.label}`;
      const what = { right: `${about} is right`, wrong: `${about} is wrong`, missed: `${about} was missed`, dispute: `objects to ${about}` }[one.kind];
      const who = Object.assign(document.createElement("b"), { textContent: one.who });
      line.append(who, `: ${what}${one.text ? ` (“${one.text}”)` : ""}`);
      line.className = one.stands ? "" : "gone";
      if (!one.stands) line.append(Object.assign(document.createElement("small"), { textContent: " – settled since" }));
      return line;
    }),
  );
}

function showProgress() {
  parts.progress.textContent = `${progress.today} reviewed today, ${progress.left} left`;
}

function showEnd() {
  const title = Object.assign(document.createElement("h2"), { textContent: "No photo is left for you" });
  const text = Object.assign(document.createElement("p"), {
    textContent: `${progress.today} reviewed by you today.${progress.left > skipped.length ? " Others have the rest on their screens." : ""}`,
  });
  parts.end.replaceChildren(title, text);
  if (skipped.length) {
    const again = Object.assign(document.createElement("button"), {
      type: "button", className: "button", textContent: `Look at the ${skipped.length} that were skipped`,
    });
    again.addEventListener("click", () => {
      skipped = [];
      sessionStorage.removeItem("review-skipped");
      next();
    });
    parts.end.append(again);
  }
  parts.end.append(Object.assign(document.createElement("a"), { href: "/review", className: "button quiet", textContent: "Back to the queue" }));
  parts.boxes.replaceChildren();
  showProgress();
  parts.end.querySelector(".button").focus();
}

function say(text) {
  parts.news.textContent = text;
}

// What hands do.

const deeds = {
  accept: () => work.boxes.acceptAll(),
  right: () => work.boxes.judge("right"),
  delete: () => work.boxes.judge("wrong"),
  undo: () => work.boxes.undo(),
  draw: () => {
    const { x, y, width, height } = canvas.view;
    work.boxes.add({ x: x + width * 0.4, y: y + height * 0.4, width: width / 5, height: height / 5 }, label);
  },
  "zoom-in": () => canvas.zoom(1.5),
  "zoom-out": () => canvas.zoom(1 / 1.5),
  "zoom-fit": () => canvas.fit(),
  nothing: () => work.boxes.choose(null),
};
const moves = { skip, save, back, shortcuts, brighten };
const keys = {
  a: "accept", y: "right", x: "delete", delete: "delete", backspace: "delete", u: "undo", d: "draw", s: "skip", n: "save", enter: "save",
  b: "back", l: "brighten", "?": "shortcuts", "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit", escape: "nothing",
};
const arrows = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };

function act(name) {
  if (moves[name]) moves[name]();
  else if (work) {
    deeds[name]();
    show();
  }
}

function pick(chosen) {
  label = chosen;
  work?.boxes.relabel(chosen);
  show();
}

function nudge([dx, dy], isSize) {
  const { boxes } = work;
  if (!boxes.current) return;
  const { box } = boxes.current;
  const [across, down] = [(dx * canvas.view.width) / 100, (dy * canvas.view.height) / 100];
  boxes.mark();
  boxes.put(isSize ? { ...box, width: box.width + across, height: box.height + down } : canvas.kept(box, across, down));
  show();
}

function cycle(event) {
  const key = work.boxes.after(event.shiftKey ? -1 : 1);
  work.boxes.choose(key);
  if (key !== null) {
    event.preventDefault();
    const { label: named, verdict } = work.boxes.current;
    say(`${named}, ${verdict === "open" ? "no verdict yet" : verdict}`);
  }
  show();
}

function shortcuts() {
  const card = document.getElementById("shortcuts");
  card.hidden = !card.hidden;
  editor.querySelector("header [data-does=shortcuts]").setAttribute("aria-expanded", String(!card.hidden));
}

function brighten() {
  const isBright = parts.stage.classList.toggle("bright");
  editor.querySelector("[data-does=brighten]").setAttribute("aria-pressed", String(isBright));
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && key === "z") {
    event.preventDefault();
    act("undo");
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("a, button, input") && (key === "enter" || key === " ")) return; // it presses that one
  if (work && key === "tab" && event.target === canvas.svg) cycle(event);
  else if (work && arrows[key] && event.target === canvas.svg) {
    event.preventDefault();
    nudge(arrows[key], event.shiftKey);
  } else if (/^[1-7]$/.test(key)) pick(labelKeys[Number(key) - 1].dataset.label);
  else if (keys[key] && !(key === "enter" && event.repeat)) {
    event.preventDefault();
    act(keys[key]);
  }
});

editor.addEventListener("click", (event) => {
  const button = event.target.closest("[data-does], [data-label]");
  if (!button) return;
  if (button.dataset.label) pick(button.dataset.label);
  else act(button.dataset.does);
  if (work && button.dataset.does !== "shortcuts") canvas.svg.focus({ preventScroll: true });
});

addEventListener("pagehide", () => [work, ...upcoming].filter(Boolean).forEach(release));
addEventListener("beforeunload", (event) => {
  if (saving.size) event.preventDefault();
});
setInterval(renew, RENEW_MS);
start();
