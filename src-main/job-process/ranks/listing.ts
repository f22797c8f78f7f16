import { createHash } from 'node:crypto';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Sample } from '../../data/layout/sample.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';
import type { Listing } from './line-protocol.ts';

/** What ranks compare of the data that each of them sees: files and classes, not the content of files. */

/** Pieces of a list that have a hash of their own, so that the place of a difference can be named. */
const PIECES = 64;

/** Sums up a data set. */
export function listingOf({ classes, train, val }: Dataset): Listing {
  const names = piecesOf(classes).map((piece) => hash(piece));
  const files = [train, val].flatMap((samples) => piecesOf(samples).map((piece) => hash(piece.map(lineOf))));
  return { classes: classes.length, train: train.length, val: val.length, pieces: [...names, ...files] };
}

/** Finds what differs between rank 0's data and another's; null where nothing does. */
export function differenceOf(own: Dataset, other: Listing): Reason | null {
  const ours = listingOf(own);
  for (const what of ['classes', 'train', 'val'] as const)
    if (ours[what] !== other[what])
      return reason('rank.count', { what: reason(NAMES[what]), ours: ours[what], theirs: other[what] });
  const piece = ours.pieces.findIndex((one, index) => one !== other.pieces[index]);
  if (piece < 0) return null;
  const [list, place] = [Math.floor(piece / PIECES), piece % PIECES];
  const lists = [own.classes, own.train.map(({ file }) => file), own.val.map(({ file }) => file)];
  const file = piecesOf(lists[list])[place][0] ?? '';
  return reason('rank.files', { what: reason(Object.values(NAMES)[list]), file });
}

const NAMES = { classes: 'rank.classes', train: 'rank.train', val: 'rank.val' } as const;

function piecesOf<Item>(items: readonly Item[]): Item[][] {
  const size = Math.ceil(items.length / PIECES);
  return Array.from({ length: PIECES }, (_, index) => items.slice(index * size, (index + 1) * size));
}

const lineOf = ({ file, label }: Sample): string => `${label} ${file}`;

function hash(lines: readonly string[]): string {
  const sum = createHash('sha256');
  for (const line of lines) sum.update(`${line}\n`);
  return sum.digest('hex').slice(0, 16);
}
