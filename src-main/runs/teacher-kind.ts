import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Recipe } from '../protocol/recipe.ts';
import type { TeacherKind } from '../protocol/teacher-card.ts';

/**
 * Tells what a teacher's path holds: an ONNX file by its ending, a SavedModel by the content of the folder, else
 * weights.
 */
export function teacherKind(path: string): TeacherKind {
  if (/\.onnx$/i.test(path)) return 'onnx';
  return path !== '' && existsSync(join(path, 'saved_model.pb')) ? 'savedmodel' : 'timm';
}

/** Names the teacher of a recipe: a network's timm name, or the name of its file; '' without a teacher. */
export function teacherLabel({ distillationType, teacherModel, teacherPath }: Recipe): string {
  if (distillationType === 'none') return '';
  return teacherKind(teacherPath) === 'timm' ? teacherModel : basename(teacherPath);
}
