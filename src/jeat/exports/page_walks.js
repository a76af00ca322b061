// The net and its walks: an image is a Float32Array of C x H x W in [0, 1], as the net takes it.

const said = JSON.parse(document.getElementById("said").textContent);
const [channels, height, width] = said.shape;
const pixels = channels * height * width;
const clamp = (v) => Math.min(1, Math.max(0, v));
const within = (v, most) => Math.min(most, Math.max(-most, v));
const length = (x) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0)); // in fp64: no square underflows
const scaled = (x, factor) => x.map((v) => factor * v);
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

/** The samplers of jeat: settings -> a state with its gradient -> the next image. */
const samplers = {
  langevin({ stepSize, noise, normal }) {
    return ({ x, gradient }) => x.map((v, i) => v - stepSize * gradient[i] + (noise && noise * normal()));
  },
  momentum({ stepSize, noise, normal, friction, limit }) {
    let velocity = new Float32Array(pixels);
    return ({ x, gradient }) => {
      velocity = velocity.map((v, i) => (1 - friction) * v - stepSize * gradient[i]);
      return x.map((v, i) => v + within(velocity[i] + (noise && noise * normal()), limit));
    };
  },
  clamped({ stepSize, noise, normal, clip, slopeAt }) {
    return async ({ x, gradient }) => {
      const z = noise ? x.map((v) => v + noise * normal()) : x;
      const down = noise ? await slopeAt(z) : gradient;
      return z.map((v, i) => v - stepSize * within(down[i], clip));
    };
  },
  normalized({ stepSize, radius, start }) {
    return ({ x, gradient }) => {
      const step = stepSize / (length(gradient) || 1);
      const away = x.map((v, i) => v - step * gradient[i] - start[i]);
      const kept = radius === null ? 1 : Math.min(1, radius / (length(away) || 1));
      return away.map((v, i) => start[i] + kept * v);
    };
  },
};

/** The states of a chain down E(x, y), the first one included (Eq. 17). */
async function* chain(x, label, { sampler = said.sampler, steps, ...given }) {
  const slopeAt = async (z) => (await pass(z, label)).gradient;
  const next = samplers[sampler]({ ...said.settings, ...given, start: x, slopeAt });
  for (let n = 0; ; n++) {
    const state = await pass(x, label);
    yield { ...state, n };
    if (n === steps) return;
    x = (await next(state)).map(clamp);
  }
}

/** The balls of jeat: a length, a step of length 1, what is nearest in the ball, a point of it. */
const balls = {
  linf: {
    length: (d) => d.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
    steepest: (gradient) => gradient.map(Math.sign),
    nearest: (d, eps) => d.map((v) => within(v, eps)),
    point: (eps, { uniform }) => Float32Array.from({ length: pixels }, () => eps * (2 * uniform() - 1)),
  },
  l2: {
    length,
    steepest: (gradient) => scaled(gradient, 1 / (length(gradient) || 1)),
    nearest: (d, eps) => (length(d) > eps ? scaled(d, eps / length(d)) : d),
    point(eps, { uniform, normal }) {
      const d = Float32Array.from({ length: pixels }, normal);
      return scaled(d, (eps * uniform() ** (1 / pixels)) / length(d));
    },
  },
};

/** The iterates of PGD in a ball, the first one included (Eq. 3 and 18). */
async function* pgd(x, label, { loss, norm = "linf", eps, steps, stepSize, random }) {
  const { steepest, nearest, point } = balls[norm];
  const moved = (d) => x.map((v, i) => clamp(v + d[i]));
  let at = random ? moved(point(eps, random)) : x;
  for (let n = 0; ; n++) {
    const state = await pass(at, label, loss === "ce" ? -1 : 0);
    yield { ...state, n };
    if (n === steps) return;
    const step = steepest(state.gradient);
    at = moved(nearest(x.map((v, i) => at[i] + stepSize * step[i] - v), eps));
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
