import type { RecipeCheck } from '../../protocol/data-types.ts';
import type { EpochRow, ExportRow, HistoryRow, JobProgress, RunState, ServiceEvent } from '../../protocol/events.ts';
import { StillhouseError, fromPlainError, isDivergence, toPlainError } from '../../protocol/errors.ts';
import { RunTimeMeter, type RunTimes, type TaughtOnce } from '../../protocol/run-times.ts';
import { PRESETS } from '../../protocol/presets.ts';
import { totalEpochs, type Recipe } from '../../protocol/recipe.ts';
import { teacherLabel } from '../../runs/teacher-kind.ts';
import type { BegunRun, RunRequest } from '../../service/runs/run-starter.ts';
import { createWorkstation } from '../../service/workstation.ts';
import { readProfile } from '../../runs/profile-file.ts';
import type { Command, Interruption, Shell } from './command.ts';
import { here, withService } from './local-service.ts';
import {
  integerValue,
  pathValue,
  recipeOptions,
  recipeValues,
  textValue,
  type Option,
  type Parsed,
} from './options.ts';
import { opText, taughtText, timesText } from './profile.ts';
import { bytes, scoreText, type Reporter } from './progress.ts';
import { describeDevice } from './engine.ts';
import { deitNotes, deitOptions } from './deit-options.ts';
import { evaluateAsDeit } from './evaluate.ts';
import { PRETRAINED } from './published.ts';
import { describeTeacher, TEACHER_OPTIONS } from './teachers.ts';
import { CLASSES } from './weights.ts';
import { follow, isLoss, RANK_OPTIONS, ranksOf } from './ranks.ts';
import { RECIPE, recipeFile } from './recipe-file.ts';
import { TIME_UP } from '../../service/slurm/batch-script.ts';

export const RESUME: Option = {
  flag: 'resume',
  value: 'auto|FILE',
  help: 'auto: go on in --output-dir if a run is there. FILE: from this checkpoint, or from the last of a run folder.',
};
const EVAL: Option = {
  flag: 'eval',
  value: null,
  help: "Train nothing: score the weights of --resume FILE and print DeiT's closing lines.",
};
/** The exit code of a training that was saved before its end, as a shell has it of Ctrl-C: 0 means done. */
export const STOPPED = 130;
const THREADS: Option = { flag: 'threads', value: 'N', help: 'Threads of the engine. Default: one a core.' };

export function presetOption(task: 'student' | 'teacher', help: string): Option {
  const choices = PRESETS.filter((preset) => preset.task === task).map(({ id }) => id);
  return { flag: 'preset', value: choices.join('|'), choices, help };
}

export const train: Command = {
  name: 'train',
  summary: 'Train a model, with a teacher or without.',
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions(),
    PRETRAINED,
    RESUME,
    EVAL,
    RECIPE,
    presetOption('student', 'Settings to start from; flags change them.'),
    ...TEACHER_OPTIONS,
    { ...CLASSES, needs: ['eval'] },
    THREADS,
    ...RANK_OPTIONS,
    ...deitOptions(['resume', 'eval', 'world_size', 'dist_url']),
  ],
  run: (parsed, shell) =>
    parsed.values.get('eval') === true
      ? evaluateAsDeit(parsed, shell, deitNotes(parsed))
      : trainTaught(parsed, shell, givenValues(parsed, shell)),
};

async function trainTaught(parsed: Parsed, shell: Shell, given: Partial<Recipe>): Promise<number> {
  await describeTeacher(parsed, given, shell);
  return trainRun(parsed, shell, given);
}

/** Reads the settings of a command line: those of its preset, of its file over them, and of its flags over both. */
export function givenValues(parsed: Parsed, { reporter }: Shell, submits = false): Partial<Recipe> {
  const file = recipeFile(parsed);
  for (const note of [...deitNotes(parsed, submits), ...file.notes]) reporter.note(note);
  return { ...presetValues(parsed), ...file.values, ...recipeValues(parsed) };
}

/** The teacher unless the person names another: its ImageNet weights can be fetched. */
const TEACHER = 'tf_efficientnet_lite0';

const FROM_SCRATCH: Option = {
  flag: 'from-scratch',
  value: null,
  help: 'Start from random weights, not from ImageNet weights.',
  excludes: ['finetune', 'resume'],
};

export const teacher: Command = {
  name: 'teacher',
  summary: 'Train a teacher on your data, from ImageNet weights where they can be fetched.',
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions().filter(({ flag }) => !/^(teacher|distillation)/.test(flag)),
    RESUME,
    FROM_SCRATCH,
    presetOption('teacher', 'Settings to start from; flags change them. Default full-teacher.'),
    THREADS,
  ],
  run: async (parsed, shell) => {
    const preset = presetValues(parsed, 'full-teacher');
    const typed = recipeValues(parsed);
    const given: Partial<Recipe> = { ...preset, model: TEACHER, ...typed, distillationType: 'none' };
    const resumed = parsed.values.has('resume');
    const scratch = resumed || parsed.values.get('from-scratch') === true;
    const finetune = given.finetune ?? (scratch ? '' : await imageNetStart(given.model ?? TEACHER, shell));
    return trainRun(parsed, shell, resumed ? { ...presetValues(parsed), ...typed } : { ...given, finetune });
  },
};

export function presetValues(parsed: Parsed, fallback?: string): Partial<Recipe> {
  const id = textValue(parsed, 'preset') ?? fallback;
  return PRESETS.find((preset) => preset.id === id)?.values ?? {};
}

/** Path of a model's ImageNet weights; '' where they cannot be had, which is said. */
async function imageNetStart(model: string, shell: Shell): Promise<string> {
  const { reporter } = shell;
  try {
    const path = await withService(shell, ({ calls, job }) => job(calls['weights.fetch']({ model })));
    reporter.note(`It starts from ImageNet weights: ${String(path)}`);
    return String(path);
  } catch (error) {
    const { code, message } = toPlainError(error);
    if (!/^weights\.(none|fetch|download)$/.test(code)) throw error;
    reporter.note(`${message}\nIT STARTS FROM RANDOM WEIGHTS, and will know much less than from ImageNet weights.`);
    return '';
  }
}

/** @returns the exit code. */
async function trainRun(parsed: Parsed, shell: Shell, given: Partial<Recipe>): Promise<number> {
  const { ranks, follower, ...own } = ranksOf(parsed, shell);
  const threads = integerValue(parsed, 'threads', 1, 1024) ?? own.threads;
  if (follower) return follow(follower, threads, shell);
  let request: RunRequest = { given, resume: resumeOf(parsed, given), threads, ranks };
  for (let left = integerValue(parsed, 'max-restarts', 0, 1000) ?? 0; ; left--) {
    const begun: { path?: string } = {};
    try {
      return await trainOnce(request, shell, ({ path }) => (begun.path = path));
    } catch (error) {
      if (left === 0 || begun.path === undefined || !isLoss(error)) throw error;
      shell.reporter.note(`${error.message}\nAll processes start again from the last checkpoint (${left} left).`);
      request = { ...request, resume: begun.path };
    }
  }
}

/** @returns the exit code. */
async function trainOnce(request: RunRequest, shell: Shell, onBegun: (begun: BegunRun) => void): Promise<number> {
  const { reporter } = shell;
  const story = new Story();
  const emit = (event: ServiceEvent): void => {
    if (event.event === 'job' && event.progress.kind === 'export') return showJob(reporter, event.progress);
    if (event.event !== 'run') return;
    reporter.rows(event.rows, begun.recipe);
    story.add(event.rows);
  };
  const workstation = createWorkstation({ ...here(shell), shell: 'cli', emit });
  const onProgress = (stage: string, done: number, total: number): void =>
    reporter.progress(stage, done, total, 'files');
  let begun: BegunRun;
  try {
    begun = await workstation.begin({ ...request, onProgress });
    onBegun(begun);
    reporter.note(introduction(begun, request.ranks));
    return await untilEnded(begun, story, shell);
  } finally {
    await workstation.close();
  }
}

function showJob(reporter: Reporter, { stage, done, total, unit, state }: JobProgress): void {
  if (state === 'running' && stage) reporter.progress(stage, done, total, unit);
}

/** Tells whether an export that the recipe asks for is not there, or is another than its checkpoint. */
function isFailed({ error, passed }: ExportRow): boolean {
  return error !== null || passed === false;
}

/** What the rows of a training come to. */
class Story {
  best: EpochRow | null = null;
  private readonly meter = new RunTimeMeter();

  add(rows: readonly HistoryRow[]): void {
    for (const row of rows) {
      this.meter.add(row);
      if (row.type === 'epoch' && row.test.acc1 > (this.best?.test.acc1 ?? -1)) this.best = row;
    }
  }

  get taught(): TaughtOnce {
    return this.meter.taught;
  }

  get times(): RunTimes {
    return this.meter.times;
  }
}

/** Waits for a training, which an interruption ends, and says how it went. @returns the exit code. */
async function untilEnded(begun: BegunRun, story: Story, { reporter, onInterrupt }: Shell): Promise<number> {
  const { path: run, recipe } = begun;
  let timeUp = false;
  const stop = (why: Interruption): void => {
    timeUp = why === 'time-up';
    reporter.note(
      timeUp ? 'The time is nearly up: saving and stopping.' : 'Saving and stopping. Ctrl-C once more ends it unsaved.',
    );
    begun.stop();
  };
  const interrupts = onInterrupt(stop, () => begun.kill());
  const { state, error } = await begun.ended;
  const exported = await begun.exported.finally(() => interrupts.release());
  if (error) {
    if (isDivergence(error.code)) reporter.note(`Go on with: stillhouse train --resume ${run} --lr ${recipe.lr / 2}`);
    throw fromPlainError(error);
  }
  const { best, times } = story;
  const profile = recipe.profile ? readProfile(run) : null;
  const text = [closing(state, run, best), timesText(times), taughtText(story.taught), profile && opText(profile)]
    .filter(Boolean)
    .join('\n');
  // Programs that read the result know it as `spent`.
  reporter.result(text, {
    ...{ type: 'result', state, run, best, spent: times, taught: story.taught },
    ...(recipe.export && { exported }),
  });
  if (exported.some(isFailed)) return 1;
  return state === 'finished' ? 0 : timeUp ? TIME_UP : STOPPED;
}

export function resumeOf(parsed: Parsed, { outputDir }: Partial<Recipe>): string {
  if (textValue(parsed, 'resume') !== 'auto') return pathValue(parsed, 'resume') ?? '';
  if (outputDir) return 'auto';
  throw new StillhouseError('argument.invalid', {
    name: '--resume auto',
    expected: '--output-dir beside it',
    got: 'nothing',
  });
}

function introduction({ path, recipe, check, engine }: BegunRun, ranks: RunRequest['ranks']): string {
  const size = ranks ? ('nproc' in ranks ? ranks.nproc : ranks.size) : 1;
  const shared = size > 1 ? ` (${recipe.batchSize / size} on each of ${size} processes)` : '';
  const label = teacherLabel(recipe);
  const teacher = label && `, ${recipe.distillationType} distillation from ${label}`;
  return [
    `${recipe.model} (${millions(check)} million parameters)${teacher}`,
    `${check.classes} classes, ${check.stepsPerEpoch} steps of ${recipe.batchSize} images${shared} an epoch, ` +
      `${totalEpochs(recipe)} epochs, learning rate ${check.scaledLr.toPrecision(3)}, ` +
      `${bytes(check.checkpointBytes)} a checkpoint` +
      (check.disk ? `, ${bytes(check.disk.total)} of disk for ${check.disk.kept} and the one being written` : ''),
    describeDevice(engine),
    `Run folder: ${path}`,
  ].join('\n');
}

function millions({ parameters }: RecipeCheck): string {
  return (parameters / 1e6).toFixed(2);
}

function closing(state: RunState, run: string, best: EpochRow | null): string {
  const score = best ? `Best after epoch ${best.epoch + 1}: ${scoreText(best.test)}\n` : '';
  const again = state === 'stopped' ? `\nGo on with: stillhouse train --resume ${run}` : '';
  return `${score}${state === 'finished' ? 'Finished' : 'Stopped and saved'}: ${run}${again}`;
}
