import * as v from 'valibot';
import { StillhouseError } from './errors.ts';
import { runState } from './events.ts';
import { reason } from './reasons.ts';
import { parseRecipe } from './recipe.ts';
import { givenRecipe } from './recipe-data.ts';
import { keptThroughput } from './throughput.ts';
import { flag, number, numbers, oneOf, plainError, text, whatIsWrong } from './shapes.ts';

/**
 * A study: one recipe, variants that differ from it, and seeds. Accuracies and shares are in percent, differences in
 * percentage points.
 */

const name = v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(120));
const MOST_VARIANTS = 200;
const MOST_STAGES = 4;
const MOST_SEEDS = 100;
/** Most trainings of one study. */
const MOST_CELLS = 5000;

/** Lists what a study measures besides the scores of its runs. */
export const STUDY_MEASURES = ['throughput'] as const;

/** Settings that a study gives to each of its runs itself. */
const OWN_KEYS = ['seed', 'outputDir'];

const variant = v.strictObject({ name, changes: givenRecipe });
export type Variant = v.InferOutput<typeof variant>;

const shape = v.strictObject({
  name,
  /** The template that it was made by; '' for one of the person's own. */
  template: v.optional(v.string(), ''),
  /** Settings of every run. */
  base: givenRecipe,
  /** The first is the control, with which the others are compared. */
  variants: v.pipe(v.array(variant), v.minLength(1), v.maxLength(MOST_VARIANTS)),
  /** Trainings that follow each variant, from the last checkpoint of the one before: fine-tuning. */
  then: v.optional(v.pipe(v.array(variant), v.maxLength(MOST_STAGES)), []),
  seeds: v.pipe(
    v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 31 - 1))),
    v.minLength(1),
    v.maxLength(MOST_SEEDS),
  ),
  /** What is measured of each variant besides its scores. */
  measure: v.optional(v.pipe(v.array(oneOf(STUDY_MEASURES)), v.maxLength(STUDY_MEASURES.length)), []),
});

/** Holds the content of a study's file. */
export type StudySpec = v.InferOutput<typeof shape>;
export const studySpec: v.GenericSchema<unknown, StudySpec> = shape;

/**
 * Checks a study that came from a person or a file.
 * @throws StillhouseError `argument.invalid`, `recipe.unknown-key`, `recipe.invalid`
 */
export function parseStudy(given: unknown): StudySpec {
  const read = v.safeParse(shape, given);
  if (!read.success) throw new StillhouseError('argument.invalid', whatIsWrong(read.issues[0], 'study'));
  const spec = read.output;
  for (const { changes, name } of [...spec.variants, ...spec.then, { changes: spec.base, name: 'base' }]) {
    const own = OWN_KEYS.find((key) => key in changes);
    if (own) throw invalid(`${name}.${own}`, 'value.study-own', own);
    parseRecipe({ ...spec.base, ...changes });
  }
  oneEach('variants', spec.variants.map(({ name }) => name)); // prettier-ignore
  oneEach('then', spec.then.map(({ name }) => name)); // prettier-ignore
  oneEach('seeds', spec.seeds.map(String));
  oneEach('measure', spec.measure);
  if (spec.then.some(({ changes }) => 'finetune' in changes))
    throw invalid('then.finetune', 'value.study-own', 'finetune');
  const cells = spec.variants.length * (1 + spec.then.length) * spec.seeds.length;
  if (cells > MOST_CELLS) throw new StillhouseError('study.too-many', { count: cells, most: MOST_CELLS });
  return spec;
}

function oneEach(name: string, values: readonly string[]): void {
  const twice = values.find((value, at) => values.indexOf(value) !== at);
  if (twice !== undefined) throw invalid(name, 'value.once-each', twice);
}

function invalid(name: string, code: 'value.study-own' | 'value.once-each', got: string): StillhouseError {
  return new StillhouseError('argument.invalid', { name, expected: reason(code), got });
}

const keptRun = v.object({
  /** Settings that it was begun with, without the weights of a former stage. */
  recipe: givenRecipe,
  /** The run whose last checkpoint it started from; null of a variant's own training. */
  parent: v.nullable(text),
  run: text,
});
/** A run that was begun for a study. */
export type KeptRun = v.InferOutput<typeof keptRun>;

const keptStudy = v.object({
  id: text,
  /** Milliseconds since 1970. */
  created: number,
  spec: shape,
  /** Every run that was begun for it, also for variants that it has no more. */
  runs: v.array(keptRun),
});
/** A study as it is kept. */
export type Study = v.InferOutput<typeof keptStudy>;

/** Parses a study that was kept; null for anything else. */
export function parseKeptStudy(given: unknown): Study | null {
  const read = v.safeParse(keptStudy, given);
  return read.success ? read.output : null;
}

/** One training of a study. */
export const studyCell = v.object({
  variant: text,
  /** The training that follows the variant's own; '' for that itself. */
  stage: text,
  seed: number,
  /** Its run; null before it has begun. */
  run: v.nullable(text),
  state: v.nullable(runState),
  error: v.nullable(plainError),
  /** From 0 to 1. */
  share: number,
  /** Of the last epoch; null before there is one. */
  acc1: v.nullable(number),
  /** Whether its last checkpoint's answers are kept, image by image. */
  evaluated: flag,
});
export type StudyCell = v.InferOutput<typeof studyCell>;

/** Says how far a study is. */
export const studyReport = v.object({
  id: text,
  /** Its file. */
  path: text,
  created: number,
  spec: shape,
  state: oneOf(['new', 'waiting', 'running', 'stopped', 'failed', 'done']),
  cells: v.array(studyCell),
  /** Why the queue does not go on with it. */
  error: v.nullable(plainError),
  /** The job that walks through it or evaluates for it. */
  job: v.nullable(text),
});
export type StudyReport = v.InferOutput<typeof studyReport>;

/** The cost of what is still to be trained. */
export const studyCost = v.object({
  /** Trainings in all, and those that are finished. */
  trainings: number,
  finished: number,
  /** Seconds of those that are timed, without those that kept answers save; how many are not timed. */
  seconds: number,
  shared: number,
  untimed: number,
  /** Bytes of the checkpoints, and what the disk has free; null where nothing is to be written. */
  disk: number,
  free: v.nullable(number),
});
export type StudyCost = v.InferOutput<typeof studyCost>;

/** Mean over seeds with its sample std; null of fewer than two. */
const spread = v.object({ mean: number, std: v.nullable(number), values: numbers });
export type Spread = v.InferOutput<typeof spread>;

/** A variant against the control, paired by seed. */
const comparison = v.object({
  /** Differences by seed, and the 95 % interval of their mean by Student's t; null of fewer than two. */
  difference: spread,
  interval: v.nullable(v.object({ from: number, to: number })),
  /** McNemar's exact test of each seed on the same images; missing for seeds without kept answers. */
  mcnemar: v.array(v.object({ seed: number, gained: number, lost: number, p: number })),
});
export type Comparison = v.InferOutput<typeof comparison>;

/** One line of a study's table. */
const studyRow = v.object({
  variant: text,
  stage: text,
  /** Seeds that are finished, of all. */
  finished: number,
  seeds: number,
  /** Runs that failed or were stopped. */
  broken: number,
  parameters: v.nullable(number),
  /** Acc@1 after the last epoch: what decides, and each head; null where no run has it. */
  test: v.nullable(spread),
  classHead: v.nullable(spread),
  distillationHead: v.nullable(spread),
  average: v.nullable(spread),
  /** Share of images on which it decides as its teacher. */
  agreement: v.nullable(spread),
  /** Mean cosine of class and distillation token over images and seeds: at first, after each block, after the last norm. */
  tokenCosine: v.nullable(numbers),
  /** Images a second, of studies that measure it; null before. */
  throughput: v.nullable(keptThroughput),
  /** Seconds of a run, training and evaluation. */
  seconds: v.nullable(spread),
  /** Acc@1 of each seed of the study, null where it has not finished. */
  bySeed: v.array(v.nullable(number)),
  versus: v.nullable(comparison),
});
export type StudyRow = v.InferOutput<typeof studyRow>;

/** Who decides differently from whom: percent of images, mean over seeds. */
const disagreement = v.object({ names: v.array(text), percent: v.array(v.array(v.nullable(number))) });
export type Disagreement = v.InferOutput<typeof disagreement>;

/** The tables of a study, of what is finished. */
export const studyTables = v.object({
  report: studyReport,
  rows: v.array(studyRow),
  /** Null where fewer than two deciders have kept answers on the same images. */
  disagreement: v.nullable(disagreement),
  /** Validation images. */
  images: v.nullable(number),
  machine: text,
});
export type StudyTables = v.InferOutput<typeof studyTables>;

/** Kinds of studies: those of the paper by its tables, and two free ones. `src-main/service/studies/templates.ts` makes each. */
export const STUDY_TEMPLATES = [
  'which-teacher',
  'which-distillation',
  'agreement',
  'tokens',
  'speed',
  'transfer',
  'ablation',
  'how-long',
  'grid',
  'learning-rate',
] as const;
export type StudyTemplate = (typeof STUDY_TEMPLATES)[number];

const paths = v.pipe(v.array(v.pipe(v.string(), v.maxLength(4096))), v.maxLength(MOST_VARIANTS));

/** Holds what a template is filled with. */
export const studyRequest = v.strictObject({
  /** Settings of every run: data, network, length, teacher. */
  base: givenRecipe,
  /** How many seeds, from 0 on. 3 where it is left out. */
  seeds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_SEEDS))),
  /** Teachers as NETWORK=FILE or FILE. */
  teachers: v.optional(paths),
  /** Data folders to transfer to. */
  data: v.optional(paths),
  /** Networks to compare. */
  models: v.optional(paths),
  /** Lengths in epochs. */
  epochs: v.optional(v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(1))), v.maxLength(MOST_VARIANTS))),
  /** Settings of a grid, each with its values. */
  grid: v.optional(
    v.record(v.pipe(v.string(), v.maxLength(64)), v.array(v.union([v.string(), v.number(), v.boolean()]))),
  ),
  /** Input size of a fine-tuning that follows each; none where it is left out. */
  finetuneSize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(16), v.maxValue(1024))),
  finetuneEpochs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000))),
});
export type StudyRequest = v.InferOutput<typeof studyRequest>;

/** Formats of a report. */
export const STUDY_FORMATS = ['html', 'md', 'csv', 'tex'] as const;
export type StudyFormat = (typeof STUDY_FORMATS)[number];

/** Asks for a report: an HTML file has both languages; of `folder` and `output` the second counts. */
export const reportRequest = v.object({
  format: v.picklist(STUDY_FORMATS),
  language: v.optional(v.picklist(['en', 'zh'])),
  /** Where to write it, under a name of its own. */
  folder: v.optional(text),
  /** The file to write. */
  output: v.optional(text),
});
export type ReportRequest = v.InferOutput<typeof reportRequest>;
