import { csvText } from '../../protocol/csv.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { exportEndings } from '../../protocol/export-formats.ts';
import { sayReason } from '../../protocol/reasons.ts';
import { FIELDS, flagOf } from '../../protocol/recipe.ts';
import type { ClassReport, HeadReport } from '../../protocol/evaluation.ts';
import { cacheFolder } from '../../runs/places.ts';
import { LIST_NAME } from '../../jobs/data-notes.ts';
import { keepPlace } from '../../service/evaluations/evaluation-place.ts';
import type { JobResults } from '../../jobs/job-protocol.ts';
import { weightFileOf } from '../../weights/open-weights.ts';
import type { Command, Shell } from './command.ts';
import { chooseEngine } from './engine.ts';
import { integerValue, pathValue, recipeOptions, recipeValues, textValue, type Parsed } from './options.ts';
import { scoreText } from './progress.ts';
import { describeTeacher, TEACHER_OPTIONS } from './teachers.ts';
import { CLASSES, ENTRY, inJobProcess } from './weights.ts';

/** Options of a training, beside its settings, that an evaluation does not read. */
const UNREAD: ReadonlySet<string> = new Set(['preset', 'recipe', 'opt-betas']);

/** Settings that an evaluation reads. */
const EVALUATED =
  /^(data-path|data-reading|data-set|inat-category|model|input-size|eval-crop-ratio|batch-size|num-workers|teacher-.*|distillation-type|eval-heads|device)$/;

export const evaluate: Command = {
  name: 'evaluate',
  also: 'eval',
  summary: 'Score weights on validation images or a folder: heads, classes, confusion, calibration, teacher.',
  words: '',
  count: [0, 0],
  options: [
    {
      flag: 'checkpoint',
      value: 'FILE',
      help: `A checkpoint, a run folder (its best one), a ${exportEndings(' or ')}.`,
    },
    { flag: 'resume', value: 'FILE', help: "The same, by DeiT's name.", excludes: ['checkpoint'] },
    { flag: 'average', value: null, help: 'The moving average of the model in its place, where one was kept.' },
    ENTRY,
    CLASSES,
    {
      flag: 'folder',
      value: 'DIR',
      help:
        'Every image of a folder instead of the validation images. Its folders are named as the classes, or by ' +
        'their numbers from 0, as in ImageNet-V2.',
    },
    {
      flag: 'class-index',
      value: 'FILE',
      needs: ['folder'],
      help: 'Which class has which number: {"0": ["n01440764", "tench"], …}. Default: the order of ImageNet.',
    },
    { flag: 'real-labels', value: 'FILE', help: "ImageNet-ReaL's real.json: scores by its labels too." },
    { flag: 'tokens', value: null, help: 'Compare class and distillation token after each block: their mean cosine.' },
    { flag: 'no-keep', value: null, help: 'Leave nothing in the run folder, or in the cache, for the window to show.' },
    { flag: 'csv', value: null, help: 'Print the table of classes as CSV.', excludes: ['json'] },
    ...recipeOptions().filter(({ flag }) => EVALUATED.test(flag)),
    ...TEACHER_OPTIONS,
    { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' },
  ],
  run: async (parsed, shell) => {
    const given = pathValue(parsed, 'checkpoint') ?? pathValue(parsed, 'resume');
    const result = await evaluated(given, parsed, shell, parsed.values.get('no-keep') !== true);
    const { scores, report, model, images, skipped } = result;
    noteLeftOut(result, shell);
    const text = parsed.values.get('csv') === true ? classTable(report.classes) : reportText(result);
    shell.reporter.result(text, { type: 'result', model, images, ...scores, skipped, ...report });
  },
};

type Evaluated = NonNullable<JobResults['evaluate']>;

async function evaluated(given: string | undefined, parsed: Parsed, shell: Shell, kept: boolean): Promise<Evaluated> {
  if (!given) throw new StillhouseError('argument.invalid', { name: '--checkpoint or --resume', expected: 'FILE', got: 'nothing' }); // prettier-ignore
  const settings = recipeValues(parsed);
  await describeTeacher(parsed, settings, shell);
  const threads = integerValue(parsed, 'threads', 1, 1024);
  const { engine, gpu } = await chooseEngine(shell, settings.device);
  const weights = weightFileOf(given);
  const entry = textValue(parsed, 'entry') ?? settings.finetuneEntry;
  const job = {
    ...({ kind: 'evaluate', engine, gpu, threads, weights, settings } as const),
    average: parsed.values.get('average') === true,
    ...(entry && { entry }),
    classNames: pathValue(parsed, 'classes'),
    folder: pathValue(parsed, 'folder'),
    classIndex: pathValue(parsed, 'class-index'),
    realLabels: pathValue(parsed, 'real-labels'),
    tokens: parsed.values.get('tokens') === true,
    keep: kept ? keepPlace(weights, cacheFolder()) : undefined,
  };
  const result = await inJobProcess(job, shell);
  if (!result) throw new StillhouseError('job.cancelled');
  return result;
}

/**
 * Scores as DeiT's `main.py --eval --resume FILE` does, and prints its two closing lines. Without `--resume` the weights
 * of `--finetune` are scored, as there.
 * @throws StillhouseError as the job does; `argument.invalid` without weights.
 */
export async function evaluateAsDeit(parsed: Parsed, shell: Shell, notes: readonly string[]): Promise<void> {
  const settings = new Set(FIELDS.map(({ key }) => flagOf(key)));
  const resumed = pathValue(parsed, 'resume');
  const unused = [...parsed.values.keys()].filter(
    (flag) => UNREAD.has(flag) || (settings.has(flag) && !EVALUATED.test(flag) && !(flag === 'finetune' && !resumed)),
  );
  for (const note of notes) shell.reporter.note(note);
  if (unused.length > 0)
    shell.reporter.note(`With --eval these change nothing: ${unused.map((flag) => `--${flag}`).join(', ')}.`);
  const result = await evaluated(resumed ?? pathValue(parsed, 'finetune'), parsed, shell, false);
  noteLeftOut(result, shell);
  const { scores, images, model, skipped } = result;
  const accuracy = `Accuracy of the network on the ${images} test images: ${scores.test.acc1.toFixed(1)}%`;
  shell.reporter.result(`${scoreText(scores.test)}\n${accuracy}`, {
    ...{ type: 'result', model, images },
    ...scores,
    skipped,
  });
}

function tokenLines(cosines: readonly number[] | undefined): string[] {
  if (!cosines) return [];
  const place = (at: number): string =>
    at === 0 ? 'at first' : at === cosines.length - 1 ? 'after the last norm' : `after block ${at}`;
  const lines = cosines.map((cosine, at) => `  ${cosine.toFixed(4)}  ${place(at)}`);
  return ['Cosine of class and distillation token, mean over the images', ...lines, ''];
}

function noteLeftOut({ dataset, skipped, report }: Evaluated, { reporter }: Shell): void {
  for (const { message } of report.facts.notes ?? []) reporter.note(message);
  const left = new StillhouseError('data.excluded', { count: dataset.excluded, list: LIST_NAME });
  if (dataset.excluded > 0) reporter.note(left.message);
  for (const { file, reason } of skipped) reporter.note(`Left out: ${file} (${sayReason(reason)})`);
}

const NAMES = { test: 'decision', class: 'class head', distillation: 'distillation head', teacher: 'teacher' } as const;
/** Pairs, and classes, that a report for people names; --csv and --json have them all. */
const SHOWN = 10;

function reportText({ scores, report, model, images }: Evaluated): string {
  const { facts, classes, confusion } = report;
  return [
    `${model} on ${images} images`,
    '',
    row('', 'Acc@1', 'Acc@5', 'NLL', 'confid.', 'ECE', 'teacher', 'ReaL'),
    ...facts.heads.map(headRow),
    '',
    `Most confused (of ${wrongOf(confusion)} wrong images)`,
    ...confusedPairs(confusion)
      .slice(0, SHOWN)
      .map(([label, decision, count]) => `  ${count}  ${classes[label].name} taken for ${classes[decision].name}`),
    '',
    ...tokenLines(facts.tokenCosine),
    `Weakest classes (of ${classes.length})`,
    ...weakest(classes).map(classLine),
    '',
    scoreText(scores.test),
  ].join('\n');
}

function row(name: string, ...cells: string[]): string {
  return name.padEnd(18) + cells.map((cell) => cell.padStart(9)).join('');
}

function headRow({ head, acc1, acc5, nll, confidence, ece, agreement, real }: HeadReport): string {
  const share = (value: number | null | undefined): string => value?.toFixed(2) ?? '–';
  const number = (value: number | null): string => value?.toFixed(3) ?? '–';
  const cells = [share(acc1), share(acc5), number(nll), number(confidence), ece.toFixed(3)];
  return row(NAMES[head], ...cells, share(agreement), share(real?.acc1));
}

function wrongOf(cells: readonly number[]): number {
  return confusedPairs(cells).reduce((sum, [, , count]) => sum + count, 0);
}

/** Class, decision and images of every confusion, the most frequent first. */
function confusedPairs(cells: readonly number[]): [number, number, number][] {
  const all = Array.from({ length: cells.length / 3 }, (_, at): [number, number, number] => {
    return [cells[3 * at], cells[3 * at + 1], cells[3 * at + 2]];
  });
  return all.filter(([label, decision]) => label !== decision).sort((one, other) => other[2] - one[2]);
}

function weakest(classes: readonly ClassReport[]): ClassReport[] {
  const seen = classes.filter(({ acc1 }) => acc1 !== null);
  return seen.sort((one, other) => one.acc1! - other.acc1!).slice(0, SHOWN);
}

function classLine({ name, count, acc1, acc5, precision, f1 }: ClassReport): string {
  const share = (value: number | null): string => (value === null ? '–' : value.toFixed(1)).padStart(7);
  return `  ${name.padEnd(24)}${String(count).padStart(6)} images  Acc@1${share(acc1)}  Acc@5${share(acc5)}  precision${share(precision)}  F1${share(f1)}`;
}

/** The table of classes, by the rules of RFC 4180. */
function classTable(classes: readonly ClassReport[]): string {
  const head = 'class,images,predicted,acc1,acc5,precision,recall,f1,confidence,agreement,confused_with,confused';
  const rows = classes.map((one) => [
    ...[one.name, one.count, one.predicted, one.acc1, one.acc5, one.precision, one.acc1, one.f1, one.confidence],
    ...[one.agreement, one.confused ? classes[one.confused.label].name : null, one.confused?.count ?? null],
  ]);
  return csvText([head.split(','), ...rows]);
}
