import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  deleteCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  saveCheckpoint,
} from '../../../src-main/runs/checkpoint.ts';
import { STUDY_FORMATS } from '../../../src-main/protocol/study.ts';
import { openHistory, readHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { exportsFolder, openRun, runBytes, runFolders } from '../../../src-main/runs/run-folder.ts';
import { changeNotes, readNotes } from '../../../src-main/runs/run-notes.ts';
import {
  emptyCheckpoint,
  emptyRun,
  restoreCheckpoint,
  restoreRun,
  trashedCheckpoints,
  trashedRun,
  trashRun,
} from '../../../src-main/runs/trash.ts';
import { facts, newRun, stateOf, stepRow, temporaryFolder } from './state.ts';

const code = (name: string) => expect.objectContaining({ code: name }) as Error;
const entries = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort();

async function wholeRun(folder?: string): Promise<string> {
  const run = newRun(folder);
  await saveCheckpoint(run, facts(), stateOf(1));
  const history = openHistory(run);
  history.append([stepRow(1)]);
  history.close();
  changeNotes(run, { note: 'good' });
  mkdirSync(join(run, 'tensorboard'));
  writeFileSync(join(run, 'tensorboard/events.out.tfevents.1.x'), 'events');
  return run;
}

describe('a run in the trash', () => {
  it('is no run until it is restored, exactly as it was', async () => {
    const parent = temporaryFolder();
    const run = await wholeRun(join(parent, 'run'));
    const before = entries(run).map((name) => [name, runBytes(join(run, name))]);
    const opened = openRun(run);
    trashRun(run, 1000);
    expect(runFolders(parent)).toEqual([]);
    expect(() => openRun(run)).toThrow(code('run.missing'));
    expect(() => newRun(run)).toThrow(code('run.in-trash'));
    expect(trashedRun(run)).toEqual({ folder: run, time: 1000, bytes: runBytes(run), run: opened });
    restoreRun(run);
    expect(trashedRun(run)).toBeNull();
    expect(openRun(run)).toEqual(opened);
    expect(entries(run).map((name) => [name, runBytes(join(run, name))])).toEqual(before);
    expect(() => restoreRun(run)).toThrow(code('run.missing'));
  });

  it('goes for good with all that is its own', async () => {
    const run = await wholeRun();
    deleteCheckpoint(run, listCheckpoints(run)[0].file);
    expect(() => emptyRun(run)).toThrow(code('run.missing'));
    trashRun(run);
    const bytes = runBytes(run);
    expect(bytes).toBeGreaterThan(96_000);
    expect(emptyRun(run)).toBe(bytes);
    expect(existsSync(run)).toBe(false);
  });

  it("leaves a person's own files alone, there and when it goes", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'holiday'));
    const own = ['thesis.txt', 'holiday/photo.jpg', 'model.pth'];
    for (const name of own) writeFileSync(join(folder, name), 'mine');
    await wholeRun(folder);
    writeFileSync(join(folder, 'checkpoints/notes.md'), 'mine');
    trashRun(folder);
    emptyRun(folder);
    expect(entries(folder)).toEqual([...own, 'checkpoints', 'checkpoints/notes.md', 'holiday'].sort());
  });

  it('goes with every file that the head of run-folder.ts says a run may hold', async () => {
    const source = readFileSync(new URL('../../../src-main/runs/run-folder.ts', import.meta.url), 'utf8');
    const head = source.slice(source.indexOf('A run folder holds'), source.indexOf('*/'));
    const names = head.match(/\b[a-z-]+\.(json|jsonl|txt)\b/g)!.filter((name) => name !== 'run.json');
    expect(names).toEqual(expect.arrayContaining(['teacher.json', 'throughput.json']));
    const run = await wholeRun();
    for (const name of names) if (!existsSync(join(run, name))) writeFileSync(join(run, name), '{}');
    mkdirSync(exportsFolder(run), { recursive: true });
    for (const format of STUDY_FORMATS) writeFileSync(join(exportsFolder(run), `report.${format}`), '');
    trashRun(run);
    emptyRun(run);
    expect(existsSync(run)).toBe(false);
  });

  it('that was removed in part is still there to be removed', async () => {
    const run = await wholeRun();
    trashRun(run);
    rmSync(join(run, 'history.jsonl'));
    rmSync(join(run, 'checkpoints'), { recursive: true });
    expect(trashedRun(run)).not.toBeNull();
    emptyRun(run);
    expect(existsSync(run)).toBe(false);
  });

  it('is not made of one that trains, nor of what is no run; a damaged one may go', () => {
    const run = newRun();
    const lock = lockRun(run);
    expect(() => trashRun(run)).toThrow(code('run.locked'));
    lock.release();
    writeFileSync(join(run, 'run.json'), '{');
    trashRun(run);
    expect(trashedRun(run)).toMatchObject({ run: null });
    expect(() => trashRun(run)).toThrow(code('run.missing'));
    writeFileSync(join(run, 'run.json'), '{}');
    expect(() => restoreRun(run)).toThrow(code('run.exists'));
  });
});

describe('a checkpoint in the trash', () => {
  it('comes back whole and pinned, with its score', async () => {
    const run = newRun();
    const { file } = await saveCheckpoint(run, facts({ step: 10 }), stateOf(10));
    await saveCheckpoint(run, facts({ step: 20 }), stateOf(20));
    vi.useFakeTimers({ toFake: ['Date'] });
    const now = Date.now();
    deleteCheckpoint(run, file);
    vi.useRealTimers();
    expect(listCheckpoints(run).map(({ step }) => step)).toEqual([20]);
    const [trashed] = trashedCheckpoints(run);
    expect(trashed).toMatchObject({ file, name: `${trashed.time}-${file}` });
    expect(trashed.time).toBe(now);
    expect(restoreCheckpoint(run, trashed.name)).toBe(file);
    expect(listCheckpoints(run)).toMatchObject([
      { step: 10, pinned: true, last: false },
      { step: 20, pinned: false, last: true },
    ]);
    const { checkpoint } = await loadCheckpoint(run, file);
    expect(checkpoint.tensors.get('model.a')!.toFloat32()[0]).toBe(10);
    checkpoint.close();
    expect(trashedCheckpoints(run)).toEqual([]);
  });

  it('does not come between those of a run that trains, nor in the place of another', async () => {
    const run = newRun();
    const { file } = await saveCheckpoint(run, facts({ step: 10 }), stateOf(10));
    deleteCheckpoint(run, file);
    const [{ name, bytes }] = trashedCheckpoints(run);
    const lock = lockRun(run);
    expect(() => restoreCheckpoint(run, name)).toThrow(code('run.locked'));
    lock.release();
    await saveCheckpoint(run, facts({ step: 10 }), stateOf(11));
    expect(() => restoreCheckpoint(run, name)).toThrow(code('file.exists'));
    expect(emptyCheckpoint(run, name)).toBe(bytes);
    expect(listCheckpoints(run).map(({ step }) => step)).toEqual([10]);
  });

  it.each(['../run.json', '1-../../run.json', '', 'manifest.json', '1-manifest.json'])('is not %j', async (name) => {
    const run = await wholeRun();
    expect(() => restoreCheckpoint(run, name)).toThrow(code('file.missing'));
    expect(() => emptyCheckpoint(run, name)).toThrow(code('file.missing'));
  });
});

describe('notes', () => {
  it('are kept apart from the run, tidily', () => {
    const run = newRun();
    expect(readNotes(run)).toEqual({ pinned: false, tags: [], note: '', checkpoints: [] });
    changeNotes(run, { tags: [' a ', 'b', 'a', ''], pinned: true });
    changeNotes(run, { note: '猫' });
    expect(readNotes(run)).toEqual({ pinned: true, tags: ['a', 'b'], note: '猫', checkpoints: [] });
    expect(readHistory(run)).toEqual([]);
  });

  it.each(['{', 'null', '[]', '{"tags":"x","note":3,"pinned":1,"checkpoints":[1]}'])(
    'that are %j say nothing',
    (text) => {
      const run = newRun();
      writeFileSync(join(run, 'notes.json'), text);
      expect(readNotes(run)).toEqual({ pinned: false, tags: [], note: '', checkpoints: [] });
      expect(readFileSync(join(run, 'notes.json'), 'utf8')).toBe(text);
    },
  );
});
