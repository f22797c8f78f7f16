import type { RecipeCheck } from '../../protocol/data-types.ts';
import type { EpochRow } from '../../protocol/events.ts';
import { StillhouseError, isDivergence } from '../../protocol/errors.ts';
import { SpentMeter } from '../../protocol/spent.ts';
import { PRESETS } from '../../protocol/presets.ts';
import { totalEpochs, type Recipe } from '../../protocol/recipe.ts';
import { runsFolder } from '../../runs/places.ts';
import { teacherLabel } from '../../runs/teacher-kind.ts';
import { prepareTraining, type PreparedTraining } from '../../service/runs/train-request.ts';
import { SilenceWatch } from '../../jobs/process-watchdog.ts';
import { spawnJob } from '../../jobs/job-process.ts';
import { readProfile } from '../../runs/profile-file.ts';
import type { Command, Shell } from './command.ts';
import { withService } from './local-service.ts';
import {
  integerValue,
  pathValue,
  recipeOptions,
  recipeValues,
  textValue,
  type Option,
  type Parsed,
} from './options.ts';
import { opText, spentText } from './profile.ts';
import { bytes, scoreText } from './progress.ts';
import { chooseEngine, describeDevice } from './engine.ts';
import { deitNotes, deitOptions } from './deit-options.ts';
import { evaluateAsDeit } from './evaluate.ts';
import { PRETRAINED } from './published.ts';
import { describeTeacher, TEACHER_OPTIONS } from './teachers.ts';
import { CLASSES } from './weights.ts';
import { RECIPE, recipeFile } from './recipe-file.ts';

const RESUME: Option = {
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
const STOPPED = 130;
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
    ...deitOptions(['resume', 'eval']),
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

/** The settings of a command line: those of its preset, of its file over them, and of its flags over both. */
function givenValues(parsed: Parsed, { reporter }: Shell): Partial<Recipe> {
  const file = recipeFile(parsed);
  for (const note of [...deitNotes(parsed), ...file.notes]) reporter.note(note);
  return { ...presetValues(parsed), ...file.values, ...recipeValues(parsed) };
}

/** What a teacher is unless the person says otherwise: the one whose ImageNet weights can be fetched. */
const TEACHER = 'tf_efficientnet_lite0';

export const teacher: Command = {
  name: 'teacher',
  summary: 'Train a teacher on your data, from ImageNet weights where they can be fetched.',
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions().filter(({ flag }) => !/^(teacher|distillation)/.test(flag)),
    RESUME,
    presetOption('teacher', 'Settings to start from; flags change them. Default full-teacher.'),
    THREADS,
  ],
  run: async (parsed, shell) => {
    const preset = presetValues(parsed, 'full-teacher');
    const typed = recipeValues(parsed);
    const given: Partial<Recipe> = { ...preset, model: TEACHER, ...typed, distillationType: 'none' };
    const resumed = parsed.values.has('resume');
    const finetune = given.finetune ?? (resumed ? '' : await fetchedWeights(given.model ?? TEACHER, shell));
    return trainRun(parsed, shell, resumed ? { ...presetValues(parsed), ...typed } : { ...given, finetune });
  },
};

export function presetValues(parsed: Parsed, fallback?: string): Partial<Recipe> {
  const id = textValue(parsed, 'preset') ?? fallback;
  return PRESETS.find((preset) => preset.id === id)?.values ?? {};
}

/** Path of a model's ImageNet weights, '' where there are none to fetch. */
function fetchedWeights(model: string, shell: Shell): Promise<string> {
  return withService(shell, async ({ calls, job }) => {
    const card = (await calls['models.list']({})).find(({ name }) => name === model);
    if (!card?.fetchable) return '';
    return String(await job(calls['weights.fetch']({ model })));
  });
}

/** @returns the exit code. */
async function trainRun(parsed: Parsed, shell: Shell, given: Partial<Recipe>): Promise<number> {
  const threads = integerValue(parsed, 'threads', 1, 1024);
  const prepared = await prepareTraining({ given, resume: resumeOf(parsed) }, runsFolder(), chooseEngine);
  shell.reporter.note(introduction(prepared));
  for (const { message } of prepared.check.warnings) shell.reporter.note(message);
  const best = { row: null as EpochRow | null };
  const meter = new SpentMeter();
  const { run, recipe, resume, engine } = prepared;
  const trainer = spawnJob(
    { kind: 'train', engine: engine.engine, gpu: engine.gpu, note: engine.note, threads, run, recipe, resume },
    {
      onEvent: (event) => {
        watch.hear();
        if (event.tell === 'progress') shell.reporter.progress(event.stage, event.done, event.total, 'files');
        if (event.tell !== 'rows') return;
        shell.reporter.rows(event.rows, recipe);
        for (const row of event.rows) {
          meter.add(row);
          if (row.type === 'epoch' && row.test.acc1 > (best.row?.test.acc1 ?? -1)) best.row = row;
        }
      },
    },
  );
  const watch = new SilenceWatch({
    minutes: recipe.stallMinutes,
    onSilent: ({ message }) => shell.reporter.note(message),
    onStalled: (error) => trainer.kill(error),
  });
  const stop = (): void => {
    shell.reporter.note('Saving and stopping. Once more ends it without saving.');
    trainer.stop();
  };
  const interrupts = shell.onInterrupt(stop, () => trainer.kill());
  try {
    const { state } = await trainer.done;
    const { spent } = meter;
    const profile = recipe.profile ? readProfile(run) : null;
    const text = [closing(state, run, best.row), spentText(spent), profile && opText(profile)]
      .filter(Boolean)
      .join('\n');
    shell.reporter.result(text, { type: 'result', state, run, best: best.row, spent });
    return state === 'finished' ? 0 : STOPPED;
  } catch (error) {
    if (error instanceof StillhouseError && isDivergence(error.code))
      shell.reporter.note(`Go on with: stillhouse train --resume ${run} --lr ${recipe.lr / 2}`);
    throw error;
  } finally {
    watch.end();
    interrupts.release();
  }
}

function resumeOf(parsed: Parsed): string {
  const typed = textValue(parsed, 'resume') ?? '';
  return typed === 'auto' ? typed : (pathValue(parsed, 'resume') ?? '');
}

function introduction({ run, recipe, check, engine }: PreparedTraining): string {
  const label = teacherLabel(recipe);
  const teacher = label && `, ${recipe.distillationType} distillation from ${label}`;
  return [
    `${recipe.model} (${millions(check)} million parameters)${teacher}`,
    `${check.classes} classes, ${check.stepsPerEpoch} steps of ${recipe.batchSize} images an epoch, ` +
      `${totalEpochs(recipe)} epochs, learning rate ${check.scaledLr.toPrecision(3)}, ` +
      `${bytes(check.checkpointBytes)} a checkpoint` +
      (check.disk ? `, ${bytes(check.disk.total)} of disk for ${check.disk.kept} and the one being written` : ''),
    describeDevice(engine),
    `Run folder: ${run}`,
  ].join('\n');
}

function millions({ parameters }: RecipeCheck): string {
  return (parameters / 1e6).toFixed(2);
}

function closing(state: 'finished' | 'stopped', run: string, best: EpochRow | null): string {
  const score = best ? `Best after epoch ${best.epoch + 1}: ${scoreText(best.test)}\n` : '';
  const again = state === 'stopped' ? `\nGo on with: stillhouse train --resume ${run}` : '';
  return `${score}${state === 'finished' ? 'Finished' : 'Stopped and saved'}: ${run}${again}`;
}
