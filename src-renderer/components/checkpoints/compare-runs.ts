import type { RunSummary } from '../../../src-main/protocol/data-types.ts';
import { FIELDS, type Recipe, type RecipeKey } from '../../../src-main/protocol/recipe.ts';

type Cell = string | number | boolean | null;

/** One line of a comparison: a setting or a metric, with a value for each run. */
export interface ComparedLine {
  kind: 'setting' | 'metric';
  key: string;
  values: Cell[];
}

const METRICS = [
  ...(['epoch', 'bestAcc1', 'lastAcc1', 'emaAcc1', 'bestAcc5', 'lastAcc5', 'emaAcc5'] as const),
  ...(['bestLoss', 'lastLoss', 'emaLoss', 'seconds', 'imagesPerSecond', 'bytes'] as const),
] as const satisfies readonly (keyof RunSummary)[];

/** Of no interest when they differ, as they always do. */
const OWN: readonly RecipeKey[] = ['outputDir'];

/** Lists the settings that differ between runs, then all metrics that one of them has. */
export function compareRuns(runs: readonly { summary: RunSummary; recipe: Recipe }[]): ComparedLine[] {
  const settings = FIELDS.filter(({ key }) => !OWN.includes(key)).map(({ key }): ComparedLine => {
    return { kind: 'setting', key, values: runs.map(({ recipe }) => recipe[key]) };
  });
  const metrics = METRICS.map((key): ComparedLine => {
    return { kind: 'metric', key, values: runs.map(({ summary }) => summary[key]) };
  });
  const differs = ({ values }: ComparedLine): boolean => values.some((value) => value !== values[0]);
  return [...settings.filter(differs), ...metrics.filter(({ values }) => values.some((value) => value !== null))];
}

/** Writes a table of cells as Markdown; the first row is its head. */
export function toMarkdown([head, ...rows]: readonly (readonly Cell[])[]): string {
  const line = (row: readonly Cell[]): string => `| ${row.map((cell) => String(cell ?? '').replace(/\|/g, '\\|').replace(/\n/g, ' ')).join(' | ')} |`; // prettier-ignore
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].map((text) => `${text}\n`).join('');
}
