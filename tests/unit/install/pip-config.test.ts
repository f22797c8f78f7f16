import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseConfig, readPipConfig } from '../../../src-main/install/pip-config.ts';

let home: string;

beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'stillhouse-pip-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(path: string, ...lines: string[]): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, lines.join('\n'));
  return file;
}

const read = (env: NodeJS.ProcessEnv = {}, platform: NodeJS.Platform = 'linux') => {
  const own = { XDG_CONFIG_DIRS: join(home, 'machine'), PROGRAMDATA: join(home, 'machine'), ...env };
  return readPipConfig({ env: own, platform, home, root: join(home, 'machine') });
};

it('reads what Python writes', () => {
  const text =
    '[global]\n# a word\nindex_url: https://a/simple\nextra-index-url =\n    https://b/simple\n    https://c\n\n[Download]\n--proxy=http://p';
  expect(Object.fromEntries(parseConfig(text))).toEqual({
    'global.index-url': 'https://a/simple',
    'global.extra-index-url': 'https://b/simple\nhttps://c',
    'download.proxy': 'http://p',
  });
});

it('lets the person go before the machine, a named file before both, a variable before all', () => {
  write('machine/pip/pip.conf', '[global]', 'index-url = https://machine', 'cert = /machine.pem', 'no-index = true');
  expect(read()).toMatchObject({ index: 'https://machine', cert: '/machine.pem', noIndex: true });
  write('.config/pip/pip.conf', '[global]', 'index-url = https://person', 'extra-index-url = https://x https://y');
  expect(read()).toMatchObject({ index: 'https://person', extraIndexes: ['https://x', 'https://y'] });
  const named = write('named.conf', '[global]', 'index-url = https://named');
  expect(read({ PIP_CONFIG_FILE: named }).index).toBe('https://named');
  expect(read({ PIP_CONFIG_FILE: named, PIP_INDEX_URL: 'https://variable', PIP_NO_INDEX: '0' })).toMatchObject({
    index: 'https://variable',
    noIndex: false,
  });
  expect(read({ PIP_CONFIG_FILE: '/dev/null' })).toMatchObject({ index: null, cert: null });
});

it('takes the words for downloading before those for all commands, from whatever file', () => {
  write('machine/pip/pip.conf', '[download]', 'index-url = https://downloads');
  write('.config/pip/pip.conf', '[global]', 'index-url = https://all');
  expect(read().index).toBe('https://downloads');
});

it('knows where each system keeps them', () => {
  const mac = write('Library/Application Support/pip/pip.conf', '[global]', 'index-url = https://mac');
  expect(read({}, 'darwin').index).toBe('https://mac');
  rmSync(dirname(mac), { recursive: true });
  write('.config/pip/pip.conf', '[global]', 'index-url = https://unix');
  expect(read({}, 'darwin').index).toBe('https://unix');
  write('roaming/pip/pip.ini', '[global]', 'index-url = https://windows');
  expect(read({ APPDATA: join(home, 'roaming') }, 'win32').index).toBe('https://windows');
  write('venv/pip.conf', '[global]', 'index-url = https://venv');
  expect(read({ VIRTUAL_ENV: join(home, 'venv') }).index).toBe('https://venv');
});
