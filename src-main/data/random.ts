/**
 * Random draws that depend on nothing but what names them: seed, purpose, epoch and place in the epoch. Whoever draws,
 * in whatever order, on however many workers, after whatever resume, gets the same numbers.
 *
 * The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), counter-based:
 * a block of four 32-bit words is a keyed hash of its counter.
 */

/** Purposes of draws: two purposes never share numbers. Add at the end, never renumber: runs would change. */
export const PURPOSES = {
  order: 1,
  augment: 2,
  dropPath: 3,
  replacement: 4,
  mix: 5,
  erase: 6,
  initial: 7,
} as const;
export type Purpose = keyof typeof PURPOSES;

const [MULTIPLIER_0, MULTIPLIER_1] = [0xd2511f53, 0xcd9e8d57];
const [WEYL_0, WEYL_1] = [0x9e3779b9, 0xbb67ae85];
const ROUNDS = 10;

// The upper 32 bits of a 32 × 32-bit product; every intermediate stays below 2^32.
function upperProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) >>> 0;
}

/** Computes one block of Philox4x32-10 into `out`: four words of 32 bits from four words of counter and two of key. */
export function philox(counter: readonly number[], key: readonly number[], out: Uint32Array): void {
  // Plain variables: in this loop, arrays taken apart cost more than the arithmetic.
  let c0 = counter[0];
  let c1 = counter[1];
  let c2 = counter[2];
  let c3 = counter[3];
  let k0 = key[0];
  let k1 = key[1];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = upperProduct(MULTIPLIER_0, c0);
    const high1 = upperProduct(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The source of draws. */
export type Draws = Pick<Random, 'uniform' | 'between' | 'integer' | 'integerBetween' | 'normal' | 'beta'>;

/** The stream of draws for one purpose of one place in one epoch. */
export class Random {
  private readonly block = new Uint32Array(4);
  private used = 4;
  private blocks = 0;
  private readonly key: [number, number];

  /** All four are whole numbers from 0; seed, epoch and index below 2^32. */
  constructor(
    seed: number,
    purpose: Purpose,
    private readonly epoch: number,
    private readonly index: number,
  ) {
    this.key = [seed >>> 0, PURPOSES[purpose]];
  }

  /** 32 random bits. */
  word(): number {
    if (this.used === 4) {
      philox([this.blocks++, this.index, this.epoch, 0], this.key, this.block);
      this.used = 0;
    }
    return this.block[this.used++];
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return ((this.word() >>> 5) * 67108864 + (this.word() >>> 6)) / 9007199254740992;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** A whole number from 0 to below `count` (1 to 2^32), each as likely. */
  integer(count: number): number {
    // Words at or above the largest multiple of `count` are drawn again, or low numbers would be favoured.
    const limit = 4294967296 - (4294967296 % count);
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % count;
  }

  /** A whole number from `low` to `high`, both included. */
  integerBetween(low: number, high: number): number {
    return low + this.integer(high - low + 1);
  }

  /** Normal with mean 0 and deviation 1 (Box–Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Beta(a, b) for positive a and b, as a ratio of gamma draws. */
  beta(a: number, b: number): number {
    const [first, second] = [this.logGamma(a), this.logGamma(b)];
    // In logarithms: for tiny a and b both gammas underflow to 0.
    return 1 / (1 + Math.exp(second - first));
  }

  // The logarithm of a Gamma(shape, 1) draw: Marsaglia and Tsang 2000, with their boost for shape < 1.
  private logGamma(shape: number): number {
    if (shape < 1) return this.logGamma(shape + 1) + Math.log(1 - this.uniform()) / shape;
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return Math.log(d * v);
    }
  }
}

/** Puts the whole numbers below `count` in random order (Fisher–Yates). */
export function permutation(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random.integer(last + 1);
    const kept = order[last];
    order[last] = order[other]!;
    order[other] = kept;
  }
  return order;
}
