// The net and its numbers: an image is a Float32Array of C x H x W in [0, 1], as the net takes it.

const said = JSON.parse(document.getElementById("said").textContent);
const [channels, height, width] = said.shape;
const pixels = channels * height * width;
const clamp = (v) => Math.min(1, Math.max(0, v));
let ort, slope, first;

async function unpacked(id) {
  const held = document.getElementById(id);
  const zipped = Uint8Array.from(atob(held.textContent), (c) => c.charCodeAt(0));
  held.remove();
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function opened() {
  const code = new Blob([await unpacked("runtime")], { type: "text/javascript" });
  ort = await import(URL.createObjectURL(code));
  ort.env.wasm.numThreads = 1; // more need headers of a server
  ort.env.wasm.wasmBinary = (await unpacked("wasm")).buffer;
  slope = await ort.InferenceSession.create(await unpacked("net"));
  if (said.normals) first = await ort.InferenceSession.create(await unpacked("start"));
}

/** Logits, energies and p(k|x) of an image, and the gradient of E(x, y) + w E(x). */
async function pass(x, label, w = 0) {
  const onehot = new Float32Array(said.classes.length);
  onehot[label] = 1;
  const found = await slope.run({
    image: new ort.Tensor("float32", x, [1, channels, height, width]),
    label: new ort.Tensor("float32", onehot, [1, onehot.length]),
    w: new ort.Tensor("float32", [w], [1]),
  });
  const [logits, [E], gradient] = ["logits", "E", "gradient"].map((k) => found[k].data);
  const E_y = logits.map((v) => -v);
  if (!Number.isFinite(E) || !gradient.every(Number.isFinite)) {
    throw new Error("an energy or its gradient is not finite: lower the step size");
  }
  return { x, E, E_y, p: E_y.map((v) => Math.exp(E - v)), gradient };
}

/** The states of a Langevin chain down E(x, y), the first one included (Eq. 17). */
async function* chain(x, label, { steps, stepSize, noise, normal }) {
  for (let n = 0; ; n++) {
    const state = await pass(x, label);
    yield { ...state, n };
    if (n === steps) return;
    x = x.map((v, i) => clamp(v - stepSize * state.gradient[i] + (noise && noise * normal())));
  }
}

/** The iterates of PGD in the linf ball, the first one included (Eq. 3 and 18). */
async function* pgd(x, label, { loss, eps, steps, stepSize, uniform }) {
  let at = uniform ? x.map((v) => clamp(v + eps * (2 * uniform() - 1))) : x;
  for (let n = 0; ; n++) {
    const state = await pass(at, label, loss === "ce" ? -1 : 0);
    yield { ...state, n };
    if (n === steps) return;
    at = x.map((v, i) => {
      const delta = at[i] + stepSize * Math.sign(state.gradient[i]) - v;
      return clamp(v + Math.min(eps, Math.max(-eps, delta)));
    });
  }
}

/** Where a chain of a class starts: as the net was trained to, or in uniform noise. */
async function begun(kind, label, { uniform, normal }) {
  if (kind !== "own") return Float32Array.from({ length: pixels }, uniform);
  const z = Float32Array.from({ length: said.normals }, normal);
  const found = await first.run({
    label: new ort.Tensor("int64", [BigInt(label)], [1]),
    normals: new ort.Tensor("float32", z, [1, z.length]),
  });
  return found.image.data;
}

/** Numbers in [0, 1) and standard normal ones, the same for the same seed (Mulberry32, Box-Muller). */
function generator(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

// What is seen of them.

const by = (id) => document.getElementById(id);
const fixed = (v) => v.toFixed(2).replace("-", "−");
const percent = (v) => `${(100 * v).toFixed(1)}\u00a0%`;
const given = (form, name) => Number(form.elements[name].value);
const tick = () => new Promise((done) => setTimeout(done));

function made(tag, settings = {}, ...children) {
  const node = Object.assign(document.createElement(tag), settings);
  node.append(...children);
  return node;
}

function paint(canvas, x) {
  [canvas.width, canvas.height] = [width, height];
  const data = new ImageData(width, height);
  const plane = height * width;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = Math.round(255 * x[channels === 3 ? c * plane + i : i]);
    data.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

function picture(x, name) {
  const canvas = paint(made("canvas"), x);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  const caption = made("figcaption");
  return { canvas, caption, figure: made("figure", {}, canvas, caption) };
}

function svg(tag, settings, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(settings)) node.setAttribute(k, v);
  node.textContent = text;
  return node;
}

/** Lines of numbers over steps, each of which is known up to where it is now. */
function plot(root, lines, colours, steps) {
  const w = Math.max(240, root.parentNode.clientWidth);
  const [h, left, right, top, bottom] = [190, 52, 12, 14, 34];
  const values = lines.flat();
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low < 1e-6) [low, high] = [low - 0.5, high + 0.5];
  const X = (n) => left + ((w - left - right) * n) / steps;
  const Y = (v) => top + ((h - top - bottom) * (high - v)) / (high - low);
  root.setAttribute("viewBox", `0 0 ${w} ${h}`);
  const parts = [low, (low + high) / 2, high].flatMap((v) => [
    svg("line", { x1: left, x2: w - right, y1: Y(v), y2: Y(v), class: "axis" }),
    svg("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end" }, fixed(v)),
  ]);
  parts.push(
    svg("text", { x: left, y: h - 16 }, "0"),
    svg("text", { x: w - right, y: h - 16, "text-anchor": "end" }, `${steps}`),
    svg("text", { x: (left + w - right) / 2, y: h - 4, "text-anchor": "middle" }, "step"),
  );
  lines.forEach((line, i) => {
    const points = line.map((v, n) => `${X(n).toFixed(1)},${Y(v).toFixed(1)}`).join(" ");
    parts.push(svg("polyline", { points, stroke: colours[i] }));
  });
  root.replaceChildren(...parts);
}

const colours = (n) => Array.from({ length: n }, (_, i) => `hsl(${(225 + (360 * i) / n) % 360} 62% 56%)`);

function alarm(place, error) {
  place.classList.add("alarm");
  place.textContent = error.message || String(error);
}

/** A form whose work can be stopped: one at a time in the page, as one net works for both. */
const forms = [];
function works(form, place, work) {
  let stopped = false;
  forms.push(form);
  form.elements.stop.onclick = () => (stopped = true);
  form.onsubmit = async (event) => {
    event.preventDefault();
    stopped = false;
    place.classList.remove("alarm");
    for (const f of forms) f.querySelector(".main").disabled = true;
    form.elements.stop.disabled = false;
    try {
      await work(() => stopped);
    } catch (error) {
      alarm(place, error);
    }
    form.elements.stop.disabled = true;
    for (const f of forms) f.querySelector(".main").disabled = false;
  };
}

let shown; // the image that was drawn last, and its class

async function draw(stopped) {
  const form = by("draw");
  const each = form.elements.label.value === "each";
  const number = each ? Math.min(10, said.classes.length) : given(form, "number");
  const labels = Array.from({ length: number }, (_, i) => (each ? i : given(form, "label")));
  const steps = given(form, "steps");
  const settings = { steps, stepSize: given(form, "stepSize"), noise: given(form, "noise") };
  const hues = colours(number);
  const random = generator(given(form, "seed"));
  by("take").hidden = true;
  const chains = [];
  for (const label of labels) {
    const x = await begun(form.elements.start.value, label, random);
    chains.push({ label, ...picture(x, said.classes[label]), line: [], states: chain(x, label, { ...settings, ...random }) });
  }
  by("drawn").classList.toggle("one", number === 1);
  by("drawn").replaceChildren(...chains.map((c) => c.figure));
  const began = performance.now();
  let painted = began;
  for (let n = 0; n <= steps && !stopped(); n++) {
    for (const [i, c] of chains.entries()) {
      c.state = (await c.states.next()).value;
      c.line.push(c.state.E_y[c.label]);
      if (performance.now() - painted < 30 && n < steps) continue;
      for (const [k, d] of chains.entries()) if (d.state) show(d, hues[k], number);
      plot(by("draw-plot"), chains.map((d) => d.line), hues, steps);
      by("draw-said").textContent = `Step ${n} of ${steps}`;
      await tick();
      painted = performance.now();
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  by("draw-said").textContent = stopped() ? "Stopped." : `${steps} steps in ${seconds} s.`;
  shown = { x: chains[0].state.x, label: chains[0].label };
  by("take").hidden = number > 1;
}

function show({ canvas, caption, label, state }, hue, number) {
  paint(canvas, state.x);
  const swatch = number > 1 ? [made("i", { style: `background: ${hue}` })] : [];
  const energy = `E(x, y) ${fixed(state.E_y[label])}`;
  caption.replaceChildren(...swatch, made("b", {}, said.classes[label]), made("br"), energy, made("br"), `p(y | x) ${percent(state.p[label])}`);
}

const choices = []; // images that can be attacked, with their classes

function choice(x, label, name) {
  const index = choices.push({ x, label }) - 1;
  const canvas = picture(x, name).canvas;
  const radio = made("input", { type: "radio", name: "image", value: `${index}`, ariaLabel: name, checked: index === 0 });
  radio.onchange = () => chosen(index);
  by("choices").append(made("label", { title: name }, radio, canvas));
  return radio;
}

function chosen(index) {
  const { x, label } = choices[index];
  by("attack").elements.label.value = `${label}`;
  const { figure, caption } = picture(x, "clean");
  caption.textContent = "clean";
  by("attacked").replaceChildren(figure);
  by("attack-table").replaceChildren();
  by("attack-said").textContent = "";
}

function select(x, label, name) {
  const radio = choice(x, label, name);
  radio.checked = true;
  radio.onchange();
  by("attack").scrollIntoView({ block: "nearest" });
  radio.focus();
}

async function attack(stopped) {
  const form = by("attack");
  const picked = choices[Number(form.elements.image?.value || 0)];
  if (!picked) throw new Error("Choose an image of your own, or draw one above.");
  const label = given(form, "label");
  const [eps, stepSize] = [given(form, "eps") / 255, given(form, "stepSize") / 255];
  const { uniform } = generator(0);
  const settings = {
    loss: form.elements.loss.value, eps, stepSize, steps: given(form, "steps"),
    uniform: form.elements.random.checked && uniform,
  };
  const clean = await pass(picked.x, label);
  const parts = ["clean", "adversarial", "difference"].map((name) => picture(picked.x, name));
  by("attacked").replaceChildren(...parts.map((p) => p.figure));
  let state;
  for await (state of pgd(picked.x, label, settings)) {
    const delta = state.x.map((v, i) => v - picked.x[i]);
    paint(parts[1].canvas, state.x);
    paint(parts[2].canvas, delta.map((v) => clamp(0.5 + 10 * v)));
    parts[0].caption.replaceChildren("clean: ", top(clean));
    parts[1].caption.replaceChildren("attacked: ", top(state));
    const largest = (255 * delta.reduce((a, v) => Math.max(a, Math.abs(v)), 0)).toFixed(1);
    parts[2].caption.textContent = `difference × 10, at most ${largest} of 255`;
    by("attack-said").textContent = `Step ${state.n} of ${settings.steps}`;
    if (stopped()) break;
    await tick();
  }
  const [before, after] = [clean, state].map((s) => s.E_y.indexOf(Math.min(...s.E_y)));
  const told = after === label ? "The net still says" : before === label ? "The net is fooled: it says" : "The net was wrong before; now it says";
  by("attack-said").textContent = stopped() ? "Stopped." : `${told} ${said.classes[after]}.`;
  by("attack-table").replaceChildren(table(clean, state, label));
}

function top(state) {
  const k = state.E_y.indexOf(Math.min(...state.E_y));
  return made("b", {}, `${said.classes[k]}, ${percent(state.p[k])}`);
}

/** The classes that count, at most ten, with what the net says of both images. */
function table(clean, attacked, label) {
  const weight = (k) => (k === label ? 2 : Math.max(clean.p[k], attacked.p[k]));
  const order = said.classes.map((_, k) => k).sort((a, b) => weight(b) - weight(a));
  const kept = order.slice(0, 10).sort((a, b) => a - b);
  const share = (v) => {
    const cell = made("td", { className: "share" }, percent(v));
    cell.style.setProperty("--share", `${100 * v}%`);
    return cell;
  };
  const head = (text) => made("th", { scope: "col" }, text);
  const rows = kept.map((k) =>
    made("tr", {}, made("th", { scope: "row" }, said.classes[k] + (k === label ? " (y)" : "")),
      share(clean.p[k]), share(attacked.p[k]),
      made("td", {}, fixed(clean.E_y[k])), made("td", {}, fixed(attacked.E_y[k]))));
  const last = made("tr", {}, made("th", { scope: "row" }, "E(x)"), made("td"), made("td"),
    made("td", {}, fixed(clean.E)), made("td", {}, fixed(attacked.E)));
  return made("table", {},
    made("caption", {}, "p(k | x) and E(x, k), before and after the attack"),
    made("thead", {}, made("tr", {}, head("class k"), head("p before"), head("p after"), head("E before"), head("E after"))),
    made("tbody", {}, ...rows, last));
}

/** A picture file as the net takes images: scaled until it covers them, and cut at the centre. */
async function uploaded(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is no picture that this browser reads.`);
  });
  const canvas = made("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height);
  const plane = height * width;
  return Float32Array.from({ length: pixels }, (_, i) => {
    const at = 4 * (i % plane);
    if (channels === 3) return data[at + Math.floor(i / plane)] / 255;
    return Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]) / 255;
  });
}

/** A word of a command line. */
const word = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function commands() {
  const [d, a] = [by("draw"), by("attack")];
  const each = d.elements.label.value === "each";
  d.elements.number.disabled = each;
  const classes = each ? "" : ` --class ${word(said.classes[given(d, "label")])}`;
  const start = d.elements.start.value === "own" || !said.normals ? "" : " --start uniform";
  const flag = (form, name) => form.elements[name].value;
  by("draw-command").textContent =
    `jeat sample ${word(said.name)} drawn.png${classes} -n ${each ? 1 : flag(d, "number")} --steps ${flag(d, "steps")} ` +
    `--step_size ${flag(d, "stepSize")} --noise ${flag(d, "noise")}${start} --seed ${flag(d, "seed")}`;
  by("attack-command").textContent =
    `jeat attack ${word(said.name)} --loss ${flag(a, "loss")} --eps ${flag(a, "eps")}/255 --steps ${flag(a, "steps")} ` +
    `--step_size ${flag(a, "stepSize")}/255 --random_start ${a.elements.random.checked}`;
}

async function begin() {
  const options = () => said.classes.map((name, k) => new Option(name, k));
  const [d, a] = [by("draw"), by("attack")];
  d.elements.label.append(new Option(said.classes.length > 10 ? "the first ten, one each" : "one of each", "each"), ...options());
  d.elements.label.value = "0";
  a.elements.label.append(...options());
  for (const form of [d, a]) form.oninput = commands;
  by("drawn").replaceChildren(picture(new Float32Array(pixels).fill(0.5), "nothing yet").figure);
  a.elements.file.onchange = async () => {
    const [file] = a.elements.file.files;
    if (!file) return;
    by("attack-said").classList.remove("alarm");
    try {
      const x = await uploaded(file);
      const { E_y } = await pass(x, 0);
      select(x, E_y.indexOf(Math.min(...E_y)), file.name);
    } catch (error) {
      alarm(by("attack-said"), error);
    }
  };
  by("take").onclick = () => select(shown.x, shown.label, `drawn ${said.classes[shown.label]}`);
  works(d, by("draw-said"), draw);
  works(a, by("attack-said"), attack);
  const stored = await unpacked("images");
  said.labels.forEach((label, i) => {
    const x = Float32Array.from(stored.subarray(i * pixels, (i + 1) * pixels), (v) => v / 255);
    choice(x, label, said.classes[label]);
  });
  if (choices.length) chosen(0);
  commands();
  await opened();
  for (const form of forms) form.querySelector(".main").disabled = false;
  by("status").textContent = "";
}

globalThis.jeat = { said, pass, chain, pgd, begun, generator, choices };
globalThis.jeat.ready = begin().catch((error) => alarm(by("status"), error));
