import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { planTeacher } from '../../../src-main/job-process/teacher/teacher.ts';
import { changeTeacherCard, readTeacherCard } from '../../../src-main/weights/teacher-card.ts';
import { orderNotes } from '../../../src-main/weights/teacher-classes.ts';

const MODEL = 'vit_tiny_patch16_224';
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-card-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What timm saved with a moving average beside the weights; its arguments say `vit_tiny_patch16_224`. */
function timmTeacher(name: string): string {
  const path = join(folder, name);
  copyFileSync(fileURLToPath(new URL('../../fixtures/formats/timm-ema.pth', import.meta.url)), path);
  return path;
}

it('a teacher of several state dicts says which is taken, until its card says so', async () => {
  const path = timmTeacher('several.pth');
  const usual = await readTeacherCard(path, MODEL);
  expect(usual).toMatchObject({ entry: '', cropRatio: 0.9, from: { entry: 'default', cropRatio: 'file' } });
  expect(usual.notes.map(({ code }) => code)).toEqual(['weights.entry-taken']);
  const card = await changeTeacherCard(path, MODEL, { entry: 'state_dict_ema' }, []);
  expect(card).toMatchObject({ entry: 'state_dict_ema', notes: [], from: { entry: 'card' } });
  await expect(changeTeacherCard(path, MODEL, { entry: 'ema' }, [])).rejects.toMatchObject({ code: 'weights.entry' });
  expect(await readTeacherCard(path, MODEL)).toEqual(card);
});

it('a teacher without names is taken in the order of the folders, which is said, with timm’s where that differs', async () => {
  const card = await readTeacherCard(timmTeacher('nameless.pth'), MODEL);
  const [taken, other] = orderNotes(card, ['1', '10', '2']);
  expect(taken).toMatchObject({ code: 'teacher.taken-order', params: { classes: '1 1, 2 10, 3 2' } });
  expect(other).toMatchObject({ code: 'teacher.class-order', params: { order: '1, 10, 2', natural: '1, 2, 10' } });
  expect(orderNotes(card, ['a', 'b', 'c'])).toHaveLength(1);
  expect(orderNotes({ ...card, classes: ['1', '10', '2'] }, ['1', '10', '2'])).toEqual([]);
});

it('a teacher without names knows the folders, though the student has them in another order', async () => {
  const path = timmTeacher('order.pth');
  const folders = ['1', '10', '2'];
  const asked = { teacherModel: MODEL, teacherPath: path };
  expect((await planTeacher(asked, ['1', '2', '10'], { folders })).columns).toEqual([0, 2, 1]);
  expect((await planTeacher(asked, folders, { folders })).columns).toBeNull();
});
