// The boxes of one photo as a person judges them: a state with a way back, and what of it is to be kept.
const SHORTEST = 4; // pixels of the photo: anything smaller was no box, but a click

export class Boxes {
  constructor(task) {
    this.width = task.width;
    this.height = task.height;
    this.chosen = null;
    this.past = [];
    this.count = 0;
    const said = new Map(task.statements.filter((one) => one.stands && one.detection).map((one) => [one.detection, one]));
    const found = task.detections.map((one) => ({
      detection: one.id, label: one.label, score: one.score, box: one.box, isDisputed: said.get(one.id)?.kind === "dispute",
    }));
    const missed = task.statements.filter((one) => one.stands && one.kind === "missed");
    this.all = [...found, ...missed.map((one) => ({ detection: null, label: one.label, box: one.box, who: one.who }))].map(
      (one) => ({ ...one, key: this.count++, verdict: "open", isChanged: false }),
    );
  }

  get undecided() {
    return this.all.filter((one) => one.verdict === "open").length;
  }

  get current() {
    return this.all.find((one) => one.key === this.chosen);
  }

  // What happens next can be taken back as one change.
  mark() {
    this.past.push({ all: structuredClone(this.all), chosen: this.chosen });
  }

  undo() {
    const before = this.past.pop();
    if (before) Object.assign(this, before);
    return Boolean(before);
  }

  choose(key) {
    this.chosen = key;
  }

  acceptAll() {
    if (!this.undecided) return;
    this.mark();
    for (const one of this.all) if (one.verdict === "open") one.verdict = "right";
  }

  // Says of the chosen box whether it is right; a box that was drawn just now and is wrong is gone.
  judge(verdict) {
    const one = this.current;
    if (!one) return false;
    this.mark();
    if (verdict === "wrong" && one.isNew) this.all = this.all.filter((other) => other !== one);
    else one.verdict = verdict;
    this.chosen = this.all.find((other) => other.verdict === "open")?.key ?? null;
    return true;
  }

  relabel(label) {
    const one = this.current;
    if (!one || one.label === label) return;
    this.mark();
    Object.assign(one, { label, verdict: "right", isChanged: true });
  }

  add(box, label) {
    const fitted = this.fit(box);
    if (fitted.width < SHORTEST || fitted.height < SHORTEST) return false;
    this.mark();
    const made = { key: this.count++, detection: null, label, box: fitted, verdict: "right", isNew: true };
    this.all.push(made);
    this.chosen = made.key;
    return true;
  }

  // Puts the chosen box elsewhere; whoever begins to drag it calls mark() first.
  put(box) {
    const fitted = this.fit(box);
    if (fitted.width >= SHORTEST && fitted.height >= SHORTEST) {
      Object.assign(this.current, { box: fitted, verdict: "right", isChanged: true });
    }
  }

  // The next box to choose, or null behind the last one.
  after(step) {
    const place = this.all.findIndex((one) => one.key === this.chosen);
    const next = place < 0 ? (step > 0 ? 0 : this.all.length - 1) : place + step;
    return this.all[next]?.key ?? null;
  }

  at(x, y) {
    const inside = this.all.filter(
      ({ box }) => x >= box.x && y >= box.y && x <= box.x + box.width && y <= box.y + box.height,
    );
    return inside.sort((one, other) => one.box.width * one.box.height - other.box.width * other.box.height)[0]?.key ?? null;
  }

  // A box in whole pixels within the photo.
  fit({ x, y, width, height }) {
    const left = Math.round(Math.min(Math.max(0, x), this.width));
    const top = Math.round(Math.min(Math.max(0, y), this.height));
    const right = Math.round(Math.min(Math.max(0, x + width), this.width));
    const bottom = Math.round(Math.min(Math.max(0, y + height), this.height));
    return { x: left, y: top, width: right - left, height: bottom - top };
  }

  // As POST /v1/reviews/{number} takes it: a box that was moved or renamed is a wrong detection and a missed damage.
  review() {
    const stays = (one) => one.verdict === "right" && !one.isChanged;
    return {
      verdicts: this.all
        .filter((one) => one.detection)
        .map((one) => ({ detection: one.detection, verdict: stays(one) ? "right" : "wrong" })),
      missed: this.all
        .filter((one) => one.verdict === "right" && !(one.detection && stays(one)))
        .map(({ label, box }) => ({ label, ...box })),
    };
  }
}
