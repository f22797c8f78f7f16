const FIRST_CAPACITY = 256;

/** A table of numbers that grows at its end: one typed array a column, kept outside Vue's reactivity. */
export class Columns<Name extends string> {
  length = 0;
  /** Changes when rows were dropped: what is known of earlier values counts no more. */
  revision = 0;
  private capacity = FIRST_CAPACITY;
  private readonly data: Map<Name, Float64Array>;

  constructor(readonly names: readonly Name[]) {
    this.data = new Map(names.map((name) => [name, new Float64Array(FIRST_CAPACITY)]));
  }

  /** Appends one row; a value that is null or missing is kept as NaN. */
  push(row: { readonly [key in Name]?: number | null }): void {
    if (this.length === this.capacity) this.grow();
    for (const [name, values] of this.data) values[this.length] = row[name] ?? NaN;
    this.length++;
  }

  /** The values of a column so far: a view, valid until the next `push`. */
  column(name: Name): Float64Array {
    return this.of(name).subarray(0, this.length);
  }

  /** Value of the last row, NaN when there is none. */
  last(name: Name): number {
    return this.length ? this.of(name)[this.length - 1] : NaN;
  }

  /** Drops every row from `length` on. */
  truncate(length: number): void {
    if (length >= this.length) return;
    this.length = length;
    this.revision++;
  }

  private of(name: Name): Float64Array {
    const values = this.data.get(name);
    if (!values) throw new Error(`Columns: expected one of ${this.names.join(', ')}, got ${name}`);
    return values;
  }

  private grow(): void {
    this.capacity *= 2;
    for (const [name, old] of this.data) {
      const values = new Float64Array(this.capacity);
      values.set(old);
      this.data.set(name, values);
    }
  }
}
