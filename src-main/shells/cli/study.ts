import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { writeFileAtomic } from '../../base/files.ts';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import type { ServiceEvent } from '../../protocol/events.ts';
import {
  FIELDS,
  checkField,
  defaultRecipe,
  flagOf,
  totalEpochs,
  type Field,
  type Recipe,
} from '../../protocol/recipe.ts';
import {
  STUDY_FORMATS,
  STUDY_TEMPLATES,
  type StudyCost,
  type StudyReport,
  type StudyRequest,
  type StudyTables,
} from '../../protocol/study.ts';
import { renderStudy } from '../../service/studies/report/render.ts';
import { readStudyFile, writeStudyText } from '../../service/studies/study-text.ts';
import type { Command, Shell } from './command.ts';
import { withService, type LocalService } from './local-service.ts';
import { integerValue, numberOf, pathValue, recipeOptions, recipeValues, type Option, type Parsed } from './options.ts'; // prettier-ignore
import { bytes, duration } from './progress.ts';
import { STOPPED } from './train.ts';

const OPTIONS: readonly Option[] = [
  { flag: 'offer', value: null, help: 'run: only say what would be trained, and what it costs in time and on the disk.' }, // prettier-ignore
  { flag: 'seeds', value: 'N', help: 'make: how many seeds, from 0 on. Default 3.' },
  { flag: 'teachers', value: 'LIST', help: 'make which-teacher: NETWORK=FILE,NETWORK=FILE,…' },
  { flag: 'data', value: 'LIST', help: 'make transfer: data folders to transfer to, with commas.' },
  { flag: 'models', value: 'LIST', help: 'make speed: networks, with commas.' },
  { flag: 'lengths', value: 'LIST', help: 'make how-long: epochs, with commas.' },
  { flag: 'grid', value: 'SPEC', help: 'make grid: KEY=VALUE,VALUE;KEY=VALUE,VALUE.' },
  { flag: 'finetune-size', value: 'N', help: 'make: fine-tune each at this input size afterwards.' },
  { flag: 'finetune-epochs', value: 'N', help: 'make: epochs of that. Default 30.', needs: ['finetune-size'] },
  { flag: 'format', value: 'NAME', help: 'report: html, md, csv or tex.', choices: STUDY_FORMATS },
  { flag: 'language', value: 'NAME', help: 'report: of md and tex; an HTML file has both.', choices: ['en', 'zh'] },
  { flag: 'output', value: 'FILE', help: 'make, report: where to write.' },
];

/** `stillhouse study`: compares variants of a recipe over seeds, as the tables of the paper do. */
export const study: Command = {
  name: 'study',
  summary: 'Compare variants of a recipe over seeds: templates | make KIND | run FILE|ID | list | show ID | report ID | remove ID.', // prettier-ignore
  words: 'templates|make|run|list|show|report|remove [KIND|FILE|ID]',
  count: [1, 2],
  options: [...OPTIONS, ...recipeOptions().filter(({ flag }) => !['output-dir', 'seed'].includes(flag))],
  run: async (parsed, shell) => {
    const [action, what] = parsed.words;
    const act = ACTIONS.get(action);
    if (!act) throw argument('study', [...ACTIONS.keys()].join(', '), action);
    return act(parsed, shell, what);
  },
};

type Action = (parsed: Parsed, shell: Shell, what: string | undefined) => Promise<number | void>;

const ACTIONS = new Map<string, Action>([
  ['templates', async (_, { reporter }) => reporter.result(STUDY_TEMPLATES.join('\n'), STUDY_TEMPLATES.map((name) => ({ type: 'template', name })))], // prettier-ignore
  ['make', (parsed, shell, what) => withService(shell, (desk) => made(parsed, shell, desk, what))],
  ['run', (parsed, shell, what) => withService(shell, (desk) => ran(parsed, shell, desk, needed(what)))],
  ['list', (_, shell) => withService(shell, (desk) => listed(shell, desk))],
  ['show', (_, shell, what) => withService(shell, (desk) => shown(shell, desk, needed(what)))],
  ['report', (parsed, shell, what) => withService(shell, (desk) => reported(parsed, shell, desk, needed(what)))],
  ['remove', (_, shell, what) => withService(shell, async ({ calls }) => void (await calls['study.remove']({ study: idOf(needed(what)) })))], // prettier-ignore
]);

function needed(what: string | undefined): string {
  if (what === undefined) throw argument('study', 'a file or an id', 'nothing');
  return what;
}

function argument(name: string, expected: string, got: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name, expected, got });
}

async function made(
  parsed: Parsed,
  { reporter }: Shell,
  { calls }: LocalService,
  what: string | undefined,
): Promise<void> {
  const template = STUDY_TEMPLATES.find((name) => name === what);
  if (!template) throw argument('study make', STUDY_TEMPLATES.join(', '), what ?? 'nothing');
  const spec = await calls['study.make']({ template, asked: requestOf(parsed) });
  const text = writeStudyText(spec);
  const output = pathValue(parsed, 'output');
  if (output === undefined) return reporter.result(text.trimEnd(), { type: 'study', ...spec });
  writeFileAtomic(output, text);
  reporter.result(`Written: ${output}`, { type: 'written', path: output });
}

function requestOf(parsed: Parsed): StudyRequest {
  const list = (flag: string): string[] | undefined => {
    const given = parsed.values.get(flag);
    return typeof given === 'string' ? given.split(',').filter((word) => word !== '') : undefined;
  };
  const [teachers, data, models, lengths] = ['teachers', 'data', 'models', 'lengths'].map(list);
  const seeds = integerValue(parsed, 'seeds', 1, 100);
  const finetuneSize = integerValue(parsed, 'finetune-size', 16, 1024);
  const finetuneEpochs = integerValue(parsed, 'finetune-epochs', 1, 100_000);
  const grid = parsed.values.get('grid');
  return {
    base: recipeValues(parsed),
    ...(seeds !== undefined && { seeds }),
    ...(teachers && { teachers: teachers.map(absoluteTeacher) }),
    ...(data && { data: data.map((path) => resolve(path)) }),
    ...(models && { models }),
    ...(lengths && { epochs: lengths.map(Number) }),
    ...(typeof grid === 'string' && { grid: gridOf(grid) }),
    ...(finetuneSize !== undefined && { finetuneSize }),
    ...(finetuneEpochs !== undefined && { finetuneEpochs }),
  };
}

function absoluteTeacher(given: string): string {
  const at = given.indexOf('=');
  return at < 0 ? resolve(given) : `${given.slice(0, at)}=${resolve(given.slice(at + 1))}`;
}

/** @throws StillhouseError `argument.invalid` for an unknown setting, or a value that it does not take. */
function gridOf(text: string): NonNullable<StudyRequest['grid']> {
  const entries = text.split(';').map((line) => {
    const [name, values = ''] = line.split(/=(.*)/s);
    const flag = name.trim().replace(/_/g, '-');
    const field = FIELDS.find(({ key }) => flagOf(key) === flag || key === name.trim());
    if (!field) throw argument('--grid', 'KEY=VALUE,VALUE of settings of a recipe', line);
    return [field.key, values.split(',').map((value) => settingOf(field, value.trim()))] as const;
  });
  return Object.fromEntries(entries);
}

function settingOf(field: Field, text: string): string | number | boolean {
  const words = new Map<string, boolean>([['true', true], ['false', false]]); // prettier-ignore
  const numeric = field.type === 'integer' || field.type === 'number';
  const value = numeric ? numberOf(text) : field.type === 'boolean' ? (words.get(text) ?? text) : text;
  const problem = checkField(field, value);
  if (problem) throw new StillhouseError('argument.invalid', { ...problem, name: `--grid ${field.key}`, got: text });
  return value;
}

/** A study that lies in a file of the person's is kept under an id of its path: an edited file goes on with what is done. */
function idOf(what: string): string {
  if (!existsSync(what)) return what;
  return `file-${createHash('sha256').update(resolve(what)).digest('hex').slice(0, 8)}`;
}

async function ran(parsed: Parsed, shell: Shell, desk: LocalService, what: string): Promise<number> {
  const { reporter } = shell;
  const { calls, job } = desk;
  const id = idOf(what);
  if (existsSync(what)) await calls['study.save']({ study: id, spec: readStudyFile(resolve(what)) });
  const cost = await timed(id, shell, desk);
  reporter.note(costText(cost));
  if (parsed.values.get('offer') === true) return 0;
  desk.onEvent(progressShown(id, shell, desk));
  try {
    await job(calls['study.walk']({ study: id }));
  } catch (error) {
    const stopped = toPlainError(error).code === 'job.cancelled';
    reporter.note(`${stopped ? 'Stopped and saved. ' : ''}Go on with the same command: nothing is trained twice.`);
    if (!stopped) throw error;
    return STOPPED;
  }
  const tables = await calls['study.tables']({ study: id });
  const html = await calls['study.write']({ study: id, format: 'html' });
  reporter.result(`${renderStudy(tables, 'md')}\nReport: ${html.path}`, { type: 'result', ...tables, path: html.path });
  return tables.report.state === 'done' ? 0 : 1;
}

/** The cost, with times that are measured where nothing tells them. */
async function timed(study: string, { reporter }: Shell, { calls, job }: LocalService): Promise<StudyCost> {
  const cost = await calls['study.cost']({ study });
  if (cost.untimed === 0) return cost;
  reporter.note('Timing a few steps of each variant …');
  await job(calls['study.measure']({ study }));
  return calls['study.cost']({ study });
}

function costText({ trainings, finished, seconds, shared, untimed, disk, free }: StudyCost): string {
  if (finished === trainings) return `All ${trainings} trainings are finished.`;
  const unknown = untimed > 0 ? `, and ${untimed} trainings whose time is not known` : '';
  return [
    `${trainings - finished} of ${trainings} trainings are still to do.`,
    `Time: ${duration(seconds)}${unknown}`,
    ...(shared > 0 ? [`Kept answers save ${duration(shared)} of the teacher's time.`] : []),
    `Disk: ${bytes(disk)} of checkpoints${free === null ? '' : `, ${bytes(free)} free`}`,
  ].join('\n');
}

async function listed({ reporter }: Shell, { calls }: LocalService): Promise<void> {
  const all = await calls['study.list']({});
  const text = all.map((one) => `${one.id}  ${one.spec.name}  ${stateText(one)}`).join('\n');
  reporter.result(text || 'There is no study yet.', all.map((one) => ({ type: 'study', ...one }))); // prettier-ignore
}

function stateText({ state, cells }: StudyReport): string {
  return `${state}, ${cells.filter((cell) => cell.state === 'finished').length} of ${cells.length} finished`;
}

async function shown({ reporter }: Shell, { calls }: LocalService, what: string): Promise<void> {
  const tables: StudyTables = await calls['study.tables']({ study: idOf(what) });
  const cells = tables.report.cells.map(
    ({ variant, stage, seed, state, run, acc1 }) =>
    [`${stage ? `${variant}, ${stage}` : variant}, seed ${seed}`, state ?? '–', acc1?.toFixed(2) ?? '–', run ?? ''].join('  '), // prettier-ignore
  );
  reporter.result([renderStudy(tables, 'md'), ...cells].join('\n'), { type: 'study', ...tables });
}

async function reported(
  parsed: Parsed,
  { reporter }: Shell,
  { calls, job }: LocalService,
  what: string,
): Promise<void> {
  const id = idOf(what);
  await job(calls['study.evaluate']({ study: id }));
  const format = STUDY_FORMATS.find((name) => name === (parsed.values.get('format') ?? 'html'))!;
  const language = parsed.values.get('language') === 'zh' ? 'zh' : 'en';
  const output = pathValue(parsed, 'output');
  const written = await calls['study.write']({ study: id, format, language, ...(output !== undefined && { output }) });
  reporter.result(`Written: ${written.path}`, { type: 'written', ...written });
}

/** Shows each epoch of the runs, and a line for each training that begins. */
function progressShown(study: string, { reporter }: Shell, { calls }: LocalService): (event: ServiceEvent) => void {
  const recipes = new Map<string, Recipe>();
  const begun = async (run: string): Promise<void> => {
    const [all, { recipe }] = [await calls['study.list']({}), await calls['run.detail']({ run })];
    recipes.set(run, recipe);
    const cell = all.find(({ id }) => id === study)?.cells.find((one) => one.run === run);
    if (cell) reporter.note(`${cell.variant}${cell.stage && `, ${cell.stage}`}, seed ${cell.seed}: ${run}`);
  };
  return (event) => {
    if (event.event !== 'run') return;
    const recipe = recipes.get(event.run);
    if (!recipe) {
      recipes.set(event.run, defaultRecipe());
      // The service may close meanwhile.
      void begun(event.run).catch(() => undefined);
      return;
    }
    const said = event.rows.filter(({ type }) => type === 'epoch' || type === 'note');
    if (said.length > 0) reporter.rows(said, recipe);
    const step = [...event.rows].reverse().find((row) => row.type === 'step');
    if (step?.type === 'step') reporter.progress(event.run, step.step, step.stepsPerEpoch * totalEpochs(recipe));
  };
}
