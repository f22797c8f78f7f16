import { reason } from '../../protocol/reasons.ts';
import { CsvError, parse } from 'csv-parse/sync';
import { StillhouseError } from '../../protocol/errors.ts';

/** A line of a list, with its number in the file, from 1. */
export interface TableRow {
  line: number;
  cells: string[];
}

/** A list as a table. */
export interface LabelTable {
  rows: TableRow[];
  /** The text between cells; '' where every line is one cell, ' ' for blanks, which names may hold too. */
  delimiter: ',' | ';' | '\t' | ' ' | '';
}

/**
 * Reads a list of labels: CSV (RFC 4180) with commas, semicolons or tabs, or words with blanks between. Lines parted by
 * blanks stay whole, one cell each: only the names of images and classes tell where they part.
 * @param name of the list, for errors.
 * @throws StillhouseError `data.list-line` naming the line that cannot be read.
 */
export function parseTable(text: string, name: string): LabelTable {
  const plain = text.replace(/^\ufeff/, '');
  const delimiter = delimiterOf(plain);
  if (delimiter !== '' && delimiter !== ' ') return { delimiter, rows: csvRows(plain, delimiter, name) };
  if (delimiter === ' ' && plain.includes('"')) {
    const rows = csvRows(plain.replace(/[ \t]+/g, ' '), ' ', name);
    return { delimiter: ',', rows };
  }
  const lines = plain.split(/\r\n|\r|\n/).map((cell, at) => ({ line: at + 1, cells: [cell.trim()] }));
  return { delimiter, rows: lines.filter(({ cells }) => cells[0] !== '') };
}

/** Lines that tell what stands between cells. */
const LOOKED_AT = 50;

function delimiterOf(text: string): LabelTable['delimiter'] {
  const lines = text.slice(0, 1 << 16).split(/\r\n|\r|\n/);
  const looked = lines.filter((line) => line.trim() !== '').slice(0, LOOKED_AT);
  const bare = looked.map((line) => line.replace(/"[^"]*"/g, ''));
  // The first line, which may be a header, has what all lines have.
  const counts = (['\t', ';', ','] as const).map((mark) => {
    const each = bare.map((line) => line.split(mark).length - 1);
    return { mark, most: each.filter((count) => count > 0).length, steady: each.every((count) => count === each[0]) };
  });
  const [best] = counts.sort((a, b) => Number(b.steady && b.most > 0) - Number(a.steady && a.most > 0) || b.most - a.most); // prettier-ignore
  if (best.most * 2 > bare.length) return best.mark;
  return bare.some((line) => /\S\s+\S/.test(line)) ? ' ' : '';
}

function csvRows(text: string, delimiter: string, name: string): TableRow[] {
  try {
    const rows = parse(text, {
      ...{ delimiter, trim: true, skip_empty_lines: true, relax_column_count: true, info: true },
      record_delimiter: ['\r\n', '\n', '\r'],
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({ line: info.lines, cells: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = Number((error as CsvError & { lines?: number }).lines ?? 0);
    const fault = FAULTS[error.code];
    throw new StillhouseError('data.list-line', { list: name, line, reason: fault ? reason(fault) : error.code });
  }
}

const FAULTS: Partial<Record<string, 'list.quote-open' | 'list.quote-after' | 'list.quote-inside'>> = {
  CSV_QUOTE_NOT_CLOSED: 'list.quote-open',
  CSV_INVALID_CLOSING_QUOTE: 'list.quote-after',
  INVALID_OPENING_QUOTE: 'list.quote-inside',
};
