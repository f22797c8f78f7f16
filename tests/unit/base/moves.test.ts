import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { move, moveNow, patiently, patientlySoon, remove, removeNow } from '../../../src-main/base/moves.ts';
import { temporaryFolder } from '../runs/state.ts';

/** Fails as Windows does while a file is in use, the first times. */
function busy(times: number, code: string) {
  let calls = 0;
  const work = () => {
    if (calls++ < times) throw Object.assign(new Error(code), { code });
    return 'done';
  };
  return { work, calls: () => calls };
}

/** Does not wait, and keeps for how long it was to. */
function pauses() {
  const waited: number[] = [];
  return { waited, now: (time: number) => void waited.push(time), soon: async (time: number) => waited.push(time) };
}

describe('a rename on Windows', () => {
  it.each(['EPERM', 'EACCES', 'EBUSY'])('is tried again after %s, a little later each time', async (code) => {
    const { waited, now, soon } = pauses();
    const [sync, later] = [busy(2, code), busy(2, code)];
    expect(patiently(sync.work, { platform: 'win32', pause: now })).toBe('done');
    expect(await patientlySoon(async () => later.work(), { platform: 'win32', pause: soon })).toBe('done');
    expect([sync.calls(), later.calls()]).toEqual([3, 3]);
    expect(waited).toEqual([10, 20, 10, 20]);
  });

  it('ends after two seconds with the error of the last attempt', async () => {
    const { waited, now, soon } = pauses();
    const denied = busy(Infinity, 'EPERM');
    expect(() => patiently(denied.work, { platform: 'win32', pause: now })).toThrow('EPERM');
    await expect(patientlySoon(async () => denied.work(), { platform: 'win32', pause: soon })).rejects.toThrow('EPERM');
    expect(denied.calls()).toBe(waited.length + 2);
    expect(waited.reduce((sum, time) => sum + time, 0)).toBe(4000);
  });

  it('is not tried again after any other error', async () => {
    const { waited, now, soon } = pauses();
    const gone = busy(Infinity, 'ENOENT');
    expect(() => patiently(gone.work, { platform: 'win32', pause: now })).toThrow('ENOENT');
    await expect(patientlySoon(async () => gone.work(), { platform: 'win32', pause: soon })).rejects.toThrow('ENOENT');
    expect([gone.calls(), waited]).toEqual([2, []]);
  });
});

it('is refused at once where files in use can be renamed', async () => {
  for (const platform of ['linux', 'darwin']) {
    const { waited, now, soon } = pauses();
    const denied = busy(Infinity, 'EACCES');
    expect(() => patiently(denied.work, { platform, pause: now })).toThrow('EACCES');
    await expect(patientlySoon(async () => denied.work(), { platform, pause: soon })).rejects.toThrow('EACCES');
    expect([denied.calls(), waited]).toEqual([2, []]);
  }
});

it('waits by itself, with and without giving way', async () => {
  expect(patiently(busy(1, 'EBUSY').work, { platform: 'win32' })).toBe('done');
  const soon = busy(1, 'EBUSY');
  expect(await patientlySoon(async () => soon.work(), { platform: 'win32' })).toBe('done');
});

it('moves over what is there and removes what may be missing', async () => {
  const folder = temporaryFolder();
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  const before = () => {
    writeFileSync(one, 'new');
    writeFileSync(two, 'old');
  };
  const moved = () => expect([existsSync(one), readFileSync(two, 'utf8')]).toEqual([false, 'new']);
  before();
  moveNow(one, two);
  moved();
  before();
  await move(one, two);
  moved();
  const deep = join(folder, 'deep');
  mkdirSync(join(deep, 'down'), { recursive: true });
  removeNow(deep);
  removeNow(deep);
  expect(existsSync(deep)).toBe(false);
  mkdirSync(join(deep, 'down'), { recursive: true });
  await remove(deep);
  await remove(deep);
  expect(existsSync(deep)).toBe(false);
});
