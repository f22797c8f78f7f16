import { crc32 } from 'node:zlib';
import { AnswerStore, type Place } from '../../answers/answer-store.ts';
import { timeOf, type StoreFacts } from '../../answers/answer-stores.ts';
import type { AnswerForm } from '../../answers/answer-block.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { Model } from '../../model/model.ts';
import type { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { teacherLabel } from '../../runs/teacher-kind.ts';
import { answerKind } from '../../train/losses.ts';
import { drawValues } from '../../train/mix.ts';
import type { StepBatch, TeacherAnswers } from '../../train/step-types.ts';
import type { DrawnBatch } from '../../train/teacher.ts';
import { answerKey, digestOfTeacher, storeId } from './answer-key.ts';
import type { Teacher } from './teacher.ts';

/** The training whose teacher's answers are kept. */
export interface TaughtTraining {
  recipe: Recipe;
  dataset: Dataset;
  student: Model;
  teacher: Teacher;
  /** Of the products of a teacher's network, as `auto` was settled. */
  precision: string;
  /** Steps by which the training is ahead of its place in the data. */
  ahead: number;
}

/** Where the answers of a training are kept, and in which form. */
interface AnswerPlace {
  id: string;
  form: AnswerForm;
  facts: StoreFacts;
}

/** Returns the form in which the answers of a recipe are kept. */
export function answerForm(recipe: Recipe, classes: number): AnswerForm {
  const { answersType: type, batchSize } = recipe;
  return { kind: answerKind(recipe), classes, type, batchSize };
}

/**
 * Finds the place of a training's answers from everything that they depend on.
 * @throws StillhouseError what keeps the teacher's files from being read.
 */
export async function answerPlace(training: TaughtTraining): Promise<AnswerPlace> {
  const { recipe, student, teacher } = training;
  const form = answerForm(recipe, student.classes);
  const key = answerKey({ ...training, form, digest: await digestOfTeacher(teacher.card) });
  return { id: storeId(key), form, facts: storeFacts(training, form, key) };
}

/** Says what a new store is of. */
export function storeFacts(
  { recipe, dataset }: Pick<TaughtTraining, 'recipe' | 'dataset'>,
  { kind }: AnswerForm,
  key: unknown,
): StoreFacts {
  return { teacher: teacherLabel(recipe), dataPath: dataset.path, created: Date.now(), kind, key };
}

interface KeptOptions {
  root: string;
  place: AnswerPlace;
  batch: DrawnBatch;
  onNote(note: StillhouseError): void;
  /** As that of `AnswerStore`. */
  write?: (path: string, bytes: Uint8Array) => void;
}

/** The kept answers of a training: found by the place of a batch, where its images are those that they are for. */
export class KeptAnswers {
  readonly store: AnswerStore;
  private readonly prints = new WeakMap<StepBatch, { step: number; print: number }>();
  /** Milliseconds that the teacher takes for a batch, as far as it was asked; null before that. */
  private perBatch: number | null;

  constructor(private readonly options: KeptOptions) {
    const { root, place, batch, onNote, write } = options;
    const budget = batch.recipe.answersBudget * 2 ** 30;
    this.store = AnswerStore.open({ root, ...place, budget, onNote, ...(write && { write }) });
    const { milliseconds, batches } = timeOf(this.store.path);
    this.perBatch = batches > 0 ? milliseconds / batches : null;
  }

  /** Names the place: it follows from everything that the answers depend on. */
  get id(): string {
    return this.options.place.id;
  }

  /** Returns the answers to a batch; null where they are not kept, or the images are others. */
  find(place: Place, asked: StepBatch, step: number): TeacherAnswers | null {
    return this.store.find(place, this.printOf(asked, step));
  }

  /** Keeps what the teacher answered. */
  keep(place: Place, asked: StepBatch, step: number, given: { answers: TeacherAnswers; milliseconds: number }): void {
    this.perBatch = this.perBatch === null ? given.milliseconds : 0.9 * this.perBatch + 0.1 * given.milliseconds;
    this.store.keep(place, this.printOf(asked, step), given.answers, given.milliseconds);
  }

  /** The milliseconds of a batch that were saved, and whether its answers were kept, in percent. */
  facts(found: boolean): { kept: number; saved: number } {
    return { kept: found ? 100 : 0, saved: found ? (this.perBatch ?? 0) : 0 };
  }

  /** What the teacher takes for a batch was measured. */
  measured(milliseconds: number): void {
    this.perBatch = milliseconds;
  }

  /** Digests what a teacher is shown: the images, and what was drawn for them. */
  private printOf(asked: StepBatch, step: number): number {
    const known = this.prints.get(asked);
    if (known?.step === step) return known.print;
    const { recipe, batchSize } = this.options.batch;
    const draws = Object.entries(drawValues(recipe, asked, batchSize, step));
    const print = draws.sort().reduce((sum, [, values]) => crc32(bytesOf(values), sum), crc32(asked.images));
    this.prints.set(asked, { step, print });
    return print;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
