import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { listDataset } from '../../src-main/data/folder.ts';
import { createLoader } from '../../src-main/data/loader.ts';
import { cacheFolder, engineFolder } from '../../src-main/runs/places.ts';
import { exitProcess, loadEngine } from '../../src-main/runtime/engine.ts';
import { engineDecode } from '../../src-main/service/engine-decode.ts';
import { median, peerPython, startContestant, type Contestant } from './peers.ts';

/**
 * `npm run bench -- loader`: pictures a second from JPEG files to uint8 batches (a round is an epoch), ours and timm's DataLoader, in turns on
 * the same machine in the same run. A core: pictures over CPU seconds, all threads counted. All cores: over wall time.
 *
 * Options: --data DIR (default: made JPEGs of 500 × 375), --size N, --rounds N, --json.
 */
const POLICIES = { 'crop and flip': '', 'with RandAugment': 'rand-m9-mstd0.5-inc1' };
const BATCH = 32;
const MADE = 200;

if (process.argv[2] === 'worker') await worker(process.argv.slice(3));
else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: join(cacheFolder(), 'bench-pictures') },
      size: { type: 'string', default: '224' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
  });
  const python = peerPython();
  const script = fileURLToPath(new URL('../../../tests/bench/loader.py', import.meta.url));
  if (!existsSync(values.data)) {
    if (!python) throw new Error('Without Python there are no pictures: give a data folder with --data.');
    execFileSync(python, [script, 'make', values.data, String(MADE)]);
  }
  const pictures = Math.floor((await listDataset(values.data)).train.length / BATCH) * BATCH;
  const lines: Line[] = [];
  for (const [name, policy] of Object.entries(POLICIES))
    for (const cores of [1, cpus().length]) {
      const contestants = [await startOurs(values.data, values.size, policy, cores)];
      const workers = String(cores === 1 ? 0 : cores);
      const peer = [script, 'run', values.data, values.size, policy, workers, String(BATCH)];
      if (python) contestants.push(await startContestant('timm', python, peer));
      lines.push(...(await race(name, cores, contestants, Number(values.rounds), pictures)));
    }
  for (const line of lines) console.log(describe(line));
  if (values.json) console.log(JSON.stringify(lines));
}

interface Line {
  transform: string;
  label: string;
  cores: number;
  /** Pictures a second: of CPU time for one core, of wall time for all. */
  rate: number;
  /** Against timm; null for timm itself and without it. */
  ratio: number | null;
}

async function race(
  transform: string,
  cores: number,
  contestants: Contestant[],
  rounds: number,
  pictures: number,
): Promise<Line[]> {
  const times = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, contestant] of contestants.entries()) {
      const [wall, cpu] = (await contestant.round(pictures)) as [number, number];
      times[index].push(cores === 1 ? cpu : wall);
    }
  contestants.forEach((contestant) => contestant.close());
  const rates = times.map((seconds) => pictures / median(seconds));
  return contestants.map(({ label }, index) => ({
    transform,
    label,
    cores,
    rate: rates[index],
    ratio: index === 0 && rates[1] ? rates[0] / rates[1] : null,
  }));
}

function describe({ transform, label, cores, rate, ratio }: Line): string {
  const share = cores === 1 ? 'a core   ' : `${cores} cores  `;
  const against = ratio === null ? '' : `  ${ratio.toFixed(2)} × timm`;
  return `${transform.padEnd(18)} ${share} ${label.padEnd(11)} ${rate.toFixed(0).padStart(6)} pictures/s${against}`;
}

function startOurs(data: string, size: string, policy: string, cores: number): Promise<Contestant> {
  const self = fileURLToPath(import.meta.url);
  return startContestant('Stillhouse', process.execPath, [self, 'worker', data, size, policy, String(cores)]);
}

async function worker([data, size, aa, cores]: string[]): Promise<void> {
  const engine = await loadEngine(engineFolder(), { threads: Number(cores) });
  const dataset = await listDataset(data);
  const recipe = {
    batchSize: BATCH,
    inputSize: Number(size),
    scaleMin: 0.08,
    hflip: 0.5,
    evalCropRatio: 0.875,
    seed: 0,
    numWorkers: Math.max(2, 2 * Number(cores)),
    aa,
  };
  // Without a cache each picture is read and decoded each time, as timm does.
  const shared = { dataset, cacheBytes: 0, noiseRows: 0 };
  const onSkip = ({ file, reason }: { file: string; reason: string }): void => console.error(file, reason);
  const loader = createLoader({ ...shared, recipe, decode: engineDecode(engine), onSkip });
  let epoch = 0;
  const run = async (): Promise<void> => {
    for await (const { labels } of loader.trainBatches(epoch++))
      if (labels.length !== BATCH) throw new Error('short batch');
  };
  await run();
  const reply = (seconds: number[]): void =>
    console.log(JSON.stringify({ seconds, peak: process.resourceUsage().maxRSS * 1024 }));
  reply([0, 0]);
  for await (const _ of createInterface({ input: process.stdin })) {
    const [wall, before] = [performance.now(), process.cpuUsage()];
    await run();
    const { user, system } = process.cpuUsage(before);
    reply([(performance.now() - wall) / 1000, (user + system) / 1e6]);
  }
  exitProcess(0);
}
