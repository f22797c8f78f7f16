import { FIELDS, flagOf, parseRecipe, type Recipe } from '../../../protocol/recipe.ts';
import type { Comparison, Spread, StudyRow, StudyTables } from '../../../protocol/study.ts';
import { publishedTable } from './published.ts';
import { REPORT_WORDS, filled, type ReportLanguage, type ReportWords } from './words.ts';

/** A study's report as headings, sentences and tables of text, for any format. */
export interface Section {
  title: string;
  notes: string[];
  table: Table | null;
}

export interface Table {
  head: string[];
  rows: string[][];
}

/** All that a report says in one language. */
export interface Page {
  title: string;
  state: string;
  sections: Section[];
  /** Shown after the first section of an HTML file. */
  figures: Figure[];
}

export interface Figure {
  title: string;
  svg: string;
}

export const NONE = '–';

/** Lists the sections of a report. */
export function sectionsOf(tables: StudyTables, language: ReportLanguage): Section[] {
  const words = REPORT_WORDS[language];
  const { rows, report } = tables;
  if (rows.every(({ finished }) => finished === 0)) return [{ title: words.results, notes: [words.unfinished], table: null }, recipes(tables, words)]; // prettier-ignore
  return [
    results(tables, words),
    ...versus(tables, words),
    bySeed(rows, report.spec.seeds, words),
    ...throughputs(tables, words),
    ...apart(tables, words),
    ...tokens(tables, words),
    ...published(tables, language),
    recipes(tables, words),
    { title: words.machine, notes: [tables.machine], table: null },
  ];
}

/** Says how far a study is. */
export function stateLine({ report }: StudyTables, words: ReportWords): string {
  const states = report.cells.map(({ state }) => state);
  const broken = states.filter((state) => state !== null && ['failed', 'crashed', 'stopped'].includes(state)).length;
  const finished = states.filter((state) => state === 'finished').length;
  return filled(words.state, { finished, trainings: states.length, broken });
}

/** Names a row as its variant, and the training that followed. */
export function nameOf({ variant, stage }: Pick<StudyRow, 'variant' | 'stage'>, words: ReportWords): string {
  return stage ? `${variant}, ${filled(words.stage, { stage })}` : variant;
}

function results({ rows, images }: StudyTables, words: ReportWords): Section {
  const columns: [title: string, cell: (row: StudyRow) => string | null][] = [
    [words.variant, (row) => nameOf(row, words)],
    [words.seeds, ({ finished, seeds }) => (finished === seeds ? String(seeds) : `${finished} / ${seeds}`)],
    [words.parameters, ({ parameters }) => (parameters === null ? null : (parameters / 1e6).toFixed(parameters < 1e6 ? 2 : 1))], // prettier-ignore
    [words.throughput, ({ throughput }) => (throughput ? throughput.imagesPerSecond.toFixed(1) : null)],
    [words.batch, ({ throughput }) => (throughput ? String(throughput.batch) : null)],
    [words.test, ({ test }) => spread(test)],
    [words.classHead, ({ classHead, distillationHead }) => distillationHead && spread(classHead)],
    [words.distillationHead, ({ distillationHead }) => spread(distillationHead)],
    [words.average, ({ average }) => spread(average)],
    [words.agreement, ({ agreement }) => spread(agreement)],
    [words.minutes, ({ seconds }) => (seconds === null ? null : (seconds.mean / 60).toFixed(1))],
  ];
  const shown = columns.filter(([, cell]) => rows.some((row) => cell(row) !== null));
  const few = rows.some(({ finished }) => finished < 3);
  return {
    title: words.results,
    notes: [filled(words.scored, { images: images ?? NONE }), ...(few ? [words.few] : [])],
    table: { head: shown.map(([title]) => title), rows: rows.map((row) => shown.map(([, cell]) => cell(row) ?? NONE)) },
  };
}

function versus({ rows, report }: StudyTables, words: ReportWords): Section[] {
  const compared = rows.filter((row): row is StudyRow & { versus: Comparison } => row.versus !== null);
  if (compared.length === 0) return [];
  const line = (row: StudyRow & { versus: Comparison }): string[] => [
    nameOf(row, words),
    spread(row.versus.difference, true)!,
    row.versus.interval ? `${signed(row.versus.interval.from)} … ${signed(row.versus.interval.to)}` : NONE,
    row.versus.mcnemar.map(({ p, gained, lost }) => `${probability(p)} (${gained}/${lost})`).join(', ') || NONE,
  ];
  return [
    {
      title: filled(words.versus, { control: report.spec.variants[0].name }),
      notes: [words.versusNote],
      table: { head: [words.variant, words.difference, words.interval, words.mcnemar], rows: compared.map(line) },
    },
  ];
}

function bySeed(rows: readonly StudyRow[], seeds: readonly number[], words: ReportWords): Section {
  const head = [words.variant, ...seeds.map((seed) => filled(words.seed, { seed }))];
  const line = (row: StudyRow): string[] => [
    nameOf(row, words),
    ...row.bySeed.map((acc1) => (acc1 === null ? NONE : acc1.toFixed(2))),
  ];
  return { title: words.bySeed, notes: [], table: { head, rows: rows.map(line) } };
}

/** Lists every batch that was timed. */
function throughputs({ rows }: StudyTables, words: ReportWords): Section[] {
  const timed = rows.flatMap((row) => (row.throughput ? [{ row, found: row.throughput }] : []));
  if (timed.length === 0) return [];
  const batches = [...new Set(timed.flatMap(({ found }) => found.tried.map(({ batch }) => batch)))].sort(
    (a, b) => a - b,
  );
  const line = ({ row, found }: (typeof timed)[number]): string[] => [
    nameOf(row, words),
    ...batches.map((batch) => found.tried.find((one) => one.batch === batch)?.imagesPerSecond.toFixed(1) ?? NONE),
    words.ends[found.end],
  ];
  const places = [...new Set(timed.map(({ found: { engine, machine } }) => `${engine}; ${machine}`))];
  return [
    {
      title: words.byBatch,
      notes: [words.byBatchNote, ...places],
      table: { head: [words.variant, ...batches.map(String), words.end], rows: timed.map(line) },
    },
  ];
}

function apart({ disagreement }: StudyTables, words: ReportWords): Section[] {
  if (!disagreement) return [];
  const { names, percent } = disagreement;
  const head = names.map((name) => deciderOf(name, words));
  const rows = percent.map((row, at) => [head[at], ...row.map((share) => (share === null ? NONE : share.toFixed(1)))]);
  return [{ title: words.apart, notes: [words.apartNote], table: { head: ['', ...head], rows } }];
}

function tokens({ rows }: StudyTables, words: ReportWords): Section[] {
  return cosineSections(rows.flatMap((row) => (row.tokenCosine ? [{ name: nameOf(row, words), cosines: row.tokenCosine }] : [])), words); // prettier-ignore
}

/** Lists the mean cosines of two tokens at each place, a column for each network; nothing where no network has two. */
export function cosineSections(
  shown: readonly { name: string; cosines: readonly number[] }[],
  words: ReportWords,
): Section[] {
  const places = Math.max(0, ...shown.map(({ cosines }) => cosines.length));
  if (places === 0) return [];
  const place = (at: number): string => {
    if (at === 0) return words.first;
    return at === places - 1 ? words.norm : filled(words.block, { block: at });
  };
  const line = (at: number): string[] => [place(at), ...shown.map(({ cosines }) => cosines[at]?.toFixed(3) ?? NONE)];
  const head = ['', ...shown.map(({ name }) => name)];
  return [
    { title: words.tokens, notes: [words.tokensNote], table: { head, rows: Array.from({ length: places }, (_, at) => line(at)) } }, // prettier-ignore
  ];
}

function published({ report }: StudyTables, language: ReportLanguage): Section[] {
  const found = publishedTable(report.spec.template, language);
  return found ? [{ title: found.title, notes: [REPORT_WORDS[language].published], table: found }] : [];
}

const isWord = (name: string): name is 'labels' | 'teacher' | 'class' | 'distillation' =>
  ['labels', 'teacher', 'class', 'distillation'].includes(name);

function deciderOf(name: string, words: ReportWords): string {
  return name.split(' · ').map((part) => (isWord(part) ? words[part] : part)).join(' · '); // prettier-ignore
}

function recipes({ report: { spec } }: StudyTables, words: ReportWords): Section {
  const rows = [{ name: words.all, changes: spec.base }, ...spec.variants, ...spec.then.map(({ name, changes }) => ({ name: filled(words.stage, { stage: name }), changes }))]; // prettier-ignore
  const line = ({ name, changes }: (typeof rows)[number]): string[] => [name, flagsOf(changes) || words.none];
  return {
    title: words.recipes,
    notes: [words.recipesNote],
    table: { head: [words.variant, '--'], rows: rows.map(line) },
  };
}

function flagsOf(changes: Record<string, unknown>): string {
  const whole = parseRecipe({ ...changes });
  return FIELDS.filter(({ key }) => key in changes)
    .map(({ key }) => `--${flagOf(key)} ${valueOf(whole[key])}`)
    .join(' ');
}

/** Writes a setting as a flag of the command line takes it. */
export function valueOf(value: Recipe[keyof Recipe]): string {
  return value === '' ? "''" : String(value);
}

function spread(of: Spread | null, sign = false): string | null {
  if (!of) return null;
  const mean = sign ? signed(of.mean) : of.mean.toFixed(2);
  return of.std === null ? mean : `${mean} ± ${of.std.toFixed(2)}`;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
}

function probability(p: number): string {
  return p < 1e-4 ? '< 0.0001' : p.toFixed(4);
}
