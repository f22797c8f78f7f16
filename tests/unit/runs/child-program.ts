import { saveCheckpoint } from '../../../src-main/runs/checkpoint.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { facts, stateOf, stepRow } from './state.ts';

/** What the tests of runs do in another process: hold a lock, or save until killed. */
const [command, folder] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);

if (command === 'lock') {
  try {
    lockRun(folder);
    say('locked');
    // Holds it until killed.
    process.stdin.resume();
  } catch (error) {
    say((error as { code: string }).code);
  }
}

if (command === 'save') {
  const history = openHistory(folder);
  for (let step = 1; ; step++) {
    history.append([stepRow(step)]);
    await saveCheckpoint(folder, facts({ step }), stateOf(step));
    if (step === 2) say('saving');
  }
}
