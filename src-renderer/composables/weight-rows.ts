import type { AddressedRow, PublishedRow, WeightList, WeightState } from '../../src-main/protocol/weight-data.ts';

/** A line of the list of weights: published ones, or those that were asked for by address. */
export interface WeightRow {
  /** What fetches it: its full name, or the address. */
  name: string;
  /** null for weights at an address. */
  published: PublishedRow | null;
  place: Omit<AddressedRow, 'address'>;
}

export const WEIGHT_COLUMNS = [
  'name',
  'parameters',
  'gflops',
  'inputSize',
  'top1',
  'top5',
  'licence',
  'size',
  'state',
] as const;
export type WeightColumn = (typeof WEIGHT_COLUMNS)[number];

const STATES: readonly WeightState[] = ['fetching', 'elsewhere', 'here', 'partial', 'absent'];

/**
 * Makes the lines of a list; of published weights the first of each network alone, and others that are here, unless
 * `all`.
 */
export function rowsOf(list: WeightList | null, all: boolean): WeightRow[] {
  if (!list) return [];
  const published = list.published.filter(({ first, state }) => all || first || state !== 'absent');
  return [
    ...list.addressed.map(({ address, ...place }) => ({ name: address, published: null, place })),
    ...published.map((row) => ({ name: row.name, published: row, place: row })),
  ];
}

/** Returns an accuracy in percent: its authors', or as timm measured it. */
export function accuracyOf(row: WeightRow, of: 'top1' | 'top5'): { value: number; byTimm: boolean } | null {
  const own = row.published?.[of] ?? null;
  if (own !== null) return { value: own, byTimm: false };
  const value = row.published?.[of === 'top1' ? 'timmTop1' : 'timmTop5'] ?? null;
  return value === null ? null : { value, byTimm: true };
}

/** Returns the bytes of the whole file; null where they are not known. */
export function sizeOf({ published, place }: WeightRow): number | null {
  if (place.state === 'here' && place.bytes > 0) return place.bytes;
  return published ? published.size : null;
}

function valueOf(row: WeightRow, column: WeightColumn): string | number | null {
  if (column === 'name') return row.name;
  if (column === 'state') return STATES.indexOf(row.place.state);
  if (column === 'size') return sizeOf(row);
  if (column === 'top1' || column === 'top5') return accuracyOf(row, column)?.value ?? null;
  return row.published?.[column] ?? null;
}

/** Sorts lines by a column; those without a value come last. Without a column they stay as the table has them. */
export function sortedRows(rows: readonly WeightRow[], column: WeightColumn | null, down: boolean): WeightRow[] {
  if (!column) return [...rows];
  return [...rows].sort((one, other) => {
    const [a, b] = [valueOf(one, column), valueOf(other, column)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const order = typeof a === 'string' ? a.localeCompare(String(b), 'en') : a - Number(b);
    return down ? -order : order;
  });
}

/** Finds the lines that hold every word of the search, in name, licence or address. */
export function foundRows(rows: readonly WeightRow[], search: string): WeightRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter(({ name, published }) => {
    const said = [name, published?.licence, published?.url, published?.hub].join(' ').toLowerCase();
    return words.every((word) => said.includes(word));
  });
}
