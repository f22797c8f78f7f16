import { basename } from 'node:path';
import type { DistilCost, DistilOffer, DistilPlan, DistilReport, DistilRequest } from '../../protocol/distillation.ts';
import { toPlainError } from '../../protocol/errors.ts';
import type { ServiceEvent } from '../../protocol/events.ts';
import { defaultRecipe, totalEpochs, type Recipe } from '../../protocol/recipe.ts';
import type { Command, Shell } from './command.ts';
import { withService, type LocalService } from './local-service.ts';
import { integerValue, recipeOptions, recipeValues, type Option, type Parsed } from './options.ts';
import { bytes, duration } from './progress.ts';
import { PRETRAINED } from './published.ts';
import { STOPPED } from './train.ts';

/** Settings that count for the teacher's training as well as for the student's. */
const SHARED = ['device', 'numWorkers', 'dataReading', 'seed'] as const;

const OPTIONS: readonly Option[] = [
  { flag: 'new-teacher', value: null, help: 'Make a teacher even where one knows the classes.', excludes: ['teacher-path'] }, // prettier-ignore
  { flag: 'teacher-epochs', value: 'N', help: "Epochs of the teacher's training. Default 30." },
  { flag: 'teacher-input-size', value: 'N', help: "Input size of the teacher's training. Default 224." },
  { flag: 'offer', value: null, help: 'Only say what would be done, and what it costs in time and on the disk.' },
];

export const distil: Command = {
  name: 'distill',
  also: 'distil',
  summary: 'From a folder of images to a distilled student: with a teacher that is there, or one made for it.',
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions()
      .filter(({ flag }) => flag !== 'output-dir')
      .map((option) => ({ ...option, required: option.flag === 'data-path' })),
    PRETRAINED,
    ...OPTIONS,
  ],
  run: (parsed, shell) => withService(shell, (desk) => distilled(requestOf(parsed), parsed, shell, desk)),
};

function requestOf(parsed: Parsed): DistilRequest {
  const { dataPath = '', teacherPath, teacherModel, ...student } = recipeValues(parsed);
  const settings: Partial<Recipe> = Object.fromEntries(SHARED.filter((key) => key in student).map((key) => [key, student[key]])); // prettier-ignore
  const epochs = integerValue(parsed, 'teacher-epochs', 1, 100_000);
  const inputSize = integerValue(parsed, 'teacher-input-size', 1, 4096);
  const teacher = { ...settings, ...(epochs && { epochs }), ...(inputSize && { inputSize }) };
  return {
    dataPath,
    ...(teacherPath && { teacherPath }),
    ...(teacherModel && { teacherModel }),
    ...(parsed.values.get('new-teacher') === true && { newTeacher: true }),
    ...(Object.keys(teacher).length > 0 && { teacher }),
    ...(Object.keys(student).length > 0 && { student }),
  };
}

/** Milliseconds between two readings of the plans, each of which reads their files, while a run reports its steps. */
const LOOK_INTERVAL = 1000;

async function distilled(asked: DistilRequest, parsed: Parsed, shell: Shell, desk: LocalService): Promise<number> {
  const { reporter } = shell;
  const { calls, job } = desk;
  const offer = await timed(asked, shell, desk);
  if (parsed.values.get('offer') === true) {
    reporter.result(offerText(offer), { type: 'offer', ...offer });
    return 0;
  }
  reporter.note(offerText(offer));
  desk.onEvent(progressShown(shell, desk));
  try {
    const run = String(await job(calls['distil.walk'](asked)));
    const { summary } = await calls['run.detail']({ run });
    const text = `Best Acc@1 ${summary.bestAcc1?.toFixed(3) ?? '–'}\nFinished: ${summary.path}`;
    reporter.result(text, { type: 'result', state: 'finished', run: summary.path, bestAcc1: summary.bestAcc1 });
    return 0;
  } catch (error) {
    const stopped = toPlainError(error).code === 'job.cancelled';
    reporter.note(`${stopped ? 'Stopped and saved. ' : ''}Go on with the same command: nothing is done twice.`);
    if (!stopped) throw error;
    return STOPPED;
  }
}

/** The offer, with times that are measured where nothing tells them. */
async function timed(asked: DistilRequest, { reporter }: Shell, { calls, job }: LocalService): Promise<DistilOffer> {
  const offer = await calls['distil.offer'](asked);
  const { teacherSeconds, studentSeconds } = offer.cost;
  if (offer.begun || (teacherSeconds !== null && studentSeconds !== null)) return offer;
  reporter.note('Timing a few steps …');
  await job(calls['distil.measure'](asked));
  return calls['distil.offer'](asked);
}

function offerText({ plan, cost, begun }: DistilOffer): string {
  return [
    ...(begun ? [`Goes on with what was begun ${new Date(plan.created).toISOString().slice(0, 16).replace('T', ' ')}.`] : []), // prettier-ignore
    teacherText(plan),
    `Student: ${nameOf(plan.student.recipe)}, ${plan.classes} classes of ${plan.dataPath}`,
    costText(cost),
  ].join('\n');
}

function teacherText({ teacher, classes }: DistilPlan): string {
  const { origin, model, path, run, acc1, dataPath, recipe, start } = teacher;
  if (origin === 'chosen') return `Teacher: ${path}, as chosen`;
  if (origin === 'published')
    return `Teacher: ${model} with its published weights, which know the ${classes} classes of ImageNet`;
  if (origin === 'run')
    return `Teacher: ${model} of the run ${run}, which knows all ${classes} classes (Acc@1 ${acc1?.toFixed(1) ?? '–'} on ${dataPath}). --new-teacher makes another one.`;
  const from = {
    published: 'its ImageNet weights, with a new head',
    own: String(recipe?.finetune),
    random: `RANDOM WEIGHTS, since none of ${model} are published`,
  };
  return `Teacher: ${nameOf(recipe ?? {})}, made for this folder: no trained one knows its classes. It starts from ${from[start]}.`;
}

function nameOf(given: Partial<Recipe> | Record<string, unknown>): string {
  const recipe = { ...defaultRecipe(), ...given };
  return `${recipe.model}, ${totalEpochs(recipe)} epochs at ${recipe.inputSize} pixels`;
}

function costText({ download, disk, free, teacherSeconds, studentSeconds }: DistilCost): string {
  const time = (seconds: number | null): string => (seconds === null ? 'not known' : duration(seconds));
  return [
    ...(download > 0 ? [`Download: ${bytes(download)}`] : []),
    `Disk: ${bytes(disk)} of checkpoints, ${bytes(free)} free`,
    `Time: ${teacherSeconds === 0 ? '' : `teacher ${time(teacherSeconds)}, `}student ${time(studentSeconds)}`,
  ].join('\n');
}

/** Shows one progress for the whole, now and then, and what epochs and notes say, always. */
function progressShown({ reporter }: Shell, { calls }: LocalService): (event: ServiceEvent) => void {
  let looked = 0;
  return (event) => {
    if (event.event === 'job' && event.progress.kind === 'weights' && event.progress.state === 'running') {
      const { done, total, unit, rate } = event.progress;
      if (total > 0) reporter.progress('weights', done, total, unit, rate);
    }
    if (event.event !== 'run') return;
    const said = event.rows.filter(({ type }) => type === 'epoch' || type === 'note');
    if (said.length === 0 && Date.now() - looked < LOOK_INTERVAL) return;
    looked = Date.now();
    const show = (reports: readonly DistilReport[]): void => {
      const report = reports.find(({ plan }) => [plan.teacher.run, plan.student.run].includes(event.run));
      if (!report) return;
      const { plan, step, share, secondsLeft } = report;
      // The plan may be at its student when the last rows of its teacher come.
      const { recipe } = plan.teacher.run === event.run ? plan.teacher : plan.student;
      if (said.length > 0) reporter.rows(said, { ...defaultRecipe(), ...recipe });
      const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`;
      if (step) reporter.progress(`${step} of ${basename(plan.dataPath)}${left}`, Math.floor(100 * share), 100);
    };
    void calls['distil.list']({}).then(show, (error: unknown) => reporter.note(toPlainError(error).message));
  };
}
