const FIRST_CAPACITY = 256;

type Values = Float32Array | Float64Array;

/**
 * A table of numbers that grows at its end: one typed array a column, kept outside Vue's reactivity. Columns named as
 * `exact` keep all digits, others seven. A column without a value yet takes no memory.
 */
export class Columns<Name extends string> {
  length = 0;
  /** Changes when rows were dropped or changed: what is known of earlier values counts no more. */
  revision = 0;
  private capacity = FIRST_CAPACITY;
  private readonly data = new Map<Name, Values>();

  constructor(
    readonly names: readonly Name[],
    private readonly exact: readonly Name[] = names,
  ) {}

  /** Appends one row; a value that is not finite or missing is kept as NaN. */
  push(row: { readonly [key in Name]?: number | null }): void {
    if (this.length === this.capacity) this.reserve(2 * this.capacity);
    for (const name of this.names) {
      const value = row[name] ?? NaN;
      const values = this.data.get(name) ?? (Number.isFinite(value) ? this.create(name) : null);
      if (values) values[this.length] = Number.isFinite(value) ? value : NaN;
    }
    this.length++;
  }

  /** Makes room for that many rows at once. */
  reserve(capacity: number): void {
    if (capacity <= this.capacity) return;
    this.capacity = capacity;
    for (const [name, old] of this.data) {
      const values = this.allocate(name);
      values.set(old);
      this.data.set(name, values);
    }
  }

  /** True once the column has held a value. */
  has(name: Name): boolean {
    return this.data.has(name);
  }

  /** The values of a column so far: a view, valid until the next `push`. */
  column(name: Name): Values {
    const values = this.data.get(name);
    return values ? values.subarray(0, this.length) : new Float32Array(this.length).fill(NaN);
  }

  /** Value of the last row, NaN when there is none. */
  last(name: Name): number {
    return this.length ? (this.data.get(name)?.[this.length - 1] ?? NaN) : NaN;
  }

  /** Adds to a value of the last row. */
  addToLast(name: Name, more: number): void {
    if (!this.length) return;
    const values = this.data.get(name) ?? this.create(name);
    values[this.length - 1] = (values[this.length - 1] || 0) + more;
    this.revision++;
  }

  /** Drops every row from `length` on. */
  truncate(length: number): void {
    if (length >= this.length) return;
    this.length = length;
    this.revision++;
  }

  private create(name: Name): Values {
    const values = this.allocate(name).fill(NaN, 0, this.length);
    this.data.set(name, values);
    return values;
  }

  private allocate(name: Name): Values {
    return this.exact.includes(name) ? new Float64Array(this.capacity) : new Float32Array(this.capacity);
  }
}
