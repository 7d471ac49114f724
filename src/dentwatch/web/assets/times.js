// Times come in UTC; people read how long ago it was, and their own clock's time on hovering.
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [14 * 86400, "day", 86400],
];

export function ago(date, now = new Date()) {
  const seconds = (date - now) / 1000;
  for (const [below, unit, size] of STEPS) {
    if (Math.abs(seconds) < below) return relative.format(Math.round(seconds / size), unit);
  }
  return date.toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
}

export function localise(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    time.textContent = time.hasAttribute("data-exact") ? date.toLocaleString("en-GB") : ago(date);
    time.title = date.toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });
  }
}

setInterval(() => localise(document), 30000);
