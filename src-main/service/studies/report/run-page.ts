import type { StudyFormat } from '../../../protocol/study.ts';
import type { EpochRow, RunState } from '../../../protocol/events.ts';
import { FIELDS, defaultRecipe, flagOf } from '../../../protocol/recipe.ts';
import { lastEvaluations } from '../../../runs/evaluation-file.ts';
import { historyText } from '../../../runs/history-export.ts';
import { readHistory } from '../../../runs/history.ts';
import { openRun, type RunFile } from '../../../runs/run-folder.ts';
import { detailRun } from '../../../runs/summary.ts';
import { epochFigure } from './figure.ts';
import { renderPage } from './render.ts';
import { NONE, cosineSections, valueOf, type Page, type Section } from './sections.ts';
import { REPORT_WORDS, filled, type ReportLanguage, type ReportWords } from './words.ts';

/** Everything that a report of one run says. */
interface ReportedRun {
  run: RunFile;
  state: RunState;
  epochs: EpochRow[];
  tokenCosine: readonly number[] | null;
}

/**
 * Writes the report of a run. An HTML file has both languages, Markdown and LaTeX one; CSV has a line for each epoch, as
 * `stillhouse history` has it.
 * @throws StillhouseError `run.missing`, `run.damaged` where the folder is no run that can be read.
 */
export function renderRun(folder: string, format: StudyFormat, language: ReportLanguage = 'en'): string {
  const run = openRun(folder);
  if (format === 'csv') return historyText(folder, 'csv', 'epochs');
  const reported: ReportedRun = {
    run,
    state: detailRun(folder).summary.state,
    epochs: readHistory(folder).filter((row): row is EpochRow => row.type === 'epoch'),
    tokenCosine: tokenCosineIn(folder),
  };
  return renderPage((shown) => runPage(reported, shown), format, language);
}

function tokenCosineIn(folder: string): readonly number[] | null {
  return lastEvaluations(folder).find(({ tokenCosine }) => tokenCosine)?.tokenCosine ?? null;
}

function runPage(reported: ReportedRun, language: ReportLanguage): Page {
  const words = REPORT_WORDS[language];
  const { run, state, epochs, tokenCosine } = reported;
  const svg = epochFigure(epochs, words);
  const shown = tokenCosine ? [{ name: run.recipe.model, cosines: tokenCosine }] : [];
  return {
    title: filled(words.runTitle, { name: run.id }),
    state: filled(words.runState, { state: words.states[state], done: epochs.length, epochs: run.recipe.epochs }), // prettier-ignore
    sections: [
      ...scores(epochs.at(-1), words),
      ...byEpoch(epochs, words),
      ...cosineSections(shown, words),
      settings(run, words),
      made(reported, words),
    ],
    figures: svg === '' ? [] : [{ title: words.byEpoch, svg }],
  };
}

function scores(last: EpochRow | undefined, words: ReportWords): Section[] {
  if (!last) return [{ title: words.results, notes: [words.noEpoch], table: null }];
  const heads = [
    [words.decides, last.test],
    [words.classHead, last.distillationHead && last.classHead],
    [words.distillationHead, last.distillationHead],
    [words.average, last.testEma],
  ] as const;
  const rows = heads.flatMap(([name, score]) => (score ? [[name, number(score.acc1), number(score.acc5), number(score.loss, 4)]] : [])); // prettier-ignore
  const agreement = last.agreement === null ? [] : [`${words.agreement}: ${last.agreement.toFixed(2)}`];
  return [
    {
      title: words.results,
      notes: [filled(words.lastEpoch, { epoch: last.epoch + 1 }), ...agreement],
      table: { head: ['', 'Acc@1', 'Acc@5', words.loss], rows },
    },
  ];
}

function byEpoch(epochs: readonly EpochRow[], words: ReportWords): Section[] {
  if (epochs.length === 0) return [];
  const columns: [title: string, cell: (row: EpochRow) => string | null][] = [
    [words.epoch, ({ epoch }) => String(epoch + 1)],
    [words.trainLoss, ({ trainLoss }) => number(trainLoss, 4)],
    ['Acc@1', ({ test }) => number(test.acc1)],
    [words.classHead, ({ classHead, distillationHead }) => distillationHead && number(classHead.acc1)],
    [words.distillationHead, ({ distillationHead }) => distillationHead && number(distillationHead.acc1)],
    [words.average, ({ testEma }) => (testEma ? number(testEma.acc1) : null)],
    [words.agreement, ({ agreement }) => (agreement === null ? null : number(agreement))],
    [words.spent, ({ seconds }) => number(seconds / 60)],
  ];
  const shown = columns.filter(([, cell]) => epochs.some((row) => cell(row) !== null));
  const rows = epochs.map((row) => shown.map(([, cell]) => cell(row) ?? NONE));
  return [{ title: words.byEpoch, notes: [], table: { head: shown.map(([title]) => title), rows } }];
}

function settings({ recipe }: RunFile, words: ReportWords): Section {
  const usual = defaultRecipe();
  const rows = FIELDS.filter(({ key }) => recipe[key] !== usual[key]).map(({ key }) => [
    `--${flagOf(key)}`,
    valueOf(recipe[key]),
    valueOf(usual[key]),
  ]);
  return {
    title: words.recipe,
    notes: [words.recipeNote],
    table: { head: [words.setting, words.value, words.usual], rows },
  };
}

function made({ run, epochs }: ReportedRun, words: ReportWords): Section {
  const seconds = epochs.reduce((sum, row) => sum + row.seconds, 0);
  const rows = [
    [words.begun, `${new Date(run.created).toISOString().slice(0, 19).replace('T', ' ')} UTC`],
    [words.version, run.version],
    [words.engine, run.engine],
    ...(run.precision === undefined ? [] : [[words.precision, run.precision]]),
    ...(run.ranks === undefined ? [] : [[words.ranks, String(run.ranks)]]),
    [words.classes, String(run.classes.length)],
    [words.parameterCount, epochs.at(-1)?.parameters.toString() ?? NONE],
    [words.spent, (seconds / 60).toFixed(1)],
  ];
  return { title: words.made, notes: [], table: { head: ['', words.value], rows } };
}

function number(value: number | null, digits = 2): string {
  return value === null || !Number.isFinite(value) ? NONE : value.toFixed(digits);
}
