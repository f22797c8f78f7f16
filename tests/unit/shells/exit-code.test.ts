import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { endOf } from '../../../src-main/shells/electron/exit-code.ts';

/** As Python's os.waitpid gives the status of a child. */
const STATUS = `
import os, signal, sys
for act in [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os.abort(), lambda: os.kill(os.getpid(), signal.SIGSEGV)]:
    pid = os.fork()
    if pid == 0: act()
    print(os.waitpid(pid, 0)[1])
`;

it('reads what the system says of a process that has ended', () => {
  const { stdout } = spawnSync('python3', ['-c', STATUS], { encoding: 'utf8' });
  expect(stdout.trim().split('\n').map(Number).map((status) => endOf(status, 'linux'))).toEqual([
    { code: 3, signal: null },
    { code: null, signal: 'SIGKILL' },
    { code: null, signal: 'SIGABRT' },
    { code: null, signal: 'SIGSEGV' },
  ]); // prettier-ignore
});

it('reads what a process gave to process.exit, and the codes of Windows, as they are', () => {
  for (const code of [0, 1, 2, 13]) expect(endOf(code, 'linux')).toEqual({ code, signal: null });
  expect(endOf(0xc0000005, 'win32')).toEqual({ code: 0xc0000005, signal: null });
  expect(endOf(9, 'win32')).toEqual({ code: 9, signal: null });
  expect(endOf(0x80 | 5, 'linux')).toEqual({ code: null, signal: 'SIGTRAP' });
});
