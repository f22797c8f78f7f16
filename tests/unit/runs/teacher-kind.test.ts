import { expect, it } from 'vitest';
import { defaultRecipe } from '../../../src-main/protocol/recipe.ts';
import { teacherKind, teacherLabel } from '../../../src-main/runs/teacher-kind.ts';
import { teacherFixture } from '../../helpers/teachers.ts';

it.each([
  ['', 'timm', 'regnety_160'],
  ['weights.pth', 'timm', 'regnety_160'],
  ['anywhere/Net.ONNX', 'onnx', 'Net.ONNX'],
  [teacherFixture('plain-saved'), 'savedmodel', 'plain-saved'],
  [teacherFixture(''), 'timm', 'regnety_160'],
])('the teacher %j is of the kind %s', (teacherPath, kind, label) => {
  expect(teacherKind(teacherPath)).toBe(kind);
  expect(teacherLabel({ ...defaultRecipe(), distillationType: 'hard', teacherPath })).toBe(label);
  expect(teacherLabel({ ...defaultRecipe(), teacherPath })).toBe('');
});
