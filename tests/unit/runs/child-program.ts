import { getWeights } from '../../../src-main/install/weight-store.ts';
import { parseSource } from '../../../src-main/install/weight-source.ts';
import { textFile, writeFilesAtomic } from '../../../src-main/base/folder.ts';
import { saveCheckpoint } from '../../../src-main/runs/checkpoint.ts';
import { openHistory } from '../../../src-main/runs/history.ts';
import { lockRun } from '../../../src-main/runs/lock.ts';
import { facts, stateOf, stepRow } from './state.ts';

/** What tests do in another process: hold a lock of a run, save one until killed, or fetch weights. */
const [command, folder, address] = process.argv.slice(2);
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

if (command === 'fetch') {
  say('asking');
  say(await getWeights(parseSource(address), { folder }));
}

if (command === 'save') {
  const history = openHistory(folder);
  for (let step = 1; ; step++) {
    history.append([stepRow(step)]);
    await saveCheckpoint(folder, facts({ step }), stateOf(step));
    if (step === 2) say('saving');
  }
}

if (command === 'batch') {
  // Until killed; a round has another text in every file.
  for (let round = Number(address); ; round++) {
    const names = ['main', ...Array.from({ length: 40 }, (_, at) => `side-${at}`)];
    await writeFilesAtomic(
      folder,
      names.map((name) => textFile(name, String(round))),
    );
    say('written');
  }
}
