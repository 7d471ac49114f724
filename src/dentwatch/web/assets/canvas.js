// The photo with its boxes as SVG: drawn, dragged and zoomed with mouse, pen and fingers.
const SVG = "http://www.w3.org/2000/svg";
const CLICK = 5; // pixels of the screen that a click may wander
const CLOSEST = 16; // times that a photo can be enlarged
const CORNERS = [["left", "top"], ["right", "top"], ["left", "bottom"], ["right", "bottom"]];

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class Canvas {
  // `changed` is called after each change a hand has made; `label` gives the label to draw with.
  constructor(svg, changed, label) {
    this.svg = svg;
    this.layer = svg.querySelector("#boxes");
    this.picture = svg.querySelector("#picture");
    this.changed = changed;
    this.label = label;
    this.pointers = new Map();
    this.gesture = null;
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.up(event));
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  show(boxes, address) {
    this.boxes = boxes;
    this.gesture = null;
    this.picture.setAttribute("href", address);
    this.picture.setAttribute("width", boxes.width);
    this.picture.setAttribute("height", boxes.height);
    this.fit();
  }

  fit() {
    this.view = { x: 0, y: 0, width: this.boxes.width, height: this.boxes.height };
    this.draw();
  }

  // Enlarges `factor` times around a place of the photo; without one, around the middle of what is seen.
  zoom(factor, place = { x: this.view.x + this.view.width / 2, y: this.view.y + this.view.height / 2 }) {
    const { width, height } = this.boxes;
    const share = Math.min(1, Math.max(1 / CLOSEST, this.view.width / width / factor));
    const by = (share * width) / this.view.width;
    this.look(place.x - (place.x - this.view.x) * by, place.y - (place.y - this.view.y) * by, share * width, share * height);
  }

  look(x, y, width, height) {
    const left = Math.min(Math.max(0, x), this.boxes.width - width);
    const top = Math.min(Math.max(0, y), this.boxes.height - height);
    this.view = { x: left, y: top, width, height };
    this.draw();
  }

  // Pixels of the photo in one of the screen.
  get unit() {
    const { clientWidth, clientHeight } = this.svg;
    return Math.max(this.view.width / (clientWidth || 1), this.view.height / (clientHeight || 1));
  }

  place(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return { x: point.x, y: point.y };
  }

  draw() {
    if (!this.boxes) return;
    const { x, y, width, height } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    const unit = this.unit;
    const drawn = this.boxes.all.map((one, place) => this.drawn(one, place, unit));
    drawn.sort((one, other) => one.classList.contains("chosen") - other.classList.contains("chosen"));
    this.layer.replaceChildren(...drawn);
    if (this.gesture?.kind === "draw") this.layer.append(element("rect", { class: "rubber", ...this.gesture.box }));
  }

  drawn(one, place, unit) {
    const { box } = one;
    const isChosen = one.key === this.boxes.chosen;
    const group = element("g", { class: `patch ${one.verdict}${isChosen ? " chosen" : ""}`, "data-key": one.key });
    for (const name of ["hit", "rim", `edge ${one.label}`]) group.append(element("rect", { class: name, ...box }));
    if (one.verdict === "wrong") {
      const [right, bottom] = [box.x + box.width, box.y + box.height];
      group.append(element("path", { class: `edge ${one.label}`, d: `M${box.x} ${box.y}L${right} ${bottom}M${right} ${box.y}L${box.x} ${bottom}` }));
    }
    const sign = { open: "?", right: "✓", wrong: "✕" }[one.verdict];
    const words = `${place + 1} ${one.label.replace("_", " ")} ${sign}`;
    const size = 12.5 * unit;
    const top = box.y > 20 * unit ? box.y - 19 * unit : box.y + box.height + 2 * unit;
    group.append(
      element("rect", { class: `tag ${one.label}`, x: box.x, y: top, width: words.length * 7.2 * unit + 8 * unit, height: 17 * unit, rx: 3 * unit }),
      element("text", { x: box.x + 4 * unit, y: top + 13 * unit, "font-size": size }, words),
    );
    if (isChosen) {
      for (const [across, down] of CORNERS) {
        const cx = across === "left" ? box.x : box.x + box.width;
        const cy = down === "top" ? box.y : box.y + box.height;
        group.append(
          element("circle", { class: "handle", cx, cy, r: 6 * unit }),
          element("circle", { class: "grip", cx, cy, r: 16 * unit, "data-corner": `${across} ${down}` }),
        );
      }
    }
    return group;
  }

  down(event) {
    if (!this.boxes || event.button > 1) return;
    this.svg.focus({ preventScroll: true });
    this.svg.setPointerCapture(event.pointerId);
    if (event.isPrimary) this.pointers.clear(); // the first finger down: one whose end was never told of is up
    const place = this.place(event);
    this.pointers.set(event.pointerId, { place, x: event.clientX, y: event.clientY });
    if (this.pointers.size === 2) return this.pinch();
    if (this.pointers.size > 2) return undefined;
    const key = event.target.closest("[data-key]")?.dataset.key;
    const corner = event.target.dataset?.corner;
    const start = { place, x: event.clientX, y: event.clientY };
    if (event.button === 1) this.gesture = { kind: "pan", start, view: this.view };
    else if (corner) this.gesture = { kind: "resize", start, corner, box: this.boxes.current.box };
    else if (key !== undefined && Number(key) === this.boxes.chosen) {
      this.gesture = { kind: "move", start, box: this.boxes.current.box };
    } else this.gesture = { kind: "draw", start, box: { x: place.x, y: place.y, width: 0, height: 0 } };
    event.preventDefault();
    return undefined;
  }

  pinch() {
    const [one, other] = [...this.pointers.values()];
    if (this.gesture?.hasMoved && this.gesture.kind !== "draw") this.boxes.undo();
    this.gesture = {
      kind: "pinch",
      distance: Math.hypot(one.x - other.x, one.y - other.y),
      middle: { x: (one.place.x + other.place.x) / 2, y: (one.place.y + other.place.y) / 2 },
      view: this.view,
    };
    this.draw();
  }

  move(event) {
    const pointer = this.pointers.get(event.pointerId);
    const { gesture } = this;
    if (!pointer || !gesture) return;
    Object.assign(pointer, { x: event.clientX, y: event.clientY });
    if (gesture.kind === "pinch") return this.pinched();
    const { start } = gesture;
    if (!gesture.hasMoved && Math.hypot(event.clientX - start.x, event.clientY - start.y) < CLICK) return undefined;
    if (!gesture.hasMoved && (gesture.kind === "move" || gesture.kind === "resize")) this.boxes.mark();
    gesture.hasMoved = true;
    const place = this.place(event);
    const [dx, dy] = [place.x - start.place.x, place.y - start.place.y];
    if (gesture.kind === "pan") this.look(this.view.x - dx, this.view.y - dy, this.view.width, this.view.height);
    else if (gesture.kind === "move") this.boxes.put(this.kept(gesture.box, dx, dy));
    else if (gesture.kind === "resize") this.boxes.put(resized(gesture.box, gesture.corner, dx, dy));
    else gesture.box = { x: Math.min(start.place.x, place.x), y: Math.min(start.place.y, place.y), width: Math.abs(dx), height: Math.abs(dy) };
    this.draw();
    return undefined;
  }

  // A box that is moved keeps its size at the photo's edge.
  kept(box, dx, dy) {
    const x = Math.min(Math.max(0, box.x + dx), this.boxes.width - box.width);
    const y = Math.min(Math.max(0, box.y + dy), this.boxes.height - box.height);
    return { ...box, x, y };
  }

  pinched() {
    const [one, other] = [...this.pointers.values()];
    const { distance, middle, view } = this.gesture;
    const factor = Math.hypot(one.x - other.x, one.y - other.y) / (distance || 1);
    const share = Math.min(1, Math.max(1 / CLOSEST, view.width / this.boxes.width / factor));
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    this.view = { ...view, width: share * this.boxes.width, height: share * this.boxes.height };
    const unit = this.unit; // the photo's place that was between the fingers stays between them
    const x = middle.x - this.view.width / 2 - ((one.x + other.x) / 2 - left - width / 2) * unit;
    const y = middle.y - this.view.height / 2 - ((one.y + other.y) / 2 - top - height / 2) * unit;
    this.look(x, y, this.view.width, this.view.height);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    const { gesture } = this;
    if (!gesture || this.pointers.size) return;
    this.gesture = null;
    if (event.type === "pointerup" && gesture.kind === "draw") {
      const { place } = gesture.start;
      if (!gesture.hasMoved || !this.boxes.add(gesture.box, this.label())) this.boxes.choose(this.boxes.at(place.x, place.y));
    }
    this.changed();
  }

  wheel(event) {
    if (!this.boxes) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400), this.place(event));
  }
}

function resized(box, corner, dx, dy) {
  const [across, down] = corner.split(" ");
  let [left, top, right, bottom] = [box.x, box.y, box.x + box.width, box.y + box.height];
  if (across === "left") left += dx;
  else right += dx;
  if (down === "top") top += dy;
  else bottom += dy;
  return { x: Math.min(left, right), y: Math.min(top, bottom), width: Math.abs(right - left), height: Math.abs(bottom - top) };
}
