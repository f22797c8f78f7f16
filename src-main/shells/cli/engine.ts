import { rm } from 'node:fs/promises';
import type { EngineStatus } from '../../protocol/data-types.ts';
import { StillhouseError, fromPlainError } from '../../protocol/errors.ts';
import { engineFolder } from '../../runs/places.ts';
import { EngineDesk } from '../../service/engine-desk.ts';
import { spawnTrainer } from '../../service/trainer-process.ts';
import type { Command } from './command.ts';
import { withDesk } from './desk.ts';
import { pathValue } from './options.ts';
import { bytes } from './progress.ts';

/** @throws StillhouseError `engine.missing`, or why the last verification failed. */
export async function requireEngine(): Promise<void> {
  await new EngineDesk(engineFolder(), spawnTrainer, () => undefined).require();
}

const ACTIONS = ['install', 'status', 'verify'];

export const engine: Command = {
  name: 'engine',
  summary: 'Install, show or verify the engine (TensorFlow).',
  words: ACTIONS.join('|'),
  count: [1, 1],
  options: [
    { flag: 'from', value: 'FOLDER', help: 'Install without a network from this folder of wheels.' },
    { flag: 'force', value: null, help: 'Remove what is installed first.' },
  ],
  run: async (parsed, shell) => {
    const [action] = parsed.words;
    if (!ACTIONS.includes(action))
      throw new StillhouseError('argument.invalid', { name: 'engine', expected: ACTIONS.join(', '), got: action });
    const status = await withDesk(shell, async ({ calls, job }) => {
      if (action === 'verify') return calls['engine.verify']({});
      if (action === 'status') return calls['engine.status']({});
      if (parsed.values.get('force') === true) await rm(engineFolder(), { recursive: true, force: true });
      const from = pathValue(parsed, 'from');
      return (await job(calls['engine.install'](from ? { from } : {}))) as EngineStatus;
    });
    shell.reporter.result(describe(status), { type: 'engine', ...status });
    if (action === 'verify' && status.error) throw fromPlainError(status.error);
  },
};

function describe({ version, state, path, bytesOnDisk, bytesDownload, bytesArrived }: EngineStatus): string {
  const where = state === 'missing' ? `${bytes(bytesDownload)} to download` : `${bytes(bytesOnDisk)} in ${path}`;
  const part = state === 'partial' ? `, ${bytes(bytesArrived)} of ${bytes(bytesDownload)} downloaded` : '';
  return `TensorFlow ${version}: ${state}${part}; ${where}`;
}
