import { crc32 } from 'node:zlib';
import type { AnswerForm } from '../../answers/answer-block.ts';
import { AnswerStore } from '../../answers/answer-store.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import { answersFolder } from '../../runs/places.ts';
import type { DecisionStore, EvalBatch } from '../../train/evaluate.ts';
import type { Precision } from '../../trace/narrow.ts';
import { digestOfTeacher, storeId, validationKey } from './answer-key.ts';
import { differenceOf } from './check-kept.ts';
import { storeFacts } from './kept-answers.ts';
import type { Teacher } from './teacher.ts';

/** A teacher and the validation images on which it decides. */
interface Decided {
  recipe: Recipe;
  dataset: Dataset;
  teacher: Teacher;
  /** Of the products of a teacher's network, as `auto` was settled. */
  precision: Precision;
  onNote(note: StillhouseError): void;
}

/** A teacher's decisions on validation images: found by the number of a batch, where its pixels are the same. */
export class KeptDecisions implements DecisionStore {
  private constructor(
    private readonly store: AnswerStore,
    private readonly parts: Decided,
  ) {}

  /**
   * Opens what is kept of them, or begins to keep. The caller closes it.
   * @throws StillhouseError what keeps the teacher's files from being read.
   */
  static async open(parts: Decided): Promise<KeptDecisions> {
    const { recipe, dataset, teacher, onNote } = parts;
    const { batchSize, answersBudget } = recipe;
    const form: AnswerForm = { kind: 'decisions', classes: dataset.classes.length, type: 'float32', batchSize };
    const key = validationKey({ ...parts, form, digest: await digestOfTeacher(teacher.card) });
    const facts = { ...storeFacts(parts, form, key), of: 'validation' as const };
    const budget = answersBudget * 2 ** 30;
    return new KeptDecisions(AnswerStore.open({ root: answersFolder(), id: storeId(key), facts, form, budget, onNote }), parts); // prettier-ignore
  }

  /** Finds the decisions on a batch. The first one is not found: the teacher is asked again, and its answer compared. */
  find({ number = 0, images }: EvalBatch): Int32Array | null {
    return number === 0 ? null : (this.store.find(placeOf(number), crc32(images)) as Int32Array | null);
  }

  keep({ number = 0, images }: EvalBatch, decided: Int32Array, milliseconds: number): void {
    const print = crc32(images);
    const then = number === 0 ? (this.store.find(placeOf(0), print) as Int32Array | null) : null;
    const why = then && differenceOf([decided], [then], this.parts.precision);
    if (why) {
      this.parts.onNote(new StillhouseError('answers.differ', { path: this.store.path, reason: why }));
      this.store.drop();
    }
    if (!then || why) this.store.keep(placeOf(number), print, decided, milliseconds);
  }

  close(): void {
    this.store.close();
  }
}

/** Places validation images as if they were an epoch. */
function placeOf(batch: number) {
  return { epoch: 0, batch };
}
