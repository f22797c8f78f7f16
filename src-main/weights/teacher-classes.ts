import { naturalOrder } from '../base/name-order.ts';
import { StillhouseError, toPlainError, type PlainError } from '../protocol/errors.ts';
import type { TeacherCard } from '../protocol/teacher-card.ts';

/** How many missing names an error lists. */
const SHOWN = 5;

/**
 * Finds the output of a teacher for each class of the data: by name where its card names them, which also picks the
 * needed ones of a teacher that knows more; otherwise both must have as many classes, in the same order.
 * @returns null when they are the same.
 * @throws StillhouseError `teacher.lacks-classes`, `teacher.classes`
 */
export function classColumns(
  { name: teacher, classes: names, outputs }: Pick<TeacherCard, 'name' | 'classes' | 'outputs'>,
  classes: readonly string[],
): number[] | null {
  if (!names) {
    if (outputs === null || outputs === classes.length) return null;
    throw new StillhouseError('teacher.classes', { teacher, teacherClasses: outputs, dataClasses: classes.length });
  }
  const places = new Map(names.map((name, place) => [name, place]));
  const missing = classes.filter((name) => !places.has(name));
  if (missing.length > 0) {
    const more = missing.length > SHOWN ? ', …' : '';
    const list = missing.slice(0, SHOWN).join(', ') + more;
    const counts = { count: missing.length, dataClasses: classes.length };
    throw new StillhouseError('teacher.lacks-classes', { teacher, missing: list, ...counts });
  }
  const columns = classes.map((name) => places.get(name)!);
  const same = columns.length === names.length && columns.every((place, label) => place === label);
  return same ? null : columns;
}

/** Says which order is assumed for a teacher that names no classes; [] for one that does. */
export function orderNotes({ name: teacher, classes: names }: TeacherCard, classes: readonly string[]): PlainError[] {
  if (names || classes.length === 0) return [];
  const list = firstOf(classes.map((name, place) => `${place + 1} ${name}`));
  const taken = new StillhouseError('teacher.taken-order', { teacher, count: classes.length, classes: list });
  const natural = naturalOrder(classes);
  const orders = natural && { teacher, order: firstOf(classes), natural: firstOf(natural) };
  const other = orders ? [new StillhouseError('teacher.class-order', orders)] : [];
  return [taken, ...other].map(toPlainError);
}

function firstOf(names: readonly string[]): string {
  return [...names.slice(0, SHOWN), ...(names.length > SHOWN ? ['…'] : [])].join(', ');
}
