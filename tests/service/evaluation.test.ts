import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodePng } from '../../src-main/data/decode/png.ts';
import type { Client } from '../../src-main/protocol/rpc.ts';
import type { CallParams } from '../../src-main/protocol/service.ts';
import { sharesOf } from '../../src-renderer/components/evaluate/attention-shares.ts';
import { jobHere } from '../helpers/jobs-here.ts';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { openFront, ownPlaces, tinyRecipe, type Front, type Heard } from '../helpers/workstation.ts';

const places = ownPlaces();
const data = makeTinyData(join(places.root, 'data'));
let front: Front;
let client: Client;
let heard: Heard;
let run: string;
let path: string;

beforeAll(async () => {
  front = openFront(places, { spawnJob: jobHere });
  ({ client, heard } = front);
  ({ run } = await client.call('run.start', { recipe: tinyRecipe(data, { epochs: 1, modelEma: true }) }));
  await heard.until('the end', () => heard.rows(run).find((row) => row.type === 'state' && row.state === 'finished'));
  ({ path } = (await client.call('run.detail', { run })).summary);
});

afterAll(async () => {
  await front.close();
  rmSync(places.root, { recursive: true, force: true });
});

async function evaluated(asked: CallParams<'evaluation.start'>): Promise<string> {
  const { job } = await client.call('evaluation.start', asked);
  const { result, error } = await heard.ended(job);
  expect(error).toBeNull();
  return String(result);
}

test('a checkpoint is evaluated, and its answers are read again from the run', async () => {
  const id = await evaluated({ run });
  expect(existsSync(join(path, 'evaluations', `${id}.json`))).toBe(true);
  const [facts] = await client.call('evaluation.list', {});
  const epoch = heard.rows(run).find((row) => row.type === 'epoch')!;
  expect(facts).toMatchObject({ id, run, count: 18, images: 'val', average: false, loss: epoch.test.loss });
  expect(facts.heads.map(({ head }) => head)).toEqual(['test', 'class', 'distillation']);
  expect(facts.heads[0].acc1).toBeCloseTo(epoch.test.acc1, 9);
  const report = await client.call('evaluation.report', { id, head: 'class' });
  expect(report.classes.map(({ name, count }) => [name, count])).toEqual([['amber', 6], ['blue', 6], ['clay', 6]]); // prettier-ignore
  const cells = report.confusion.filter((_, at) => at % 3 === 2);
  expect(cells.reduce((sum, count) => sum + count, 0)).toBe(18);
  const all = { id, head: 'test', choice: 'all', offset: 0, limit: 5 } as const;
  const page = await client.call('evaluation.images', all);
  expect(page.total).toBe(18);
  const losses = page.images.map(({ loss }) => loss!);
  expect(losses).toEqual([...losses].sort((a, b) => b - a));
  expect(front.workstation.imageFile(page.images[0].id)?.path).toBe(join(data, page.images[0].file));
  const wrong = await client.call('evaluation.images', { ...all, choice: 'wrong' });
  expect(wrong.total).toBe(18 - Math.round((facts.heads[0].acc1 * 18) / 100));
  expect((await client.call('evaluation.images', { ...all, choice: 'disagree' })).total).toBe(0);
  const { images } = await client.call('evaluation.images', { ...all, limit: 18 });
  const apart = images.filter(({ answers: [, one, other] }) => one.top[0].label !== other.top[0].label);
  const differing = await client.call('evaluation.images', { ...all, choice: 'heads', limit: 18 });
  expect(differing.images.map(({ file }) => file)).toEqual(apart.map(({ file }) => file));
});

test('the moving average is another evaluation, and both can be deleted', async () => {
  const id = await evaluated({ run, average: true });
  const [facts] = await client.call('evaluation.list', {});
  expect(facts).toMatchObject({ id, average: true });
  const row = heard.rows(run).find((row) => row.type === 'epoch')!;
  expect(facts.heads[0].acc1).toBeCloseTo(row.testEma!.acc1, 9);
  await client.call('evaluation.delete', { id });
  expect((await client.call('evaluation.list', {})).map((one) => one.id)).not.toContain(id);
  await expect(client.call('evaluation.report', { id, head: 'test' })).rejects.toMatchObject({
    code: 'evaluation.missing',
  });
});

test('folders named by number are the classes of that number, as in ImageNet-V2', async () => {
  const folder = join(places.root, 'numbered');
  ['amber', 'blue', 'clay'].forEach((name, number) =>
    cpSync(join(data, 'val', name), join(folder, String(number)), { recursive: true }),
  );
  const id = await evaluated({ run, folder });
  const [own] = (await client.call('evaluation.list', {})).filter(({ images }) => images === 'val');
  const report = await client.call('evaluation.report', { id, head: 'test' });
  expect(report.facts).toMatchObject({ images: 'folder', count: 18 });
  expect(report.facts.heads[0].acc1).toBe(own.heads[0].acc1);
  // Counted from the other end, every answer that was right is wrong.
  const classIndex = join(places.root, 'index.json');
  writeFileSync(classIndex, JSON.stringify({ 0: ['clay', 'c'], 1: ['amber', 'a'], 2: ['blue', 'b'] }));
  const turned = await evaluated({ run, folder, classIndex });
  expect((await client.call('evaluation.report', { id: turned, head: 'test' })).classes[2].count).toBe(6);
  const stray = join(folder, 'stray');
  mkdirSync(stray);
  cpSync(join(data, 'val', 'amber', 'amber-0.png'), join(stray, 'one.png'));
  const { job } = await client.call('evaluation.start', { run, folder });
  expect((await heard.ended(job)).error).toMatchObject({ code: 'evaluation.classes' });
});

test('an image is tried on the newest checkpoint as an evaluation sees it', async () => {
  const file = readFileSync(join(data, 'val', 'blue', 'blue-0.png'));
  const half = Math.ceil(file.length / 6) * 3;
  await client.call('photo.add', { photo: 'one', offset: 0, data: file.subarray(0, half).toString('base64') });
  const { bytes } = await client.call('photo.add', { photo: 'one', offset: half, data: file.subarray(half).toString('base64') }); // prettier-ignore
  expect(bytes).toBe(file.length);
  const answer = await client.call('photo.answer', { photo: 'one', run });
  const [{ id }] = (await client.call('evaluation.list', {})).filter(({ images }) => images === 'val');
  const asked = { id, head: 'test', choice: 'all', label: 1, offset: 0, limit: 6 } as const;
  const kept = (await client.call('evaluation.images', asked)).images.find(({ file }) => file.endsWith('blue-0.png'))!; // prettier-ignore
  expect(answer.heads.map(({ head }) => head)).toEqual(['test', 'class', 'distillation']);
  answer.heads.forEach(({ top }, at) => {
    expect(top.map(({ label }) => label)).toEqual(kept.answers[at].top.map(({ label }) => label));
    top.forEach(({ probability }, place) =>
      expect(probability).toBeCloseTo(kept.answers[at].top[place].probability, 5),
    );
  });
  expect(answer.seen).toMatch(/^data:image\/jpeg;base64,/);
  const attention = answer.attention!;
  const { side, blocks, heads } = attention;
  expect({ side, blocks, heads }).toEqual({ side: 2, blocks: 2, heads: 2 });
  for (const token of ['class', 'distillation'] as const) {
    const shares = sharesOf(attention, token, 0, 0);
    expect(shares).toHaveLength(side * side);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
    const each = [1, 2].map((head) => sharesOf(attention, token, 2, head));
    expect(Math.max(...each.flat())).toBe(65535);
    expect(sharesOf(attention, token, 2, 0)).toEqual(each[0].map((share, patch) => share + each[1][patch]));
  }
  const again = await client.call('photo.answer', { photo: 'one', run });
  expect(again.heads).toEqual(answer.heads);
});

test('what is no image, too large or gone is refused by name', async () => {
  await client.call('photo.add', { photo: 'text', offset: 0, data: Buffer.from('no image').toString('base64') });
  const ask = (photo: string) => client.call('photo.answer', { photo, run });
  await expect(ask('text')).rejects.toMatchObject({ code: 'photo.unreadable' });
  await expect(ask('never')).rejects.toMatchObject({ code: 'photo.gone' });
  const gap = client.call('photo.add', { photo: 'text', offset: 99, data: '' });
  await expect(gap).rejects.toMatchObject({ code: 'photo.gone' });
  const piece = Buffer.alloc(512 * 1024).toString('base64');
  for (let at = 0; at < 40; at++)
    await client.call('photo.add', { photo: 'large', offset: at * 512 * 1024, data: piece });
  const more = client.call('photo.add', { photo: 'large', offset: 20 * 2 ** 20, data: 'AAAA' });
  await expect(more).rejects.toMatchObject({ code: 'photo.too-large' });
  // A process that refused one image answers the next.
  const png = encodePng({ width: 40, height: 30, data: new Uint8Array(40 * 30 * 3) });
  await client.call('photo.add', { photo: 'black', offset: 0, data: Buffer.from(png).toString('base64') });
  expect((await ask('black')).heads[0].top).toHaveLength(3);
  expect(statSync(path).isDirectory()).toBe(true);
});
