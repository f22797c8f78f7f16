import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { install } from '../../../src-main/install/engine-store.ts';
import type { PackagePin } from '../../../src-main/install/package-fetch.ts';
import { makeWheel } from '../../helpers/package-index.ts';
import { temporaryFolder } from '../runs/state.ts';

const works = async (): Promise<void> => {};

/** A source package of some files in a folder, with the members that are to come out of it. */
function packed(folder: string, name: string, files: string[], members: PackagePin['members']): PackagePin {
  const file = `${name}-1.0.0.tar.gz`;
  execFileSync('tar', ['czf', join(folder, file), '-C', folder, ...files]);
  const whole = readFileSync(join(folder, file));
  const sha256 = createHash('sha256').update(whole).digest('hex');
  return { package: name, version: '1.0.0', file, bytes: whole.length, sha256, members };
}

it('gives what lies in the archive within a source package, as Windows’ engine has it', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'inside'));
  writeFileSync(join(folder, 'library'), randomBytes(70_000));
  writeFileSync(join(folder, 'setup.py'), 'raise SystemExit("nobody runs this")');
  const { file, members } = makeWheel(folder, 'inside', { 'cp/python.dll': join(folder, 'library') });
  renameSync(join(folder, file), join(folder, 'inside', 'data.zip'));
  const whole = packed(folder, 'whole', ['setup.py', 'inside'], members);
  const empty = packed(folder, 'empty', ['setup.py'], members);
  const other = packed(folder, 'other', ['inside'], [{ ...members[0], sha256: empty.sha256 }]);
  const tried = (name: string, wheel: PackagePin) =>
    install({
      folder: join(folder, name),
      from: folder,
      verify: works,
      pin: { device: 'cpu', version: '1', wheels: [wheel] },
    });
  expect(await tried('good', whole)).toMatchObject({ state: 'verified' });
  expect(readFileSync(join(folder, 'good/python.dll'))).toEqual(readFileSync(join(folder, 'library')));
  expect(readdirSync(join(folder, 'good')).sort()).toEqual(['python.dll', 'verified.json']);
  await expect(tried('bad', empty)).rejects.toMatchObject({ code: 'engine.corrupt', params: { expected: '*.zip' } });
  await expect(tried('bad', other)).rejects.toMatchObject({
    code: 'engine.corrupt',
    params: { file: 'cp/python.dll' },
  });
});
