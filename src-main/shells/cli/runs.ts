import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import type { CheckpointInfo, RunDetail, RunSummary, TrashItem } from '../../protocol/data-types.ts';
import { HISTORY_FORMATS, type HistoryFormat } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { STUDY_FORMATS, type StudyFormat } from '../../protocol/study.ts';
import { defaultRecipe, FIELDS, flagOf } from '../../protocol/recipe.ts';
import { listCheckpoints } from '../../runs/checkpoint.ts';
import { exportHistory, historyText } from '../../runs/history-export.ts';
import { runsFolder } from '../../runs/places.ts';
import { openRun } from '../../runs/run-folder.ts';
import { detailRun } from '../../runs/summary.ts';
import { renderRun } from '../../service/studies/report/run-page.ts';
import type { Command } from './command.ts';
import { withService } from './local-service.ts';
import { pathValue, textValue } from './options.ts';
import { bytes, duration } from './progress.ts';

/** The commands that look at runs. None needs an engine, and none writes into a run's folder unless it is asked to. */

export const runs: Command = {
  name: 'runs',
  summary: 'List the runs with state, progress, accuracy and size.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const list = await withService(shell, ({ calls }) => calls['run.list']({}));
    const text = list.length > 0 ? table([HEAD, ...list.map(describeRun)]) : `There is no run in ${runsFolder()}`;
    shell.reporter.result(
      text,
      list.map((summary) => ({ type: 'run', ...summary })),
    );
  },
};

export const show: Command = {
  name: 'show',
  summary: 'Show a run: state, scores, checkpoints and the settings that are not the default.',
  words: 'RUN',
  count: [1, 1],
  options: [],
  run: async ({ words: [word] }, shell) => {
    const folder = runFolder(word);
    const detail = detailRun(folder);
    const checkpoints = listCheckpoints(folder);
    const { summary, recipe } = detail;
    shell.reporter.result(describeDetail(detail, checkpoints), { type: 'run', ...summary, recipe, checkpoints });
  },
};

export const history: Command = {
  name: 'history',
  summary: 'Print or write the history of a run as CSV, for TensorBoard, as JSON lines, or as log.txt.',
  words: 'RUN',
  count: [1, 1],
  options: [
    { flag: 'format', value: HISTORY_FORMATS.join('|'), choices: HISTORY_FORMATS, help: 'Default csv.' },
    { flag: 'rows', value: 'epochs|steps', choices: ['epochs', 'steps'], help: 'Of CSV. Default epochs.' },
    { flag: 'output', value: 'PATH', help: 'The file to write, or for TensorBoard the folder; text is printed otherwise.' }, // prettier-ignore
  ],
  run: async (parsed, { reporter, terminal }) => {
    const folder = runFolder(parsed.words[0]);
    const output = pathValue(parsed, 'output');
    const printsJson = output === undefined && parsed.values.get('json') === true;
    const format = (textValue(parsed, 'format') ?? (printsJson ? 'jsonl' : 'csv')) as HistoryFormat;
    const rows = (textValue(parsed, 'rows') ?? 'epochs') as 'epochs' | 'steps';
    if (printsJson && ['csv', 'log'].includes(format)) throw both('--json', `--format ${format}`);
    if (format !== 'csv' && parsed.values.has('rows')) throw both('--rows', `--format ${format}`);
    openRun(folder);
    if (output === undefined && format !== 'tensorboard') return terminal.out(historyText(folder, format, rows));
    const { path, bytes: size } = await exportHistory(folder, { format, rows, output });
    reporter.result(`${path} (${bytes(size)})`, { type: 'result', path, bytes: size });
  },
};

export const report: Command = {
  name: 'report',
  summary: 'Write a report of a run: scores, epochs, tokens, recipe and how it was made.',
  words: 'RUN',
  count: [1, 1],
  options: [
    { flag: 'format', value: 'NAME', help: 'html (default; one file, offline), md, csv or tex.', choices: STUDY_FORMATS }, // prettier-ignore
    { flag: 'language', value: 'NAME', help: 'Of md and tex; an HTML file has both.', choices: ['en', 'zh'] },
    { flag: 'output', value: 'FILE', help: 'The file to write; text is printed otherwise.' },
  ],
  run: (parsed, { reporter, terminal }) => {
    const format = (textValue(parsed, 'format') ?? 'html') as StudyFormat;
    const text = renderRun(runFolder(parsed.words[0]), format, textValue(parsed, 'language') === 'zh' ? 'zh' : 'en');
    const output = pathValue(parsed, 'output');
    if (output !== undefined) writeFileAtomic(output, text);
    if (output !== undefined)
      reporter.result(`Written: ${output}`, { type: 'written', path: output, bytes: Buffer.byteLength(text) }); // prettier-ignore
    else if (parsed.values.get('json') === true) reporter.result(text, { type: 'report', format, text });
    else terminal.out(text);
    return Promise.resolve();
  },
};

export const trash: Command = {
  name: 'trash',
  summary: 'List what was deleted; with --empty remove it for good, with --restore take back a run.',
  words: '',
  count: [0, 0],
  options: [
    { flag: 'empty', value: null, help: 'Remove all that is listed for good.', excludes: ['restore'] },
    { flag: 'restore', value: 'RUN', help: 'Take back the run of this name.' },
  ],
  run: async (parsed, shell) => {
    await withService(shell, async ({ calls }) => {
      const restored = textValue(parsed, 'restore');
      if (restored !== undefined) await calls['run.restore']({ run: restored });
      const { items, days } = await calls['trash.list']({});
      if (parsed.values.get('empty') === true) {
        const gone = await calls['trash.empty']({ items: items.map(({ run, file }) => ({ run, file })) });
        return shell.reporter.result(`${gone.count} removed, ${bytes(gone.bytes)} free`, { type: 'result', ...gone });
      }
      const list = items.map((item) => ({ type: 'trash', ...item }));
      shell.reporter.result(describeTrash(items, days), list);
    });
  },
};

function both(one: string, other: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name: one, expected: `one of ${one} and ${other}`, got: 'both' });
}

/** Folder of a run by its path or its name in the runs folder. @throws StillhouseError `run.missing` */
function runFolder(word: string): string {
  const found = [resolve(word), resolve(runsFolder(), word)].find((path) => existsSync(resolve(path, 'run.json')));
  if (!found) throw new StillhouseError('run.missing', { path: word });
  return found;
}

const HEAD = ['run', 'state', 'epochs', 'best', 'last', 'EMA', 'trained', 'size', 'tags'];

function describeRun(run: RunSummary): string[] {
  const { id, ranks, state, epoch, epochs, bestAcc1, lastAcc1, emaAcc1, seconds, tags } = run;
  const scores = [bestAcc1, lastAcc1, emaAcc1].map(percent);
  return [`${run.pinned ? '*' : ' '}${id}`, ranks ? `${state} (${ranks} ranks)` : state, `${epoch}/${epochs}`, ...scores, duration(seconds), bytes(run.bytes), tags.join(' ')]; // prettier-ignore
}

function describeDetail({ summary, recipe, classes }: RunDetail, checkpoints: readonly CheckpointInfo[]): string {
  const usual = defaultRecipe();
  const settings = FIELDS.filter(({ key }) => recipe[key] !== usual[key]);
  const { path, model, teacher, note, bestLoss, lastLoss, error } = summary;
  return [
    path,
    `${model}${teacher && ` taught by ${teacher}`}, ${classes.length} classes`,
    table([HEAD, describeRun(summary)]),
    ...(lastLoss === null ? [] : [`Loss on validation: last ${lastLoss.toFixed(4)}, best ${bestLoss?.toFixed(4)}`]),
    ...(error ? [error.message] : []),
    ...(note ? [`Note: ${note}`] : []),
    `Settings: ${settings.map(({ key }) => `--${flagOf(key)} ${String(recipe[key])}`).join(' ')}`,
    ...(checkpoints.length === 0
      ? ['No checkpoint']
      : [table([CHECKPOINT_HEAD, ...checkpoints.map(describeCheckpoint)])]),
  ].join('\n');
}

const CHECKPOINT_HEAD = ['checkpoint', 'epoch', 'step', 'Acc@1', 'EMA', 'size', 'marks'];

function describeCheckpoint(one: CheckpointInfo): string[] {
  const marks = [one.best && 'best', one.bestEma && 'best EMA', one.last && 'last', one.pinned && 'pinned'];
  const { file, epoch, step, acc1, acc1Ema } = one;
  return [file, String(epoch + 1), String(step), percent(acc1), percent(acc1Ema), bytes(one.bytes), marks.filter(Boolean).join(', ')]; // prettier-ignore
}

function describeTrash(items: readonly TrashItem[], days: number): string {
  if (items.length === 0) return 'The trash is empty.';
  const lines = items.map(({ run, file, time, bytes: size }) => [run, file ?? 'run', bytes(size), new Date(time).toISOString().slice(0, 16)]); // prettier-ignore
  return `${table([['run', 'what', 'size', 'deleted'], ...lines])}\nAll of it goes by itself after ${days} days.`;
}

function percent(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join('  ').trimEnd()).join('\n'); // prettier-ignore
}
