import type { QueueEntry } from '../../protocol/data-types.ts';
import { homeFolder } from '../../runs/places.ts';
import { readQueue } from '../../service/runs/run-queue.ts';
import type { Command } from './command.ts';

/** `stillhouse queue`: what waits, as it lies on the disk; the service that works on it is not disturbed. */
export const queue: Command = {
  name: 'queue',
  summary: 'List the runs that wait for their turn.',
  words: '',
  count: [0, 0],
  options: [],
  run: async (_parsed, shell) => {
    const { entries, atOnce, paused } = readQueue(homeFolder());
    const head = paused ? paused.message : `${entries.length} waiting, ${atOnce} at once.`;
    const text = [head, ...entries.map((entry, place) => `${String(place + 1).padStart(3)}  ${describe(entry)}`)];
    shell.reporter.result(
      text.join('\n'),
      entries.map((entry, place) => ({ type: 'waiting', place: place + 1, ...entry })),
    );
  },
};

function describe({ id, added, recipe, resume, error }: QueueEntry): string {
  const what = resume === null ? `${String(recipe?.['model'])}  ${String(recipe?.['dataPath'])}` : `resume ${resume}`;
  const exports = recipe?.['export'] ? `  export ${String(recipe['export'])}` : '';
  const time = new Date(added).toISOString().slice(0, 16).replace('T', ' ');
  return `${id}  ${time}  ${what}${exports}${error ? `\n     ${error.message}` : ''}`;
}
