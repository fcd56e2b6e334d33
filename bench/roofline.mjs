// roofline.mjs — what this machine can do at most through V8, to judge kernels by
import asc from 'assemblyscript/asc';

/**
 * Independent chains of multiply and add in registers, eight operations each a turn: twelve, or as many
 * pairs where V8 joins them.
 */
function peak(name, count) {
  const chains = Array.from({ length: count }, (_, c) => `a${c}`);
  return `export function ${name}(turns: i32, factor: f32): f32 {
  const w = f32x4.splat(factor);
  let ${chains.map((a, c) => `${a} = v128.load(0, ${16 * c})`).join(', ')};
  for (let turn = 0; turn < turns; turn++) {
    ${chains.map((a) => `${a} = f32x4.add(f32x4.mul(${a}, w), w);`).join(' ')}
  }
  ${chains.map((a, c) => `v128.store(END, ${a}, ${16 * c});`).join(' ')}
  return load<f32>(END);
}`;
}

// Chains come in pairs that end side by side in memory, so that V8 joins them where it joins the kernels'.
const SOURCE = `
/** Where chains end, beyond what is read. */
const END: usize = 48 << 20;

${peak('peak', 12)}
${peak('peakWide', 24)}

/**
 * What a sparse kernel is at best: a number from memory for each multiply and add, 64 operations and
 * 128 bytes (of which size is a multiple) a turn.
 */
export function fed(size: usize, times: i32, factor: f32): f32 {
  const w = f32x4.splat(factor);
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (let time = 0; time < times; time++) {
    for (let at: usize = 0; at < size; at += 128) {
      a = f32x4.add(a, f32x4.mul(w, v128.load(at)));
      b = f32x4.add(b, f32x4.mul(w, v128.load(at, 16)));
      c = f32x4.add(c, f32x4.mul(w, v128.load(at, 32)));
      d = f32x4.add(d, f32x4.mul(w, v128.load(at, 48)));
      // Never taken. V8 of Node 20 would load all eight before it adds any, and run out of registers.
      if (at == 1) break;
      e = f32x4.add(e, f32x4.mul(w, v128.load(at, 64)));
      f = f32x4.add(f, f32x4.mul(w, v128.load(at, 80)));
      g = f32x4.add(g, f32x4.mul(w, v128.load(at, 96)));
      h = f32x4.add(h, f32x4.mul(w, v128.load(at, 112)));
    }
  }
  v128.store(END, a); v128.store(END, b, 16); v128.store(END, c, 32); v128.store(END, d, 48);
  v128.store(END, e, 64); v128.store(END, f, 80); v128.store(END, g, 96); v128.store(END, h, 112);
  return load<f32>(END);
}

/** Reads so many bytes (a multiple of 128) again and again. */
export function stream(size: usize, times: i32): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (let time = 0; time < times; time++) {
    for (let at: usize = 0; at < size; at += 128) {
      a = f32x4.add(a, v128.load(at)); b = f32x4.add(b, v128.load(at, 16));
      c = f32x4.add(c, v128.load(at, 32)); d = f32x4.add(d, v128.load(at, 48));
      e = f32x4.add(e, v128.load(at, 64)); f = f32x4.add(f, v128.load(at, 80));
      g = f32x4.add(g, v128.load(at, 96)); h = f32x4.add(h, v128.load(at, 112));
    }
  }
  a = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  e = f32x4.add(f32x4.add(e, f), f32x4.add(g, h));
  return f32x4.extract_lane(f32x4.add(a, e), 0);
}
`;

/** The three loops as a WebAssembly module with 64 MiB of memory, in base64. */
export async function compileRoofline() {
  const { binary, stderr, error } = await asc.compileString(SOURCE, {
    optimizeLevel: 3,
    enable: ['simd'],
    runtime: 'stub',
    initialMemory: 1024,
  });
  if (error) throw new Error(stderr.toString());
  return Buffer.from(binary).toString('base64');
}
