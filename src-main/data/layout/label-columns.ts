import { StillhouseError } from '../../protocol/errors.ts';
import { IMAGE } from './image-name.ts';
import type { LabelTable, TableRow } from './label-table.ts';

/** A line of a list; `file` is null where lines hold labels alone. */
export interface LabelRow {
  line: number;
  file: string | null;
  label: string;
}

/** A list, with the columns that it was taken to have. */
export interface LabelRows {
  rows: LabelRow[];
  /** Names of the columns where there is a header, else their numbers from 1; '' where a line has no columns. */
  columns: { file: string; label: string };
}

/** Facts that are known when a list is read. */
export interface ListFacts {
  /** Name of the list, for errors. */
  name: string;
  /** Whether a cell names one of the images. */
  isImage(cell: string): boolean;
  /** Classes, where they are known. */
  classes: ReadonlySet<string> | null;
}

const LABEL_HEAD =
  /^(labels?|class|class_?(name|id|label)?|category|category_?(name|id)?|targets?|breed|species|synset|wnid|predictionstring|y|类别|标签)$/i;

/**
 * Finds which column names images and which classes, and whether the first line is a header: by what the cells hold,
 * and only among several columns of labels by the header.
 * @returns null when the list names none of the images.
 * @throws StillhouseError `data.list-columns` when several columns may be the label.
 */
export function readColumns({ rows, delimiter }: LabelTable, facts: ListFacts): LabelRows | null {
  if (rows.length === 0) return null;
  if (delimiter === ' ') return wordsOf(rows, facts);
  if (delimiter === '') return labelsAlone(rows);
  const width = Math.max(...rows.slice(0, 1000).map(({ cells }) => cells.length));
  const hits = Array.from(
    { length: width },
    (_, at) => rows.filter((row) => facts.isImage(row.cells[at] ?? '')).length,
  );
  const most = Math.max(...hits);
  if (most === 0) return null;
  const file = hits.indexOf(most);
  const header = isHeader(rows, file, facts) ? rows[0].cells : null;
  const body = header ? rows.slice(1) : rows;
  const label = labelColumn(body, header, file, width, facts);
  const title = (at: number): string => header?.[at] || String(at + 1);
  return {
    columns: { file: title(file), label: title(label) },
    rows: body.map(({ line, cells }) => ({ line, file: cells[file] ?? '', label: cells[label] ?? '' })),
  };
}

function isHeader(rows: readonly TableRow[], file: number, { isImage, classes }: ListFacts): boolean {
  const [first, ...others] = rows;
  const cell = first.cells[file] ?? '';
  if (isImage(cell) || IMAGE.test(cell) || others.length === 0) return false;
  return !first.cells.some((other, at) => at !== file && (classes?.has(other) || /^\d+$/.test(other)));
}

function labelColumn(
  rows: readonly TableRow[],
  header: readonly string[] | null,
  file: number,
  width: number,
  { classes, name }: ListFacts,
): number {
  const others = Array.from({ length: width }, (_, at) => at).filter((at) => at !== file);
  const count = (at: number, fits: (cell: string) => boolean): number =>
    rows.filter(({ cells }) => fits(cells[at] ?? '')).length;
  const best = (fits: (cell: string) => boolean): number[] => {
    const counts = others.map((at) => count(at, fits));
    const most = Math.max(0, ...counts);
    return most * 2 < rows.length || most === 0 ? [] : others.filter((_, at) => counts[at] === most);
  };
  const named = header ? others.filter((at) => LABEL_HEAD.test(header[at] ?? '')) : [];
  const byClass = classes ? best((cell) => classes.has(withoutBoxes(cell))) : [];
  const byNumber = classes ? best((cell) => /^\d+$/.test(cell)) : [];
  for (const choice of [byClass, named, byNumber, others]) {
    const among = choice.length > 1 && named.length === 1 ? choice.filter((at) => named.includes(at)) : choice;
    if (among.length === 1 || (among.length > 1 && choice === byClass)) return among[0];
    if (among.length > 1) break;
  }
  const columns = others.map((at) => header?.[at] || String(at + 1)).join(', ');
  throw new StillhouseError('data.list-columns', { list: name, columns: columns || '–' });
}

/** Takes the class from a value of LOC_val_solution.csv such as `n03995372 85 1 499 272`, whose numbers are a box. */
export function withoutBoxes(label: string): string {
  return label.split(/ \d+ \d+ \d+ \d+(?: |$)/)[0].trim();
}

function labelsAlone(rows: readonly TableRow[]): LabelRows {
  return {
    columns: { file: '', label: '' },
    rows: rows.map(({ line, cells }) => ({ line, file: null, label: cells[0] })),
  };
}

/** Lines parted by blanks, which names of images and classes may hold: they part where both are known. */
function wordsOf(rows: readonly TableRow[], facts: ListFacts): LabelRows | null {
  const parted = rows.map(({ line, cells }) => ({ line, text: cells[0], at: partOf(cells[0], facts) }));
  if (parted.every(({ at }) => at < 0)) {
    const { classes } = facts;
    return classes && parted.every(({ text }) => classes.has(text)) ? labelsAlone(rows) : null;
  }
  return {
    columns: { file: '1', label: '2' },
    rows: parted.map(({ line, text, at }) => {
      const end = at < 0 ? Math.max(0, text.search(/\s+\S+$/)) : at;
      return { line, file: text.slice(0, end), label: text.slice(end).trim() };
    }),
  };
}

/** Where the name of the image ends; -1 when no part of the line names one. */
function partOf(text: string, { isImage, classes }: ListFacts): number {
  const blanks = [...text.matchAll(/\s+/g)].map(({ index }) => index);
  const fits = blanks.filter((at) => isImage(text.slice(0, at)));
  const known = fits.find((at) => classes?.has(text.slice(at).trim()));
  return known ?? fits.at(-1) ?? -1;
}
