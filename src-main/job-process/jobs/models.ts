import type { Model } from '../../model/model.ts';
import { createModel } from '../../model/zoo.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { CardValues } from '../../protocol/teacher-card.ts';
import { planTeacher, type Teacher } from '../teacher/teacher.ts';

interface Models {
  student: Model;
  teacher: Teacher | null;
}

/** Makes student and teacher of a recipe. @throws StillhouseError `teacher.*`, `weights.*`, `argument.invalid`. */
export async function createModels(recipe: Recipe, classes: readonly string[], kept?: CardValues): Promise<Models> {
  const { model, inputSize, dropPath, drop, deit3Style, recompute, distillationType, teacherPath } = recipe;
  const student = createModel(model, { classes: classes.length, inputSize, dropPath, drop, deit3Style, recompute });
  if (distillationType === 'none') return { student, teacher: null };
  if (!teacherPath) throw new StillhouseError('teacher.missing');
  return { student, teacher: await planTeacher(recipe, classes, { kept }) };
}
