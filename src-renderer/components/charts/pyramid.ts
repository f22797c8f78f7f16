/** Lowest and highest values of any stretch of a growing column, without looking at each of its values. */

export type Numbers = Float32Array | Float64Array;

/** Values of one block of the lowest level; each level above joins four blocks of the one below. */
const BLOCK_BITS = 4;
const JOIN_BITS = 2;

/**
 * Finds the largest count of values, at most `most`, at multiples of which blocks begin; 1 where it is less than the
 * smallest. A stretch between such multiples is computed without a look at its values.
 */
export function grainWithin(most: number): number {
  if (most < 1 << BLOCK_BITS) return 1;
  const bits = 31 - Math.clz32(most);
  return 1 << (bits - ((bits - BLOCK_BITS) % JOIN_BITS));
}

/** NaN is what was not measured: it counts nowhere. A `positive` one leaves out what a log axis cannot show. */
export class Pyramid {
  /** Lowest and highest of each block beside each other, as exact as the values are. */
  private levels: Numbers[] = [];
  private values: Numbers = new Float64Array(0);
  private length = 0;
  private generation = NaN;

  constructor(private readonly positive = false) {}

  /**
   * Takes in the values that `values` has more than the last time. `generation` is any number that changes when
   * earlier values did.
   */
  follow(values: Numbers, generation: number): void {
    if (generation !== this.generation || values.length < this.length) this.length = 0;
    if (values.BYTES_PER_ELEMENT !== this.values.BYTES_PER_ELEMENT) {
      this.length = 0;
      this.levels = [];
    }
    this.generation = generation;
    this.values = values;
    const from = this.length;
    this.length = values.length;
    if (from < values.length) this.update(from);
  }

  /** Lowest and highest of the values `from` to before `to`, into `out`; NaN where there is none. */
  query(from: number, to: number, out: { min: number; max: number }): void {
    out.min = Infinity;
    out.max = -Infinity;
    this.gather(from, to, out);
    if (out.min > out.max) out.min = out.max = NaN;
  }

  private gather(from: number, to: number, out: { min: number; max: number }): void {
    let [first, last] = [(from + (1 << BLOCK_BITS) - 1) >> BLOCK_BITS, to >> BLOCK_BITS];
    if (first < last) {
      this.takeValues(from, first << BLOCK_BITS, out);
      this.takeValues(last << BLOCK_BITS, to, out);
    } else this.takeValues(from, to, out);
    // Up the levels, each time less the blocks at either end that the level above does not hold as a whole.
    for (let level = 0; first < last; level++) {
      const inner = (first + (1 << JOIN_BITS) - 1) >> JOIN_BITS;
      const end = last >> JOIN_BITS;
      if (inner >= end || level + 1 >= this.levels.length) return this.takeBlocks(level, first, last, out);
      this.takeBlocks(level, first, inner << JOIN_BITS, out);
      this.takeBlocks(level, end << JOIN_BITS, last, out);
      [first, last] = [inner, end];
    }
  }

  private takeValues(from: number, to: number, out: { min: number; max: number }): void {
    const { values, positive } = this;
    let { min, max } = out;
    for (let at = from; at < to; at++) {
      const value = values[at];
      if (positive && !(value > 0)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    out.min = min;
    out.max = max;
  }

  private takeBlocks(level: number, from: number, to: number, out: { min: number; max: number }): void {
    const block = this.levels[level];
    let { min, max } = out;
    for (let at = from; at < to; at++) {
      const [low, high] = [block[2 * at], block[2 * at + 1]];
      if (low < min) min = low;
      if (high > max) max = high;
    }
    out.min = min;
    out.max = max;
  }

  /** Works out anew the blocks that hold values from `from` on. */
  private update(from: number): void {
    let bits = BLOCK_BITS;
    for (let level = 0; level === 0 || this.length >> (bits - JOIN_BITS) > 0; level++, bits += JOIN_BITS) {
      const blocks = ((this.length - 1) >> bits) + 1;
      const found = this.levelOf(level, blocks);
      for (let block = from >> bits; block < blocks; block++) {
        const out = { min: Infinity, max: -Infinity };
        if (level === 0) {
          this.takeValues(block << bits, Math.min(this.length, (block + 1) << bits), out);
        } else this.join(level - 1, block, out);
        found[2 * block] = out.min;
        found[2 * block + 1] = out.max;
      }
      if (blocks === 1) {
        this.levels.length = level + 1;
        return;
      }
    }
  }

  private join(below: number, block: number, out: { min: number; max: number }): void {
    const blocks = ((this.length - 1) >> (BLOCK_BITS + JOIN_BITS * below)) + 1;
    this.takeBlocks(below, block << JOIN_BITS, Math.min(blocks, (block + 1) << JOIN_BITS), out);
  }

  private levelOf(level: number, blocks: number): Numbers {
    const old = this.levels[level];
    if (old && old.length >= 2 * blocks) return old;
    const room = Math.max(2 * blocks, 2 * (old?.length ?? 16));
    const made = this.values instanceof Float32Array ? new Float32Array(room) : new Float64Array(room);
    if (old) made.set(old);
    this.levels[level] = made;
    return made;
  }
}
