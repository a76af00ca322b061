// What is seen of them.

const by = (id) => document.getElementById(id);
const fixed = (v) => v.toFixed(2).replace("-", "−");
const percent = (v) => `${(100 * v).toFixed(1)}\u00a0%`;
const given = (form, name) => Number(form.elements[name].value);
const MOST = 10; // images at once
const units = {
  linf: { whole: 255, of: "in 255ths", most: 255, length: (v) => `at most ${v} of 255` },
  l2: { whole: 1, of: "in l2, pixels in [0, 1]", most: 1e6, length: (v) => `l2 length ${v}` },
};
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

/** Work that is over once another choice is made: what it waits for then throws. */
class Run {
  over = false;
  stopped = false;

  async past(promise) {
    const found = await promise;
    if (this.over) throw new Error("another choice was made");
    return found;
  }
}

/**
 * Has a form do work, which can be stopped: one at a time in the page, as one net works for both.
 * Any change of the form ends the work, and clears what was shown: that is always of the form as
 * it stands. Returns what does this, and gives the Run of the new choice.
 */
const forms = [];
function works(form, place, work, clear) {
  let run = new Run();
  const changed = () => {
    run.over = true;
    run = new Run();
    place.classList.remove("alarm");
    place.textContent = "";
    clear();
    commands();
    return run;
  };
  const free = (yes) => {
    for (const f of forms) f.querySelector(".main").disabled = !yes;
    form.elements.stop.disabled = yes;
  };
  forms.push(form);
  form.elements.stop.onclick = () => (run.stopped = true);
  form.oninput = changed;
  form.onsubmit = async (event) => {
    event.preventDefault();
    free(false);
    await doing(changed(), place, work);
    free(true);
  };
  return changed;
}

/** Work of a choice; an error is shown, unless another choice was made. */
async function doing(run, place, work) {
  try {
    await work(run);
  } catch (error) {
    if (!run.over) alarm(place, error);
  }
}

let shown, count = 0; // an image that was drawn, and how many times images were

function clearDrawn() {
  by("drawn").classList.add("one");
  by("drawn").replaceChildren(picture(new Float32Array(pixels).fill(0.5), "nothing yet").figure);
  by("draw-plot").replaceChildren();
  by("take").hidden = true;
}

async function draw(run) {
  const form = by("draw");
  const labels = drawnLabels(form);
  const steps = given(form, "steps");
  const random = generator(given(form, "seed"));
  const noise = form.elements.noise ? given(form, "noise") : 0;
  const settings = { steps, stepSize: given(form, "stepSize"), noise, ...random };
  const hues = colours(labels.length);
  const chains = [];
  for (const label of labels) {
    const x = await run.past(begun(form.elements.start.value, label, random));
    chains.push({ label, ...picture(x, said.classes[label]), line: [], states: chain(x, label, settings) });
  }
  by("drawn").classList.toggle("one", labels.length === 1);
  by("drawn").replaceChildren(...chains.map((c) => c.figure));
  const seen = () => {
    for (const [k, c] of chains.entries()) if (c.state) show(c, hues[k], labels.length);
    plot(by("draw-plot"), chains.map((c) => c.line), hues, steps);
  };
  const began = performance.now();
  let [n, painted] = [0, began];
  for (; n <= steps && !(n && run.stopped); n++) {
    for (const c of chains) {
      c.state = (await run.past(c.states.next())).value;
      c.line.push(c.state.E_y[c.label]);
      if (performance.now() - painted < 30) continue;
      seen();
      by("draw-said").textContent = `Step ${n} of ${steps}`;
      await run.past(tick());
      painted = performance.now();
    }
  }
  seen();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  by("draw-said").textContent = n <= steps ? `Stopped after ${n - 1} of ${steps} steps.` : `${steps} steps in ${seconds} s.`;
  count++;
  shown = chains[0];
  by("take").hidden = labels.length > 1;
}

/** The class of each image that is drawn: at most ten of one each. */
function drawnLabels(form) {
  const { label } = form.elements;
  const each = label.value === "each";
  const number = each ? Math.min(MOST, said.classes.length) : given(form, "number");
  return Array.from({ length: number }, (_, i) => (each ? i : Number(label.value)));
}

function show({ canvas, caption, label, state }, hue, number) {
  paint(canvas, state.x);
  const swatch = number > 1 ? [made("i", { style: `background: ${hue}` })] : [];
  const energy = `E(x, y) ${fixed(state.E_y[label])}`;
  caption.replaceChildren(...swatch, made("b", {}, said.classes[label]), made("br"), energy, made("br"), `p(y | x) ${percent(state.p[label])}`);
}

// Images that can be attacked: x, the class that it starts with, where it has a label of its own,
// and what commands call it. Who has no such file saves it first.
const choices = [];

function choice(x, label, name, { file, own = false, save = false }) {
  const index = choices.push({ x, label, file, own, save }) - 1;
  const canvas = picture(x, name).canvas;
  const radio = made("input", { type: "radio", name: "image", value: `${index}`, ariaLabel: name, checked: index === 0 });
  radio.oninput = () => (by("attack").elements.label.value = `${label}`);
  by("choices").append(made("label", { title: name }, radio, canvas));
  return radio;
}

const picked = () => choices[Number(by("attack").elements.image?.value || 0)];

function clearAttacked() {
  const figures = picked() ? [captioned(picture(picked().x, "clean"), "clean")] : [];
  by("attacked").replaceChildren(...figures);
  by("attack-table").replaceChildren();
}

function captioned({ figure, caption }, text) {
  caption.textContent = text;
  return figure;
}

/** Add an image, and choose it. */
function select(changed, label, ...given) {
  const radio = choice(...given);
  radio.checked = true;
  by("attack").elements.label.value = `${label}`;
  changed();
  by("attack").scrollIntoView({ block: "nearest" });
  radio.focus();
}

async function attack(run) {
  const form = by("attack");
  if (!picked()) throw new Error("Choose an image of your own, or draw one above.");
  const { x } = picked();
  const label = given(form, "label");
  const norm = form.elements.norm.value;
  const { whole, length } = units[norm];
  const steps = given(form, "steps");
  const settings = {
    loss: form.elements.loss.value, norm, steps,
    eps: given(form, "eps") / whole, stepSize: given(form, "stepSize") / whole,
    random: form.elements.random.checked && generator(0),
  };
  const clean = await run.past(pass(x, label));
  const parts = ["clean", "adversarial", "difference"].map((name) => picture(x, name));
  by("attacked").replaceChildren(...parts.map((p) => p.figure));
  const states = pgd(x, label, settings);
  let state;
  do {
    state = (await run.past(states.next())).value;
    const delta = state.x.map((v, i) => v - x[i]);
    paint(parts[1].canvas, state.x);
    paint(parts[2].canvas, delta.map((v) => clamp(0.5 + 10 * v)));
    parts[0].caption.replaceChildren("clean: ", top(clean));
    parts[1].caption.replaceChildren("attacked: ", top(state));
    const far = rounded(whole * balls[norm].length(delta), 3);
    parts[2].caption.textContent = `difference × 10, ${length(far)}`;
    by("attack-said").textContent = `Step ${state.n} of ${steps}`;
    await run.past(tick());
  } while (state.n < steps && !run.stopped);
  const [before, after] = [clean, state].map((s) => s.E_y.indexOf(Math.min(...s.E_y)));
  const told = after === label ? "The net still says" : before === label ? "The net is fooled: it says" : "The net was wrong before; now it says";
  const stopped = state.n < steps ? `Stopped after ${state.n} of ${steps} steps. ` : "";
  by("attack-said").textContent = `${stopped}${told} ${said.classes[after]}.`;
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

/** The name of a file as a command line takes it: no flag, and no test image. */
const fileWord = (name) => word(/^(-|test:)/.test(name) ? `./${name}` : name);

/** What a field of a form lacks, as a comment of a shell; "" where nothing does. */
function lacking(form) {
  const field = [...form.elements].find((e) => e.willValidate && !e.validity.valid);
  if (!field) return "";
  const name = field.labels[0].textContent.trim();
  return `# ${name}: give a ${field.step === "1" ? "whole " : ""}number from ${field.min} to ${field.max}.`;
}

function drawCommand(form) {
  const { label, start, noise } = form.elements;
  const each = label.value === "each";
  const names = [...new Set(drawnLabels(form))].map((k) => word(said.classes[k]));
  return [
    `jeat sample ${word(said.name)} drawn.png`,
    each && names.length === said.classes.length ? "" : ` --class ${names.join(" ")}`,
    ` -n ${each ? 1 : given(form, "number")} --steps ${given(form, "steps")}`,
    ` --step_size ${given(form, "stepSize")}`,
    noise ? ` --noise ${given(form, "noise")}` : "",
    said.other ? ` --sampler ${said.sampler}` : "",
    start.value === "own" ? "" : " --start uniform",
    ` --seed ${given(form, "seed")}`,
  ].join("");
}

function attackCommand(form) {
  if (!picked()) return "# Choose an image of your own, or draw one above.";
  const { file, own, label } = picked();
  const { loss, norm, random } = form.elements;
  const { whole } = units[norm.value];
  const size = (name) => `${given(form, name)}${whole === 1 ? "" : `/${whole}`}`;
  const k = given(form, "label");
  return [
    `jeat attack ${word(said.name)} --from ${own ? file : fileWord(file)}`,
    own && k === label ? "" : ` --class ${word(said.classes[k])}`,
    own && said.data ? ` --data ${word(said.data)}` : "",
    ` --loss ${loss.value} --norm ${norm.value} --eps ${size("eps")} --steps ${given(form, "steps")}`,
    ` --step_size ${size("stepSize")} --random_start ${random.checked} --out attacked.png`,
  ].join("");
}

function commands() {
  const [d, a] = [by("draw"), by("attack")];
  d.elements.number.disabled = d.elements.label.value === "each";
  by("draw-command").textContent = lacking(d) || drawCommand(d);
  by("attack-command").textContent = lacking(a) || attackCommand(a);
  const { x, file, save } = picked() || {};
  const link = () => made("a", { download: file, href: paint(made("canvas"), x).toDataURL(), textContent: `Save the image as ${file}` });
  by("attack-file").replaceChildren(...(save ? [link(), " first. "] : []));
}

const rounded = (v, digits = 4) => Number(v.toPrecision(digits));

/** The usual radius and step of the ball that is chosen, in its units. */
function measured() {
  const { norm, eps, stepSize } = by("attack").elements;
  const { whole, of, most } = units[norm.value];
  for (const unit of by("attack").querySelectorAll(".unit")) unit.textContent = of;
  for (const field of [eps, stepSize]) field.max = most;
  eps.value = rounded(whole * said.radii[norm.value]);
  stepSize.value = rounded((whole * said.radii[norm.value]) / 4);
}

/** Have the forms do their work, and give what is to be called where the attacked image changes. */
function wired() {
  const options = () => said.classes.map((name, k) => new Option(name, k));
  const [d, a] = [by("draw"), by("attack")];
  d.elements.label.append(new Option(said.classes.length > MOST ? "the first ten, one each" : "one of each", "each"), ...options());
  d.elements.label.value = "0";
  a.elements.label.append(...options());
  a.elements.norm.oninput = measured;
  measured();
  works(d, by("draw-said"), draw, clearDrawn);
  const changed = works(a, by("attack-said"), attack, clearAttacked);
  a.elements.file.onchange = () => {
    const [file] = a.elements.file.files;
    const upload = async (run) => {
      const x = await run.past(uploaded(file));
      const { E_y } = await run.past(pass(x, 0));
      const label = E_y.indexOf(Math.min(...E_y));
      select(changed, label, x, label, file.name, { file: file.name });
    };
    if (file) doing(changed(), by("attack-said"), upload);
  };
  by("take").onclick = () => {
    const { label, state } = shown;
    const x = state.x.map((v) => Math.round(255 * v) / 255); // as its file has it
    select(changed, label, x, label, `drawn ${said.classes[label]}`, { file: `drawn-${count}.png`, save: true });
  };
  return changed;
}

async function begin() {
  const changed = wired();
  const stored = await unpacked("images");
  said.labels.forEach((label, i) => {
    const x = Float32Array.from(stored.subarray(i * pixels, (i + 1) * pixels), (v) => v / 255);
    const own = said.numbers.length > 0;
    choice(x, label, said.classes[label], { file: own ? `test:${said.numbers[i]}` : `image-${i}.png`, own, save: !own });
  });
  if (choices.length) by("attack").elements.label.value = `${choices[0].label}`;
  clearDrawn();
  changed();
  await opened();
  for (const form of forms) form.querySelector(".main").disabled = false;
  by("attack").elements.file.disabled = false;
  by("status").textContent = "";
}

globalThis.jeat = { said, pass, chain, pgd, begun, generator, choices };
globalThis.jeat.ready = begin().catch((error) => alarm(by("status"), error));
