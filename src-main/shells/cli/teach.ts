import type { KeptStore, TaughtAhead } from '../../protocol/data-types.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import type { Command, Shell } from './command.ts';
import { withService } from './local-service.ts';
import { recipeOptions, recipeValues, textValue, type Parsed } from './options.ts';
import { bytes } from './progress.ts';
import { recipeFile, RECIPE } from './recipe-file.ts';
import { presetOption, presetValues } from './train.ts';

export const teach: Command = {
  name: 'teach',
  summary: "Make a teacher's answers ahead, for trainings with --teach-once; list and remove kept ones.",
  words: '',
  count: [0, 0],
  options: [
    ...recipeOptions(),
    RECIPE,
    presetOption('student', 'Settings to start from; flags change them.'),
    { flag: 'list', value: null, help: 'List the kept answers, the longest unused first.', excludes: ['rm'] },
    { flag: 'rm', value: 'ID', help: 'Remove kept answers, by the first letters of their id, or all.', excludes: ['list'] }, // prettier-ignore
  ],
  run: (parsed, shell) => {
    if (parsed.values.get('list') === true) return listAnswers(shell);
    const id = textValue(parsed, 'rm');
    return id === undefined ? makeAnswers(parsed, shell) : removeAnswers(id, shell);
  },
};

async function makeAnswers(parsed: Parsed, shell: Shell): Promise<void> {
  const file = recipeFile(parsed);
  for (const note of file.notes) shell.reporter.note(note);
  const recipe = { ...presetValues(parsed), ...file.values, ...recipeValues(parsed) };
  const made = await withService(shell, ({ calls, job }) => job(calls['answers.make']({ recipe })));
  if (!made) throw new StillhouseError('job.cancelled');
  const { path, batches, kept, notes } = made as TaughtAhead;
  for (const { message } of notes) shell.reporter.note(message);
  const text = `Kept: the answers to ${kept} of ${batches} batches, in ${path}`;
  shell.reporter.result(text, { type: 'result', path, batches, kept });
}

function listAnswers(shell: Shell): Promise<void> {
  return withService(shell, async ({ calls }) => {
    const stores = await calls['answers.list']({});
    const text = stores.length > 0 ? stores.map(describe).join('\n') : 'No answers are kept.';
    shell.reporter.result(text, { type: 'answers', stores });
  });
}

function describe({ id, teacher, dataPath, kind, of, batches, bytes: size, used, inUse, path }: KeptStore): string {
  const when = inUse ? 'in use' : `used ${new Date(used).toISOString().slice(0, 10)}`;
  return `${id.slice(0, 8)}  ${bytes(size).padStart(10)}  ${when}  ${kind} of ${teacher} to ${batches} batches of ${of} images of ${dataPath}\n          ${path}`; // prettier-ignore
}

function removeAnswers(id: string, shell: Shell): Promise<void> {
  return withService(shell, async ({ calls }) => {
    const all = id === 'all' ? (await calls['answers.list']({})).map((store) => store.id) : [id];
    const removed = [];
    for (const one of all) removed.push(await calls['answers.remove']({ id: one }));
    const text = removed.map(({ id, bytes: size }) => `Removed: ${id.slice(0, 8)}, ${bytes(size)}`).join('\n');
    shell.reporter.result(text || 'No answers are kept.', { type: 'result', removed });
  });
}
