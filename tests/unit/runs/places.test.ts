import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import {
  cacheFolder,
  engineFolder,
  homeFolder,
  runsFolder,
  sampleFolder,
  weightsFolder,
} from '../../../src-main/runs/places.ts';

const NAMES = ['STILLHOUSE_CACHE', 'STILLHOUSE_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME', 'LOCALAPPDATA'];
const before = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]));

function environment(values: Record<string, string>): void {
  for (const name of NAMES) {
    if (values[name] === undefined) delete process.env[name];
    else process.env[name] = values[name];
  }
}

afterEach(() =>
  environment(
    Object.fromEntries(Object.entries(before).filter((item): item is [string, string] => item[1] !== undefined)),
  ),
);

it('are in the home folder when nothing is set, empty or relative', () => {
  for (const values of [{}, { STILLHOUSE_CACHE: '', XDG_CACHE_HOME: 'relative', XDG_DATA_HOME: '' }]) {
    environment(values as Record<string, string>);
    expect(cacheFolder()).toBe(join(homedir(), '.cache/stillhouse'));
    expect(homeFolder()).toBe(join(homedir(), '.local/share/stillhouse'));
  }
});

it("follow the desktop's folders, and our own before them", () => {
  environment({ XDG_CACHE_HOME: '/x/cache', XDG_DATA_HOME: '/x/data' });
  expect([cacheFolder(), homeFolder()]).toEqual(['/x/cache/stillhouse', '/x/data/stillhouse']);
  environment({ XDG_CACHE_HOME: '/x/cache', STILLHOUSE_CACHE: '/c', STILLHOUSE_HOME: '/h' });
  expect([cacheFolder(), homeFolder()]).toEqual(['/c', '/h']);
  expect([runsFolder(), engineFolder(), weightsFolder(), sampleFolder()]).toEqual([
    '/h/runs',
    '/c/engine/cpu-2.21.0',
    '/c/weights',
    '/c/sample',
  ]);
});

it('are where other programs of the system keep theirs', () => {
  environment({ LOCALAPPDATA: '/x/Local' });
  expect([cacheFolder('win32'), homeFolder('win32')]).toEqual([
    '/x/Local/stillhouse/cache',
    '/x/Local/stillhouse/home',
  ]);
  environment({});
  expect(homeFolder('win32')).toBe(join(homedir(), 'AppData/Local/stillhouse/home'));
  expect(cacheFolder('darwin')).toBe(join(homedir(), 'Library/Caches/stillhouse'));
  expect(homeFolder('darwin')).toBe(join(homedir(), 'Library/Application Support/stillhouse'));
  environment({ STILLHOUSE_CACHE: '/c', XDG_DATA_HOME: '/x/data', LOCALAPPDATA: '/x/Local' });
  for (const system of ['win32', 'darwin', 'linux'])
    expect([cacheFolder(system), homeFolder(system)]).toEqual(['/c', '/x/data/stillhouse']);
});
