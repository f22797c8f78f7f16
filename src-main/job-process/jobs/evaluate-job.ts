import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { summarise, type Dataset } from '../../data/layout/folder.ts';
import { readRealLabels } from '../../data/layout/label-files.ts';
import { createLoader, type LoaderRecipe } from '../../data/batches/loader.ts';
import type { SkippedImage } from '../../data/batches/image-cache.ts';
import type { Model } from '../../model/model.ts';
import { createModel } from '../../model/zoo.ts';
import type { Answering, EvaluationFacts, EvaluationReport } from '../../protocol/evaluation.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { writeEvaluation } from '../../runs/evaluation-file.ts';
import { teacherLabel } from '../../runs/teacher-kind.ts';
import type { Engine } from '../../engines/engine.ts';
import { openEngine } from '../accelerator/open-engine.ts';
import type { State } from '../../engines/engine.ts';
import { answersFor, AnswerRecorder, type Answered, type Answers } from '../../train/answers.ts';
import type { Evaluation } from '../../train/evaluate.ts';
import { headReport, orNull, type RightLabels } from '../../train/report.ts';
import { PREFIX } from '../../train/variables.ts';
import { folderData, validationData, type EvaluationData, type ModelClasses } from '../evaluation/evaluation-data.ts';
import { reportOf } from '../../jobs/evaluation-report.ts';
import { TokenMeter } from '../evaluation/token-meter.ts';
import { createEvaluator } from '../evaluation/evaluator.ts';
import type { JobContext } from '../job-context.ts';
import { evaluationRecipe } from '../images/loader-recipe.ts';
import { decodeWorkers } from '../images/decode-workers.ts';
import { openTeacher, planTeacher, teacherLoader, type OpenTeacher } from '../teacher/teacher.ts';
import { copyParams } from '../training/train-state.ts';
import type { EvaluateJob, JobResults } from '../../jobs/job-protocol.ts';
import { readClassNames } from '../../weights/class-names.ts';
import { chooseNetwork, type ChosenNetwork } from '../../weights/network.ts';
import { headClasses, requireClasses, withWeights, type Weights } from '../../weights/weights.ts';
import type { PlainError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';

/**
 * Scores weights on the validation images of a data set, or on a folder, and keeps every image's answers in the folder
 * that the job names.
 * @throws StillhouseError `data.*`, `evaluation.*`, `weights.*`, `teacher.*`, `engine.load`, `recipe.*`, `disk.*`.
 */
export async function runEvaluateJob(job: EvaluateJob, context: JobContext): Promise<JobResults['evaluate']> {
  const started = performance.now();
  const stage = (stage: string): void => context.tell({ tell: 'progress', stage, done: 0, total: 0 });
  const asked = await askedOf(job);
  const { recipe } = asked;
  stage('data');
  const data = await (job.folder
    ? folderData(job.folder, asked.classes, job.classIndex ?? '')
    : validationData(recipe, asked.classes));
  const notes = [...asked.notes, ...data.notes, ...data.dataset.notes];
  const real = job.realLabels ? await realOf(job.realLabels, data.dataset) : null;
  stage('engine');
  const engine = await openEngine(job);
  const state = engine.newState();
  try {
    stage('weights');
    const found = await scored(job, { ...asked, data, engine, state, notes }, context);
    if (!found) return null;
    const { scores, answered, skipped, tokenCosine } = found;
    const { dataset } = data;
    const facts = factsOf(job, { ...asked, data, scores, answered, skipped, tokenCosine, real, started, notes });
    if (job.keep) await writeEvaluation(job.keep.folder, facts, { ...answered, classes: dataset.classes });
    const report: EvaluationReport = reportOf(facts, { ...answered, classes: dataset.classes }, 'test');
    return { scores, report, model: recipe.model, images: facts.count, skipped, dataset: summarise(dataset) };
  } finally {
    state.dispose();
  }
}

/** The request, over the facts that the file states, over those of the network; the file to read, and its classes. */
interface Asked {
  path: string;
  recipe: Recipe;
  prepared: ChosenNetwork['prepared'];
  classes: ModelClasses;
  notes: PlainError[];
}

function askedOf(job: EvaluateJob): Promise<Asked> {
  const given = job.classNames ? readClassNames(job.classNames) : null;
  const ask = (file: Weights): Asked => {
    const { recipe, prepared, notes } = chooseNetwork(file, job.settings);
    const named = given ?? file.classes;
    const names = named && requireClasses(file, named);
    const count = names?.length ?? headClasses(file);
    const told = file.settings.model === undefined ? reason('match.told', { source: file.classSource }) : undefined;
    const source = given ? reason('match.given') : told;
    return { path: file.path, recipe, prepared, notes, classes: { path: file.path, count, names, source } };
  };
  return withWeights(job.weights, ask, job);
}

function realOf(path: string, { val, classes }: Dataset): Promise<RightLabels> {
  return readRealLabels(
    path,
    val.map(({ file }) => file),
    classes,
  );
}

interface Scored {
  scores: Evaluation;
  answered: Answered;
  skipped: SkippedImage[];
  tokenCosine: number[] | undefined;
}

/** Runs student and teacher over all images; null when stopped. */
async function scored(
  job: EvaluateJob,
  { path, recipe, prepared, data: { dataset, folders }, engine, state, notes }: Asked & { data: EvaluationData; engine: Engine; state: State }, // prettier-ignore
  context: JobContext,
): Promise<Scored | null> {
  const { classes } = dataset;
  const student = {
    ...(await loadStudent(job, { state, recipe, path, classes })),
    mean: prepared.mean,
    std: prepared.std,
  };
  const plan = hasTeacher(recipe) ? await planTeacher(recipe, classes, { folders }) : null;
  notes.push(...(plan?.card.notes ?? []));
  const opened = plan && (await openTeacher(plan, { engine, state, classes }));
  try {
    // A loader wants a whole batch to train on, whatever it is asked for.
    const batchSize = Math.min(recipe.batchSize, Math.max(dataset.train.length, 1));
    const skipped: SkippedImage[] = [];
    const newWorkers = (recipe: LoaderRecipe) => decodeWorkers(job.engine, engine, recipe);
    const looks = { ...evaluationRecipe(recipe), evalInterpolation: prepared.interpolation, batchSize };
    const loader = createLoader({
      dataset,
      recipe: looks,
      workers: newWorkers(looks),
      noiseRows: 0,
      onSkip: (image) => skipped.push(image),
    });
    const recorders = newRecorders(student, opened);
    const tokens = job.tokens && student.distilled ? new TokenMeter(student, state) : null;
    const evaluate = await createEvaluator({
      engine,
      state,
      student,
      frozen: true,
      teacher: opened && { opened, loader: teacherLoader(opened, { dataset, recipe, newWorkers, batchSize }) },
      batchSize,
      heads: recipe.evalHeads,
      loader,
      context,
      record: {
        onAnswers: (answers, batch) => {
          tokens?.add(batch);
          for (const [head, recorder] of recorders.student) {
            const logits = answers[head];
            if (logits) recorder.add(logits, batch);
          }
        },
      },
      recordTeacher: { onAnswers: (logits, batch) => recorders.teacher?.add(logits, batch) },
    });
    state.trim(() => true);
    const scores = await evaluate(context.stop);
    return scores && { scores, skipped, answered: joined(recorders), tokenCosine: tokens?.means() };
  } finally {
    await opened?.close();
  }
}

interface Recorders {
  student: Map<'test' | 'class' | 'distillation', AnswerRecorder>;
  teacher: AnswerRecorder | null;
}

function newRecorders({ classes, distilled }: Model, teacher: OpenTeacher | null): Recorders {
  const heads = distilled ? (['test', 'class', 'distillation'] as const) : (['test'] as const);
  return {
    student: new Map(heads.map((head) => [head, new AnswerRecorder(classes)])),
    teacher: teacher && new AnswerRecorder(classes),
  };
}

function joined({ student, teacher }: Recorders): Answered {
  const { files, labels, kept } = student.get('test')!;
  const heads = new Map<string, Answers>([...student].map(([head, recorder]) => [head, recorder.answers()]));
  if (teacher) heads.set('teacher', answersFor(files, teacher));
  return { files, labels: Int32Array.from(labels), kept, heads };
}

function loadStudent(
  wish: EvaluateJob,
  { state, recipe, path, classes }: { state: State; recipe: Recipe; path: string; classes: readonly string[] },
): Promise<Model> {
  const student = createModel(recipe.model, { classes: classes.length, inputSize: recipe.inputSize });
  return withWeights(
    path,
    (weights) => {
      copyParams(state, PREFIX.model, student, { ...weights, path });
      return student;
    },
    wish,
  );
}

// The teacher of a finished run may be long gone; without it there is no agreement to tell.
function hasTeacher({ distillationType, teacherPath }: Recipe): boolean {
  return distillationType !== 'none' && teacherPath !== '' && existsSync(teacherPath);
}

function factsOf(
  job: EvaluateJob,
  { path, recipe, data, scores, answered, skipped, tokenCosine, real, started, notes }: Asked & Scored & { data: EvaluationData; real: RightLabels | null; started: number }, // prettier-ignore
): EvaluationFacts {
  const classes = data.dataset.classes.length;
  const time = Date.now();
  const heads = [...answered.heads.keys()] as Answering[];
  return {
    id: newId(time),
    time,
    weights: path,
    run: job.keep?.run ?? null,
    checkpoint: job.keep?.checkpoint ?? null,
    average: job.average ?? false,
    model: recipe.model,
    inputSize: recipe.inputSize,
    cropRatio: recipe.evalCropRatio,
    evalHeads: recipe.evalHeads,
    data: data.dataset.path,
    images: data.images,
    count: answered.files.length,
    skipped: skipped.length,
    teacher: answered.heads.has('teacher') ? teacherLabel(recipe) : null,
    notes,
    loss: orNull(scores.test.loss),
    seconds: (performance.now() - started) / 1000,
    heads: heads.map((head) => headReport(answered, head, { classes, real })),
    ...(tokenCosine && { tokenCosine }),
  };
}

function newId(time: number): string {
  const stamp = new Date(time).toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${stamp}-${randomBytes(3).toString('hex')}`;
}
