// roofline.mjs — what this machine can do at most in plain 128-bit SIMD, to judge kernels by
import asc from 'assemblyscript/asc';

const SOURCE = `
/** Twelve independent chains of multiply and add in registers: 96 operations a turn. */
export function peak(turns: i32, factor: f32): f32 {
  const w = f32x4.splat(factor);
  let a = f32x4.splat(1), b = f32x4.splat(2), c = f32x4.splat(3), d = f32x4.splat(4);
  let e = f32x4.splat(5), f = f32x4.splat(6), g = f32x4.splat(7), h = f32x4.splat(8);
  let p = f32x4.splat(9), q = f32x4.splat(10), r = f32x4.splat(11), s = f32x4.splat(12);
  for (let turn = 0; turn < turns; turn++) {
    a = f32x4.add(f32x4.mul(a, w), w); b = f32x4.add(f32x4.mul(b, w), w);
    c = f32x4.add(f32x4.mul(c, w), w); d = f32x4.add(f32x4.mul(d, w), w);
    e = f32x4.add(f32x4.mul(e, w), w); f = f32x4.add(f32x4.mul(f, w), w);
    g = f32x4.add(f32x4.mul(g, w), w); h = f32x4.add(f32x4.mul(h, w), w);
    p = f32x4.add(f32x4.mul(p, w), w); q = f32x4.add(f32x4.mul(q, w), w);
    r = f32x4.add(f32x4.mul(r, w), w); s = f32x4.add(f32x4.mul(s, w), w);
  }
  a = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  e = f32x4.add(f32x4.add(e, f), f32x4.add(g, h));
  p = f32x4.add(f32x4.add(p, q), f32x4.add(r, s));
  return f32x4.extract_lane(f32x4.add(f32x4.add(a, e), p), 0);
}

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
  a = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  e = f32x4.add(f32x4.add(e, f), f32x4.add(g, h));
  return f32x4.extract_lane(f32x4.add(a, e), 0);
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
