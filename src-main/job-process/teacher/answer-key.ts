import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hashFile } from '../../base/files.ts';
import type { Dataset } from '../../data/layout/folder.ts';
import type { AnswerForm } from '../../answers/answer-block.ts';
import type { Model } from '../../model/model.ts';
import { ANSWERS_BY } from '../../protocol/answers-by.ts';
import { erases, type Recipe, type RecipeKey } from '../../protocol/recipe.ts';
import type { TeacherCard } from '../../protocol/teacher-card.ts';
import { openWeights } from '../../weights/open-weights.ts';
import type { Teacher } from './teacher.ts';

/**
 * Everything that a teacher's answers to the batches of a training depend on, as one key. The answers to two trainings
 * with the same key are the same, wherever their files lie.
 */

/** Raise it with every change of how images are drawn, made or shown to a teacher. */
const FORMAT = 1;

/** The facts of a training that its key is made of. */
export interface KeyParts {
  recipe: Recipe;
  dataset: Dataset;
  student: Model;
  teacher: Teacher;
  form: AnswerForm;
  /** Of the products of a teacher's network, as `auto` was settled. */
  precision: string;
  /** Steps by which the training is ahead of its place in the data: one that went on with another batch size. */
  ahead: number;
  /** Of {@link digestOfTeacher}. */
  digest: string;
}

/** Lists what the answers of a training depend on, as plain data. */
export function answerKey({ recipe, dataset, student, form, ahead, ...asked }: KeyParts): unknown {
  const values = (Object.keys(ANSWERS_BY) as RecipeKey[]).filter((key) => ANSWERS_BY[key] === 'value').sort();
  return {
    format: FORMAT,
    form,
    images: listingDigest(dataset.classes, dataset.train),
    settings: Object.fromEntries(values.map((key) => [key, recipe[key]])),
    erased: erases(recipe) ? { mean: student.mean, std: student.std, ahead } : null,
    teacher: teacherKey(asked),
  };
}

/** Lists what a teacher's decisions on validation images depend on, as plain data. */
export function validationKey({ dataset, form, ...asked }: Omit<KeyParts, 'recipe' | 'student' | 'ahead'>): unknown {
  const { cropRatio } = asked.teacher.card;
  const validation = { images: listingDigest(dataset.classes, dataset.val), cropRatio };
  return { format: FORMAT, form, validation, teacher: teacherKey(asked) };
}

function teacherKey({ teacher, precision, digest }: Pick<KeyParts, 'teacher' | 'precision' | 'digest'>) {
  const { card, columns, network } = teacher;
  const { inputSize, layout, mean, std, interpolation, output, inputName, outputName, signature, entry } = card;
  return {
    ...{ digest, kind: card.kind, network: network ? network.name : null, precision: network ? precision : null },
    ...{ inputSize, layout, mean, std, interpolation, output, inputName, outputName, signature, entry, columns },
  };
}

/** Names the store of a key. */
export function storeId(key: unknown): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
}

/** Digests which images there are, in which order and with which classes; not where they lie. */
function listingDigest(classes: readonly string[], images: Dataset['train']): string {
  const hash = createHash('sha256').update(JSON.stringify(classes));
  for (const { file, label } of images) hash.update(`\n${label} ${file}`);
  return hash.digest('hex');
}

/**
 * Digests the files of a teacher: of an ONNX file itself, of a SavedModel all of the folder, of weights every file that
 * holds arrays.
 * @throws StillhouseError what keeps them from being read.
 */
export async function digestOfTeacher({ kind, path, entry }: TeacherCard): Promise<string> {
  const hash = createHash('sha256');
  for (const file of filesOf(kind, path, entry)) hash.update(await hashFile(file, () => undefined));
  return hash.digest('hex');
}

function filesOf(kind: TeacherCard['kind'], path: string, entry: string): string[] {
  if (kind === 'onnx') return [path];
  if (kind === 'savedmodel') return readdirSync(path, { recursive: true, withFileTypes: true }).filter((item) => item.isFile()).map(({ parentPath, name }) => join(parentPath, name)).sort(); // prettier-ignore
  const { files, close } = openWeights(path, { ...(entry && { entry }) });
  close();
  return files.map((file) => file.path);
}
