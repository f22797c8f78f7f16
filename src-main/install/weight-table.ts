import { readFileSync } from 'node:fs';
import published from '../../resources/weights/published.json' with { type: 'json' };
import { StillhouseError } from '../protocol/errors.ts';
import { parsePublishedTable, type PublishedTable } from '../protocol/weight-data.ts';

// JSON widens words and triples; the table's test reads it with its schema.
const OWN = published as unknown as PublishedTable;

let read: { path: string; table: PublishedTable } | undefined;

/**
 * Reads the table of published weights, after the rows of the file that `STILLHOUSE_WEIGHTS_TABLE` names, in the same
 * form. The file is read once.
 * @throws StillhouseError `weights.table`
 */
export function publishedTable(): PublishedTable {
  const path = process.env.STILLHOUSE_WEIGHTS_TABLE;
  if (!path) return OWN;
  if (read?.path !== path) read = { path, table: merged(tableOf(path)) };
  return read.table;
}

function tableOf(path: string): PublishedTable {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new StillhouseError('weights.table', { path, expected: 'JSON', got: (error as Error).message }, { cause: error }); // prettier-ignore
  }
  const found = parsePublishedTable(given);
  if ('table' in found) return found.table;
  throw new StillhouseError('weights.table', { path, ...found });
}

/** A network's name alone means the first row of the file, where it has one. */
function merged(table: PublishedTable): PublishedTable {
  const rows = Object.entries(table).map(([model, files]) => {
    const others = Object.hasOwn(OWN, model) ? OWN[model] : [];
    return [model, [...files, ...others].map((file, at) => ({ ...file, first: at === 0 }))] as const;
  });
  return { ...OWN, ...Object.fromEntries(rows) };
}
