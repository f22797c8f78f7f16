import * as v from 'valibot';
import { givenRecipe } from './recipe-data.ts';
import { number, oneOf, plainError, text } from './shapes.ts';

/** A distillation from a folder alone: weights are fetched, a teacher is made of them, and a student learns from it. */

/** The steps, in order; a teacher that is there already leaves the first two out. */
export const DISTIL_STEPS = ['weights', 'teacher', 'student'] as const;
export type DistilStep = (typeof DISTIL_STEPS)[number];

const percent = v.nullable(number);
const path = v.pipe(v.string(), v.maxLength(4096));

/** The request of a person. */
export const distilRequest = v.strictObject({
  dataPath: path,
  /** Weights of a teacher, where one is chosen. */
  teacherPath: v.optional(path),
  /** The teacher's network. */
  teacherModel: v.optional(v.pipe(v.string(), v.maxLength(128))),
  /** Makes a teacher even where one is found. */
  newTeacher: v.optional(v.boolean()),
  /** Settings of the teacher's training, and of the student's, that differ from what is taken. */
  teacher: v.optional(givenRecipe),
  student: v.optional(givenRecipe),
});
export type DistilRequest = v.InferOutput<typeof distilRequest>;

const plannedTeacher = v.object({
  /** Chosen by the person, a run of theirs, ImageNet weights that know the very classes, or to be made. */
  origin: oneOf(['chosen', 'run', 'published', 'made']),
  model: text,
  /** Its weights; null while there are none. */
  path: v.nullable(text),
  /** The run that trained it, or trains it for this. */
  run: v.nullable(text),
  /** Of that run. */
  acc1: percent,
  dataPath: v.nullable(text),
  /** Settings it is trained with; null of one that is there. */
  recipe: v.nullable(givenRecipe),
  /** Where its training starts: weights that are published, a file of the settings, or random numbers. */
  start: oneOf(['published', 'own', 'random']),
});
export type PlannedTeacher = v.InferOutput<typeof plannedTeacher>;

/** The plan and its progress: a file beside the runs, from which any start of Stillhouse goes on. */
export const distilPlan = v.object({
  id: text,
  /** Milliseconds since 1970. */
  created: number,
  asked: distilRequest,
  dataPath: text,
  classes: number,
  teacher: plannedTeacher,
  /** Its run; null before it has begun. */
  student: v.object({ recipe: givenRecipe, run: v.nullable(text) }),
});
export type DistilPlan = v.InferOutput<typeof distilPlan>;

/** Parses a plan that was kept; null for anything else. */
export function parsePlan(given: unknown): DistilPlan | null {
  const read = v.safeParse(distilPlan, given);
  return read.success ? read.output : null;
}

const distilCost = v.object({
  /** Bytes still to be fetched. */
  download: number,
  /** Bytes of the checkpoints of both, and what the disk has free. */
  disk: number,
  free: number,
  /** Seconds of each training on this machine; null while nothing tells. The teacher's are 0 where one is there. */
  teacherSeconds: v.nullable(number),
  studentSeconds: v.nullable(number),
});
export type DistilCost = v.InferOutput<typeof distilCost>;

/** A plan before it is begun. One that was begun and is asked for again is that one: `begun`. */
export const distilOffer = v.object({ plan: distilPlan, cost: distilCost, begun: v.boolean() });
export type DistilOffer = v.InferOutput<typeof distilOffer>;

/** Says how far a plan is. */
export const distilReport = v.object({
  plan: distilPlan,
  state: oneOf(['waiting', 'running', 'stopped', 'failed', 'done']),
  /** The step that runs or comes next; null when all are done. */
  step: v.nullable(oneOf(DISTIL_STEPS)),
  /** Of the whole, from 0 to 1. */
  share: number,
  /** null while nothing tells. */
  secondsLeft: v.nullable(number),
  /** Why it does not go on. */
  error: v.nullable(plainError),
  /** The run that trains for it now. */
  training: v.nullable(text),
  /** The job that fetches for it now. */
  job: v.nullable(text),
});
export type DistilReport = v.InferOutput<typeof distilReport>;
