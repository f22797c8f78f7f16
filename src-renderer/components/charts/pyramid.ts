/** Lowest and highest values of any stretch of a growing column, without looking at each of its values. */

export type Numbers = Float32Array | Float64Array;

/** Values of one block of the lowest level; each level above joins four blocks of the one below. */
const BLOCK_BITS = 4;
const JOIN_BITS = 2;

interface Level {
  min: Float64Array;
  max: Float64Array;
}

/** NaN is what was not measured: it counts nowhere. A `positive` one leaves out what a log axis cannot show. */
export class Pyramid {
  private levels: Level[] = [];
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
    let at = from;
    while (at < to) {
      let level = -1;
      let bits = 0;
      for (
        let next = BLOCK_BITS;
        level + 1 < this.levels.length && (at & ((1 << next) - 1)) === 0 && at + (1 << next) <= to;
        next += JOIN_BITS
      ) {
        level++;
        bits = next;
      }
      if (level < 0) this.takeValue(this.values[at], out);
      else {
        const block = at >> bits;
        const { min, max } = this.levels[level];
        if (min[block] < out.min) out.min = min[block];
        if (max[block] > out.max) out.max = max[block];
      }
      at += 1 << bits;
    }
    if (out.min > out.max) out.min = out.max = NaN;
  }

  private takeValue(value: number, out: { min: number; max: number }): void {
    if (this.positive && !(value > 0)) return;
    if (value < out.min) out.min = value;
    if (value > out.max) out.max = value;
  }

  /** Works out anew the blocks that hold values from `from` on. */
  private update(from: number): void {
    let bits = BLOCK_BITS;
    for (let level = 0; level === 0 || this.length >> (bits - JOIN_BITS) > 0; level++, bits += JOIN_BITS) {
      const blocks = ((this.length - 1) >> bits) + 1;
      const { min, max } = this.levelOf(level, blocks);
      for (let block = from >> bits; block < blocks; block++) {
        const out = { min: Infinity, max: -Infinity };
        if (level === 0) {
          const end = Math.min(this.length, (block + 1) << bits);
          for (let at = block << bits; at < end; at++) this.takeValue(this.values[at], out);
        } else this.join(level - 1, block, out);
        min[block] = out.min;
        max[block] = out.max;
      }
      if (blocks === 1) {
        this.levels.length = level + 1;
        return;
      }
    }
  }

  private join(below: number, block: number, out: { min: number; max: number }): void {
    const { min, max } = this.levels[below];
    const bits = BLOCK_BITS + JOIN_BITS * below;
    const end = Math.min(((this.length - 1) >> bits) + 1, (block + 1) << JOIN_BITS);
    for (let at = block << JOIN_BITS; at < end; at++) {
      if (min[at] < out.min) out.min = min[at];
      if (max[at] > out.max) out.max = max[at];
    }
  }

  private levelOf(level: number, blocks: number): Level {
    const old = this.levels[level];
    if (old && old.min.length >= blocks) return old;
    const room = Math.max(blocks, 2 * (old?.min.length ?? 8));
    const made = { min: new Float64Array(room), max: new Float64Array(room) };
    if (old) {
      made.min.set(old.min);
      made.max.set(old.max);
    }
    this.levels[level] = made;
    return made;
  }
}
