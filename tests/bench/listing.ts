import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkImages } from '../../src-main/data/check/check.ts';
import { listDataset, summarise } from '../../src-main/data/layout/folder.ts';
import { encodePng } from '../../src-main/data/decode/png.ts';

/**
 * `npm run bench -- listing`: images a second that are listed from folders and from archives, and from a data set of
 * as many classes as images, with the memory that it takes; and a second check, which only looks at sizes and times.
 * Everything lies in memory where the machine has a place for it: this is the work, not the disk.
 *
 * Options: --files N (100,000), --json.
 */
const { values } = parseArgs({
  options: { files: { type: 'string', default: '100000' }, json: { type: 'boolean', default: false } },
});
const FILES = Number(values.files);
const CLASSES = 1000;
const image = encodePng({ width: 1, height: 1, data: new Uint8Array([1, 2, 3]) });
const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'stillhouse-listing-'));

interface Line {
  what: string;
  images: number;
  wall: number;
  cpu: number;
  /** Megabytes of the JavaScript heap that the result takes. */
  heap: number;
}

const lines: Line[] = [];
try {
  const many = makeFolders('folders', CLASSES);
  lines.push(await best(`folders, ${CLASSES} classes`, () => listed(many)));
  const archive = join(home, 'archive.tar');
  execFileSync('tar', ['-cf', archive, '-C', many, '.']);
  lines.push(await best('one archive', () => listed(archive)));
  const dataset = await listDataset(many);
  const results = join(home, 'results.jsonl');
  const decode = (): Promise<never> => Promise.reject(new Error('not measured here'));
  await checkImages(dataset, decode, { results });
  lines.push(await best('a second check', async () => (await checkImages(dataset, decode, { results })).reused, 2));
  rmSync(many, { recursive: true });
  const classes = makeFolders('classes', FILES);
  lines.push(await best(`folders, ${FILES} classes`, () => listed(classes)));
} finally {
  rmSync(home, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(lines));

/** Empty-handed images in `count` class folders. */
function makeFolders(name: string, count: number): string {
  const folder = join(home, name);
  for (let label = 0; label < count; label++) mkdirSync(join(folder, `class-${label}`), { recursive: true });
  for (let at = 0; at < FILES; at++) writeFileSync(join(folder, `class-${at % count}`, `${at}.png`), image);
  return folder;
}

async function listed(path: string): Promise<number> {
  const dataset = await listDataset(path);
  summarise(dataset);
  return dataset.train.length + dataset.val.length;
}

/** The fastest of some rounds, wall and CPU time each for itself: others use this machine too. */
async function best(what: string, work: () => Promise<number>, rounds = 3): Promise<Line> {
  const line: Line = { what, images: 0, wall: Infinity, cpu: Infinity, heap: 0 };
  for (let round = 0; round < rounds; round++) {
    const [heap, started, before] = [process.memoryUsage().heapUsed, performance.now(), process.cpuUsage()];
    line.images = await work();
    const { user, system } = process.cpuUsage(before);
    line.wall = Math.min(line.wall, (performance.now() - started) / 1000);
    line.cpu = Math.min(line.cpu, (user + system) / 1e6);
    line.heap = Math.max(line.heap, (process.memoryUsage().heapUsed - heap) / 1e6);
  }
  if (line.images !== FILES) throw new Error(`${what}: ${line.images} of ${FILES} images`);
  console.log(describe(line));
  return line;
}

function describe({ what, images, wall, cpu, heap }: Line): string {
  const rate = (seconds: number): string =>
    Math.round(images / seconds)
      .toLocaleString('en')
      .padStart(9);
  return `${what.padEnd(26)} ${rate(wall)}/s  ${rate(cpu)}/s of CPU time  ${heap.toFixed(0).padStart(4)} MB`;
}
