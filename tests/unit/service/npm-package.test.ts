import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { npmCommand, quoted } from '../../../src-main/service/data/npm-package.ts';
import { temporaryFolder } from '../runs/state.ts';

it('is npm itself, and on Windows its program beside Node, else its script for the shell', () => {
  const node = join(temporaryFolder(), 'node.exe');
  for (const platform of ['linux', 'darwin'])
    expect(npmCommand(platform, node)).toEqual({ command: 'npm', before: [], shell: false });
  expect(npmCommand('win32', node)).toEqual({ command: 'npm.cmd', before: [], shell: true });
  const program = join(dirname(node), 'node_modules/npm/bin/npm-cli.js');
  mkdirSync(dirname(program), { recursive: true });
  writeFileSync(program, '');
  expect(npmCommand('win32', node)).toEqual({ command: node, before: [program], shell: false });
});

it('quotes what the shell of Windows would part or take for its own', () => {
  expect(['pack', 'a@1.2.3', '--cache', 'C:\\x\\y-z'].map(quoted)).toEqual([
    'pack',
    'a@1.2.3',
    '--cache',
    'C:\\x\\y-z',
  ]);
  expect(['C:\\a b\\c', 'a&b', 'a(1)', '@s/p@1', ''].map(quoted)).toEqual([
    '"C:\\a b\\c"',
    '"a&b"',
    '"a(1)"',
    '@s/p@1',
    '""',
  ]);
});
