/**
 * The pixel operations as WebAssembly with 128-bit vectors, in AssemblyScript. `npm run kernels` compiles this file into
 * `kernel-bytes.ts`; `kernels.ts` loads that and says how memory is laid out.
 *
 * Images are [height, width, 3] bytes without padding; `at`, `from`, `to` are addresses. After the last byte of each
 * image there are 64 bytes that any vector may read or overwrite. Arithmetic is Pillow's, in its order and precision.
 * Bytes are moved by swizzles with constants: V8 keeps those in registers, and sets up the masks of shuffles each time.
 */

const HALF: i32 = 1 << 13;

/**
 * Rows [from…, 3] → [width, 3], each with a byte to spare at its end. The table has, for each x of the result, the byte where its window begins and
 * 2 · groups pairs of 14-bit weights.
 */
export function across(from: usize, to: usize, rows: i32, fromStride: i32, toStride: i32, table: usize, width: i32, groups: i32): void {
  // Two rows at a time share the weights; a row of nothing follows the last of an odd number.
  for (; rows > 0; rows -= 2, from += fromStride << 1, to += toStride << 1) {
    const second = rows > 1 ? fromStride : 0;
    let entry = table;
    let out = to;
    for (let x = 0; x < width; x++, out += 3) {
      let at = from + load<u32>(entry);
      let upper = i32x4.splat(HALF);
      let lower = upper;
      entry += 4;
      for (let group = groups; group > 0; group--, at += 12, entry += 8) {
        const first = v128.load32_splat(entry);
        const next = v128.load32_splat(entry, 4);
        upper = addTaps(upper, v128.load(at), first, next);
        lower = addTaps(lower, v128.load(at + second), first, next);
      }
      const both = i16x8.narrow_i32x4_s(i32x4.shr_s(upper, 14), i32x4.shr_s(lower, 14));
      const bytes = i8x16.narrow_i16x8_u(both, both);
      v128.store32_lane(out, bytes, 0);
      v128.store32_lane(out + toStride, bytes, 1);
    }
  }
}

/** Adds four pixels, weighted. */
// @ts-ignore: decorator
@inline
function addTaps(sum: v128, four: v128, firstTwo: v128, nextTwo: v128): v128 {
  // R, G and B of two neighbours side by side as 16-bit numbers.
  const first = i8x16.swizzle(four, i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const next = i8x16.swizzle(four, i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  return i32x4.add(sum, i32x4.add(i32x4.dot_i16x8_s(first, firstTwo), i32x4.dot_i16x8_s(next, nextTwo)));
}

/** Clips four whole numbers to bytes and stores them; the fourth is overwritten by whatever comes next. */
// @ts-ignore: decorator
@inline
function storePixel(at: usize, values: v128): void {
  const words = i16x8.narrow_i32x4_s(values, values);
  v128.store32_lane(at, i8x16.narrow_i16x8_u(words, words), 0);
}

/**
 * Columns [from…, stride] → [rows, toStride], the latter a multiple of 16 and not greater. The table has, for each y of the result, the
 * byte where its first row begins and `pairs` pairs of 14-bit weights.
 */
export function down(from: usize, to: usize, rows: i32, stride: i32, toStride: i32, table: usize, pairs: i32): void {
  for (; rows > 0; rows--, to += toStride, table += (pairs + 1) << 2) {
    const top = from + load<u32>(table);
    for (let column = 0; column < toStride; column += 16) {
      let at = top + column;
      let entry = table + 4;
      let s0 = i32x4.splat(HALF);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (let pair = pairs; pair > 0; pair--, at += stride << 1, entry += 4) {
        const upper = v128.load(at);
        const lower = v128.load(at + stride);
        const weights = v128.load32_splat(entry);
        const low = i8x16.shuffle(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const high = i8x16.shuffle(upper, lower, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(low), weights));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(low), weights));
        s2 = i32x4.add(s2, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(high), weights));
        s3 = i32x4.add(s3, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(high), weights));
      }
      storeSixteen(to + column, i32x4.shr_s(s0, 14), i32x4.shr_s(s1, 14), i32x4.shr_s(s2, 14), i32x4.shr_s(s3, 14));
    }
  }
}

/** Clips sixteen whole numbers to bytes and stores them. */
// @ts-ignore: decorator
@inline
function storeSixteen(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(at, i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
}

export function invert(at: usize, bytes: i32): void {
  for (const end = at + bytes; at < end; at += 16) v128.store(at, v128.not(v128.load(at)));
}

/** Keeps the bits of `mask`. */
export function posterize(at: usize, bytes: i32, mask: i32): void {
  const kept = i8x16.splat(<i8>mask);
  for (const end = at + bytes; at < end; at += 16) v128.store(at, v128.and(v128.load(at), kept));
}

/** Inverts values from `threshold` (0 to 255) on. */
export function solarize(at: usize, bytes: i32, threshold: i32): void {
  const least = i8x16.splat(<i8>threshold);
  for (const end = at + bytes; at < end; at += 16) {
    const values = v128.load(at);
    v128.store(at, v128.xor(values, i8x16.ge_u(values, least)));
  }
}

/** Adds `add` to values below 128. */
export function solarizeAdd(at: usize, bytes: i32, add: i32): void {
  const added = i8x16.splat(<i8>add);
  const middle = i8x16.splat(-128);
  for (const end = at + bytes; at < end; at += 16) {
    const values = v128.load(at);
    v128.store(at, i8x16.add_sat_u(values, v128.and(added, i8x16.lt_u(values, middle))));
  }
}

/**
 * The floor of values below 2^22 as whole numbers, by their bits once 1.5 · 2^23 is added: WebAssembly's own conversion,
 * which has an answer to everything, takes three times as long. Clipped to bytes, the floor is what truncation gives.
 */
// @ts-ignore: decorator
@inline
function floored(values: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.floor(values), f32x4.splat(12582912)), i32x4.splat(0x4b400000));
}

/** start + alpha · (end − start) in single precision, truncated once it is clipped to a byte. */
// @ts-ignore: decorator
@inline
function blended(start: v128, end: v128, alpha: v128): v128 {
  return floored(f32x4.add(start, f32x4.mul(alpha, f32x4.sub(end, start))));
}

/** Blends from the one value `plain`. */
export function blendPlain(at: usize, bytes: i32, plain: i32, factor: f32): void {
  const start = f32x4.splat(<f32>plain);
  const alpha = f32x4.splat(factor);
  for (const end = at + bytes; at < end; at += 16) {
    const values = v128.load(at);
    const low = i16x8.extend_low_i8x16_u(values);
    const high = i16x8.extend_high_i8x16_u(values);
    storeSixteen(
      at,
      blended(start, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), alpha),
      blended(start, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), alpha),
      blended(start, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), alpha),
      blended(start, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), alpha),
    );
  }
}

// @ts-ignore: decorator
@inline
function reds(four: v128): v128 {
  return i8x16.swizzle(four, i8x16(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1));
}

// @ts-ignore: decorator
@inline
function greens(four: v128): v128 {
  return i8x16.swizzle(four, i8x16(1, -1, -1, -1, 4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1));
}

// @ts-ignore: decorator
@inline
function blues(four: v128): v128 {
  return i8x16.swizzle(four, i8x16(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
}

/** Pillow's L of four pixels. */
// @ts-ignore: decorator
@inline
function lightness(red: v128, green: v128, blue: v128): v128 {
  const sum = i32x4.add(i32x4.mul(red, i32x4.splat(19595)), i32x4.mul(green, i32x4.splat(38470)));
  return i32x4.shr_u(i32x4.add(i32x4.add(sum, i32x4.mul(blue, i32x4.splat(7471))), i32x4.splat(0x8000)), 16);
}

/** The sum of L over `pixels` pixels. */
export function lightnessSum(at: usize, pixels: i32): i32 {
  let sums = i32x4.splat(0);
  for (; pixels >= 4; pixels -= 4, at += 12) {
    const four = v128.load(at);
    sums = i32x4.add(sums, lightness(reds(four), greens(four), blues(four)));
  }
  let sum = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  sum += i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  for (; pixels > 0; pixels--, at += 3)
    sum += (19595 * <i32>load<u8>(at) + 38470 * <i32>load<u8>(at, 1) + 7471 * <i32>load<u8>(at, 2) + 0x8000) >> 16;
  return sum;
}

/** Blends from each pixel's own L. */
export function blendGrey(at: usize, pixels: i32, factor: f32): void {
  const alpha = f32x4.splat(factor);
  const most = i32x4.splat(255);
  const least = i32x4.splat(0);
  for (; pixels > 0; pixels -= 4, at += 12) {
    const four = v128.load(at);
    const red = reds(four);
    const green = greens(four);
    const blue = blues(four);
    const grey = f32x4.convert_i32x4_s(lightness(red, green, blue));
    const r = i32x4.min_s(most, i32x4.max_s(least, blended(grey, f32x4.convert_i32x4_s(red), alpha)));
    const g = i32x4.min_s(most, i32x4.max_s(least, blended(grey, f32x4.convert_i32x4_s(green), alpha)));
    const b = i32x4.min_s(most, i32x4.max_s(least, blended(grey, f32x4.convert_i32x4_s(blue), alpha)));
    const words = v128.or(r, v128.or(i32x4.shl(g, 8), i32x4.shl(b, 16)));
    const bytes = i8x16.swizzle(words, i8x16(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    // In place: the bytes after these twelve are still to be read.
    v128.store64_lane(at, bytes, 0);
    v128.store32_lane(at, bytes, 2, 8);
  }
}

// @ts-ignore: decorator
@inline
function smoothed(sum: v128): v128 {
  // Nearest whole number of sum / 13: there are no ties, and single precision is far better than their distance.
  return f32x4.floor(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(1.0 / 13.0)), f32x4.splat(0.5)));
}

/** Sixteen bytes blended from their neighbourhood weighted [1 1 1; 1 5 1; 1 1 1] / 13. */
// @ts-ignore: decorator
@inline
function sharpenSixteen(at: usize, to: usize, row: i32, alpha: v128): void {
  const middle = v128.load(at);
  let low = i16x8.mul(i16x8.extend_low_i8x16_u(middle), i16x8.splat(5));
  let high = i16x8.mul(i16x8.extend_high_i8x16_u(middle), i16x8.splat(5));
  for (let place = 0; place < 8; place++) {
    // Left to right, top to bottom, without the middle.
    const step = place < 4 ? place : place + 1;
    const near = v128.load(at + (step / 3 - 1) * row + (step % 3 - 1) * 3);
    low = i16x8.add(low, i16x8.extend_low_i8x16_u(near));
    high = i16x8.add(high, i16x8.extend_high_i8x16_u(near));
  }
  const l = i16x8.extend_low_i8x16_u(middle);
  const h = i16x8.extend_high_i8x16_u(middle);
  storeSixteen(
    to,
    blended(smoothed(i32x4.extend_low_i16x8_u(low)), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(l)), alpha),
    blended(smoothed(i32x4.extend_high_i16x8_u(low)), f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(l)), alpha),
    blended(smoothed(i32x4.extend_low_i16x8_u(high)), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(h)), alpha),
    blended(smoothed(i32x4.extend_high_i16x8_u(high)), f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(h)), alpha),
  );
}

/** Blends from the smoothed image; the border stays. */
export function sharpen(from: usize, to: usize, width: i32, height: i32, factor: f32): void {
  const row = width * 3;
  const alpha = f32x4.splat(factor);
  memory.copy(to, from, row * height);
  if (width < 3) return;
  for (let y = 1; y < height - 1; y++) {
    const start = y * row + 3;
    const end = start + row - 6;
    // What the last vector writes over, in this row's border and the next rows.
    const border = v128.load(from + end);
    for (let at = start; at < end; at += 16) sharpenSixteen(from + at, to + at, row, alpha);
    v128.store(to + end, border);
  }
}

/** Least and most of each byte's place in 48, over whole groups of 16 pixels; the caller folds them: 48 + 48 bytes. */
export function ranges(at: usize, groups: i32, out: usize): void {
  let a = v128.load(at);
  let b = v128.load(at, 16);
  let c = v128.load(at, 32);
  let x = a;
  let y = b;
  let z = c;
  for (; groups > 0; groups--, at += 48) {
    const first = v128.load(at);
    const second = v128.load(at, 16);
    const third = v128.load(at, 32);
    a = i8x16.min_u(a, first);
    b = i8x16.min_u(b, second);
    c = i8x16.min_u(c, third);
    x = i8x16.max_u(x, first);
    y = i8x16.max_u(y, second);
    z = i8x16.max_u(z, third);
  }
  v128.store(out, a);
  v128.store(out, b, 16);
  v128.store(out, c, 32);
  v128.store(out, x, 48);
  v128.store(out, y, 64);
  v128.store(out, z, 80);
}

/** Counts values by channel: three times 256 counts of 32 bits. */
export function histogram(at: usize, pixels: i32, counts: usize): void {
  memory.fill(counts, 0, 3072);
  for (const end = at + pixels * 3; at < end; at += 3) {
    const red = counts + (<usize>load<u8>(at) << 2);
    const green = counts + (<usize>load<u8>(at, 1) << 2);
    const blue = counts + (<usize>load<u8>(at, 2) << 2);
    store<u32>(red, load<u32>(red) + 1);
    store<u32>(green, load<u32>(green, 1024) + 1, 1024);
    store<u32>(blue, load<u32>(blue, 2048) + 1, 2048);
  }
}

/** Replaces each value by its channel's table: three times 256 bytes. */
export function lookUp(at: usize, pixels: i32, tables: usize): void {
  for (const end = at + pixels * 3; at < end; at += 3) {
    store<u8>(at, load<u8>(tables + load<u8>(at)));
    store<u8>(at, load<u8>(tables + load<u8>(at, 1), 256), 1);
    store<u8>(at, load<u8>(tables + load<u8>(at, 2), 512), 2);
  }
}

// @ts-ignore: decorator
@inline
function within(index: i32, count: i32): i32 {
  return index < 0 ? 0 : index < count ? index : count - 1;
}

/** The pixel at `at` as four whole numbers: R, G, B and one of no meaning. */
// @ts-ignore: decorator
@inline
function pixelAt(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}

// @ts-ignore: decorator
@inline
function lowHalf(whole: v128): v128 {
  return f64x2.convert_low_i32x4_s(whole);
}

// @ts-ignore: decorator
@inline
function highHalf(whole: v128): v128 {
  return f64x2.convert_low_i32x4_s(i64x2.shuffle(whole, whole, 1, 1));
}

/** v2 + d · (p2 + d · (p3 + d · p4)) */
// @ts-ignore: decorator
@inline
function horner(v2: v128, p2: v128, p3: v128, p4: v128, d: v128): v128 {
  return f64x2.add(v2, f64x2.mul(d, f64x2.add(p2, f64x2.mul(d, f64x2.add(p3, f64x2.mul(d, p4))))));
}

/** Clips R, G (in `low`) and B (in `high`) to bytes, truncated. */
// @ts-ignore: decorator
@inline
function storeReal(at: usize, low: v128, high: v128): void {
  const rg = i32x4.trunc_sat_f64x2_s_zero(low);
  const b = i32x4.trunc_sat_f64x2_s_zero(high);
  storePixel(at, i64x2.shuffle(rg, b, 0, 2));
}

/**
 * Pillow computes the cubic (a = −1) in double precision and truncates. Single precision is twice as fast and differs
 * by less than these, so that it gives the same byte unless its result is that near to a whole number; then, once in a
 * hundred pixels, it is computed again.
 */
const NEAR_ALONG_ONE: f32 = 0.002;
const NEAR_ALONG_BOTH: f32 = 0.004;

/** Clips and stores the pixel if no channel is near a whole number where that matters. Returns whether it did. */
// @ts-ignore: decorator
@inline
function storeIfSure(to: usize, values: v128, near: f32): bool {
  const distance = f32x4.abs(f32x4.sub(values, f32x4.nearest(values)));
  const inside = v128.and(f32x4.gt(values, f32x4.splat(-1)), f32x4.lt(values, f32x4.splat(256)));
  const unsure = v128.and(v128.and(inside, f32x4.lt(distance, f32x4.splat(near))), i32x4(-1, -1, -1, 0));
  if (v128.any_true(unsure)) return false;
  storePixel(to, floored(values));
  return true;
}

/** v2 + d · (p2 + d · (p3 + d · p4)) in single precision. */
// @ts-ignore: decorator
@inline
function shortHorner(v2: v128, p2: v128, p3: v128, p4: v128, d: v128): v128 {
  return f32x4.add(v2, f32x4.mul(d, f32x4.add(p2, f32x4.mul(d, f32x4.add(p3, f32x4.mul(d, p4))))));
}

/** Four pixels at distance `d` after the second, in single precision. */
// @ts-ignore: decorator
@inline
function cubicShort(v1: v128, v2: v128, v3: v128, v4: v128, d: v128): v128 {
  const difference = i32x4.sub(v1, v2);
  const p3 = i32x4.sub(i32x4.add(i32x4.add(difference, difference), v3), v4);
  const p4 = i32x4.sub(i32x4.sub(v4, v3), difference);
  return shortHorner(
    f32x4.convert_i32x4_s(v2),
    f32x4.convert_i32x4_s(i32x4.sub(v3, v1)),
    f32x4.convert_i32x4_s(p3),
    f32x4.convert_i32x4_s(p4),
    d,
  );
}

// Results of the exact functions below: AssemblyScript returns one value.
let cubicLow: v128 = i64x2.splat(0);
let cubicHigh: v128 = i64x2.splat(0);

/** The same exactly, R and G in `cubicLow`, B in `cubicHigh`. */
function cubicWhole(v1: v128, v2: v128, v3: v128, v4: v128, d: v128): void {
  const p2 = i32x4.sub(v3, v1);
  const difference = i32x4.sub(v1, v2);
  const p3 = i32x4.sub(i32x4.add(i32x4.add(difference, difference), v3), v4);
  const p4 = i32x4.sub(i32x4.sub(v4, v3), difference);
  cubicLow = horner(lowHalf(v2), lowHalf(p2), lowHalf(p3), lowHalf(p4), d);
  cubicHigh = horner(highHalf(v2), highHalf(p2), highHalf(p3), highHalf(p4), d);
}

// @ts-ignore: decorator
@inline
function cubicReal(v1: v128, v2: v128, v3: v128, v4: v128, d: v128): v128 {
  const p2 = f64x2.sub(v3, v1);
  const difference = f64x2.sub(v1, v2);
  const p3 = f64x2.sub(f64x2.add(f64x2.add(difference, difference), v3), v4);
  const p4 = f64x2.add(f64x2.sub(f64x2.sub(v2, v1), v3), v4);
  return horner(v2, p2, p3, p4, d);
}

/** Sees an image through the matrix (a, b, c; 0, 1, 0), bicubic: along rows. */
export function affineAcross(from: usize, to: usize, width: i32, height: i32, fill: u32, a: f64, b: f64, c: f64): void {
  const stride = width * 3;
  for (let y = 0; y < height; y++, from += stride) {
    const by = b * (<f64>y + 0.5);
    for (let x = 0; x < width; x++, to += 3) {
      const sourceX = a * (<f64>x + 0.5) + by + c;
      if (!(sourceX >= 0 && sourceX < <f64>width)) {
        store<u32>(to, fill);
        continue;
      }
      const edge = Math.floor(sourceX - 0.5);
      const left = <i32>edge;
      const distance = sourceX - 0.5 - edge;
      if (storeIfSure(to, cubicInRow(from, width, left, f32x4.splat(<f32>distance)), NEAR_ALONG_ONE)) continue;
      exactInRow(from, width, left, f64x2.splat(distance));
      storeReal(to, cubicLow, cubicHigh);
    }
  }
}

/** Sees an image through the matrix (1, 0, 0; d, e, f), bicubic: along columns. */
export function affineDown(from: usize, to: usize, width: i32, height: i32, fill: u32, d: f64, e: f64, f: f64): void {
  const stride = width * 3;
  for (let y = 0; y < height; y++) {
    const ey = e * (<f64>y + 0.5);
    for (let x = 0; x < width; x++, to += 3) {
      const sourceY = d * (<f64>x + 0.5) + ey + f;
      if (!(sourceY >= 0 && sourceY < <f64>height)) {
        store<u32>(to, fill);
        continue;
      }
      const edge = Math.floor(sourceY - 0.5);
      const top = <i32>edge;
      const distance = sourceY - 0.5 - edge;
      const column = from + x * 3;
      const v1 = pixelAt(column + within(top - 1, height) * stride);
      const v2 = pixelAt(column + within(top, height) * stride);
      const v3 = pixelAt(column + within(top + 1, height) * stride);
      const v4 = pixelAt(column + within(top + 2, height) * stride);
      if (storeIfSure(to, cubicShort(v1, v2, v3, v4, f32x4.splat(<f32>distance)), NEAR_ALONG_ONE)) continue;
      cubicWhole(v1, v2, v3, v4, f64x2.splat(distance));
      storeReal(to, cubicLow, cubicHigh);
    }
  }
}

/** Sees an image through any matrix, bilinear or bicubic. */
export function affine(from: usize, to: usize, width: i32, height: i32, fill: u32, isCubic: i32, a: f64, b: f64, c: f64, d: f64, e: f64, f: f64): void {
  for (let y = 0; y < height; y++) {
    const by = b * (<f64>y + 0.5);
    const ey = e * (<f64>y + 0.5);
    for (let x = 0; x < width; x++, to += 3) {
      const sourceX = a * (<f64>x + 0.5) + by + c;
      const sourceY = d * (<f64>x + 0.5) + ey + f;
      if (!(sourceX >= 0 && sourceX < <f64>width && sourceY >= 0 && sourceY < <f64>height)) store<u32>(to, fill);
      else if (isCubic) cubic(from, to, width, height, sourceX - 0.5, sourceY - 0.5);
      else linear(from, to, width, height, sourceX - 0.5, sourceY - 0.5);
    }
  }
}

/** The row at x, by the pixels from one before `left` to two after it, in single precision. */
// @ts-ignore: decorator
@inline
function cubicInRow(row: usize, width: i32, left: i32, d: v128): v128 {
  if (left < 1 || left + 2 >= width) return cubicAtEdge(row, width, left, d);
  const four = v128.load(row + (left - 1) * 3);
  return cubicShort(
    i8x16.swizzle(four, i8x16(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1)),
    i8x16.swizzle(four, i8x16(3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1)),
    i8x16.swizzle(four, i8x16(6, -1, -1, -1, 7, -1, -1, -1, 8, -1, -1, -1, -1, -1, -1, -1)),
    i8x16.swizzle(four, i8x16(9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1, -1, -1, -1, -1)),
    d,
  );
}

function cubicAtEdge(row: usize, width: i32, left: i32, d: v128): v128 {
  return cubicShort(
    pixelAt(row + within(left - 1, width) * 3),
    pixelAt(row + within(left, width) * 3),
    pixelAt(row + within(left + 1, width) * 3),
    pixelAt(row + within(left + 2, width) * 3),
    d,
  );
}

/** The same exactly, into `cubicLow` and `cubicHigh`. */
function exactInRow(row: usize, width: i32, left: i32, d: v128): void {
  cubicWhole(
    pixelAt(row + within(left - 1, width) * 3),
    pixelAt(row + within(left, width) * 3),
    pixelAt(row + within(left + 1, width) * 3),
    pixelAt(row + within(left + 2, width) * 3),
    d,
  );
}

// @ts-ignore: decorator
@inline
function cubic(from: usize, to: usize, width: i32, height: i32, x: f64, y: f64): void {
  const leftEdge = Math.floor(x);
  const topEdge = Math.floor(y);
  const left = <i32>leftEdge;
  const top = <i32>topEdge;
  const d = f32x4.splat(<f32>(x - leftEdge));
  const stride = width * 3;
  const v1 = cubicInRow(from + within(top - 1, height) * stride, width, left, d);
  const v2 = cubicInRow(from + within(top, height) * stride, width, left, d);
  const v3 = cubicInRow(from + within(top + 1, height) * stride, width, left, d);
  const v4 = cubicInRow(from + within(top + 2, height) * stride, width, left, d);
  const difference = f32x4.sub(v1, v2);
  const p3 = f32x4.sub(f32x4.add(f32x4.add(difference, difference), v3), v4);
  const p4 = f32x4.sub(f32x4.sub(v4, v3), difference);
  const short = shortHorner(v2, f32x4.sub(v3, v1), p3, p4, f32x4.splat(<f32>(y - topEdge)));
  if (!storeIfSure(to, short, NEAR_ALONG_BOTH)) exactCubic(from, to, width, height, left, top, x - leftEdge, y - topEdge);
}

function exactCubic(from: usize, to: usize, width: i32, height: i32, left: i32, top: i32, x: f64, y: f64): void {
  const dx = f64x2.splat(x);
  const dy = f64x2.splat(y);
  const stride = width * 3;
  exactInRow(from + within(top - 1, height) * stride, width, left, dx);
  const low1 = cubicLow;
  const high1 = cubicHigh;
  exactInRow(from + within(top, height) * stride, width, left, dx);
  const low2 = cubicLow;
  const high2 = cubicHigh;
  exactInRow(from + within(top + 1, height) * stride, width, left, dx);
  const low3 = cubicLow;
  const high3 = cubicHigh;
  exactInRow(from + within(top + 2, height) * stride, width, left, dx);
  storeReal(to, cubicReal(low1, low2, low3, cubicLow, dy), cubicReal(high1, high2, high3, cubicHigh, dy));
}

function linear(from: usize, to: usize, width: i32, height: i32, x: f64, y: f64): void {
  const leftEdge = Math.floor(x);
  const topEdge = Math.floor(y);
  const left = <i32>leftEdge;
  const top = <i32>topEdge;
  const dx = f64x2.splat(x - leftEdge);
  const dy = f64x2.splat(y - topEdge);
  const upper = from + within(top, height) * width * 3;
  const lower = from + within(top + 1, height) * width * 3;
  const x0 = within(left, width) * 3;
  const x1 = within(left + 1, width) * 3;
  const a = pixelAt(upper + x0);
  const b = pixelAt(upper + x1);
  const c = pixelAt(lower + x0);
  const d = pixelAt(lower + x1);
  const across1 = i32x4.sub(b, a);
  const across2 = i32x4.sub(d, c);
  storeReal(
    to,
    between(lowHalf(a), lowHalf(across1), lowHalf(c), lowHalf(across2), dx, dy),
    between(highHalf(a), highHalf(across1), highHalf(c), highHalf(across2), dx, dy),
  );
}

// @ts-ignore: decorator
@inline
function between(a: v128, across1: v128, c: v128, across2: v128, dx: v128, dy: v128): v128 {
  const first = f64x2.add(a, f64x2.mul(across1, dx));
  const second = f64x2.add(c, f64x2.mul(across2, dx));
  return f64x2.add(first, f64x2.mul(f64x2.sub(second, first), dy));
}

/**
 * One pass of a box blur with 24-bit weights along lines of `count` pixels that lie `step` bytes apart; beyond either
 * end there is the value at that end.
 */
export function boxBlur(from: usize, to: usize, lines: i32, lineStep: i32, count: i32, step: i32, reach: i32, inner: i32, edge: i32): void {
  const weight = i32x4.splat(inner);
  const edgeWeight = i32x4.splat(edge);
  const half = i32x4.splat(1 << 23);
  for (let line = 0; line < lines; line++, from += lineStep, to += lineStep) {
    let sum = i32x4.splat(0);
    for (let x = -reach - 1; x < reach; x++) sum = i32x4.add(sum, pixelAt(from + within(x, count) * step));
    for (let x = 0; x < count; x++) {
      const left = pixelAt(from + within(x - reach - 1, count) * step);
      sum = i32x4.add(sum, i32x4.sub(pixelAt(from + within(x + reach, count) * step), left));
      const ends = i32x4.add(left, pixelAt(from + within(x + reach + 1, count) * step));
      const bulk = i32x4.add(i32x4.mul(sum, weight), i32x4.mul(ends, edgeWeight));
      storeThree(to + x * step, i32x4.shr_u(i32x4.add(bulk, half), 24));
    }
  }
}

/** Stores R, G and B alone: the byte after them may belong to a neighbour that is done. */
// @ts-ignore: decorator
@inline
function storeThree(at: usize, values: v128): void {
  const words = i16x8.narrow_i32x4_s(values, values);
  const bytes = i8x16.narrow_i16x8_u(words, words);
  v128.store16_lane(at, bytes, 0);
  v128.store8_lane(at, bytes, 2, 2);
}
