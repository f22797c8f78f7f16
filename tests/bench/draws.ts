import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ourDraws } from '../helpers/our-draws.ts';
import { peerPython } from './peers.ts';

/**
 * `npm run bench -- draws`: whether what we draw is distributed as what timm, torchvision and Mixup draw: numbers by
 * Kolmogorov–Smirnov, choices by chi-square, each with the probability of a difference as great as found if there were
 * none. Of about 100 quantities one is below 1 % by chance; below 0.01 % something is wrong, and the exit code says so.
 *
 * Options: --count N (default 100,000), --seed N, --json.
 */
interface Line {
  quantity: string;
  test: 'Kolmogorov–Smirnov' | 'chi-square';
  ours: number;
  theirs: number;
  statistic: number;
  probability: number;
}

const WRONG = 1e-4;
const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});
main();

function main(): void {
  const theirs = timmDraws(options.count);
  const lines: Line[] = [];
  for (const [quantity, ours] of ourDraws(Number(options.count), Number(options.seed)))
    lines.push(compare(quantity, ours, theirs[quantity] ?? []));
  for (const quantity of Object.keys(theirs))
    if (!lines.some((line) => line.quantity === quantity)) lines.push(compare(quantity, [], theirs[quantity]));
  lines.sort((a, b) => a.probability - b.probability);
  for (const { quantity, test, statistic, probability } of lines)
    console.log(
      `${quantity.padEnd(36)} ${test.padEnd(19)} ${statistic.toPrecision(4).padStart(9)}  p = ${probability.toPrecision(2)}`,
    );
  const wrong = lines.filter(({ probability }) => probability < WRONG).length;
  console.log(`${lines.length} quantities, ${wrong} below p = ${WRONG}`);
  if (options.json) console.log(JSON.stringify(lines));
  process.exitCode = wrong > 0 ? 1 : 0;
}

function timmDraws(count: string): Record<string, (number | string)[]> {
  const python = peerPython();
  if (!python) throw new Error('Without Python there is nothing to compare with.');
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse-draws-'));
  try {
    const script = fileURLToPath(new URL('../../../tests/parity/timm_draws.py', import.meta.url));
    const file = join(folder, 'draws.json');
    execFileSync(python, [script, 'raw', count, file], { stdio: ['ignore', 'inherit', 'inherit'] });
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, (number | string)[]>;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compare(quantity: string, ours: (number | string)[], theirs: (number | string)[]): Line {
  const sizes = { quantity, ours: ours.length, theirs: theirs.length };
  if (ours.length === 0 || theirs.length === 0)
    return { ...sizes, test: 'chi-square', statistic: Infinity, probability: 0 };
  if (typeof ours[0] === 'number') {
    const statistic = distance(
      Float64Array.from(ours as number[]).sort(),
      Float64Array.from(theirs as number[]).sort(),
    );
    const scale = Math.sqrt((ours.length * theirs.length) / (ours.length + theirs.length));
    return { ...sizes, test: 'Kolmogorov–Smirnov', statistic, probability: kolmogorov(statistic * scale) };
  }
  return { ...sizes, test: 'chi-square', ...chiSquare(ours as string[], theirs as string[]) };
}

/** Greatest distance of two empirical distributions. Equal numbers are passed together; floats of timm's are rounded. */
function distance(a: Float64Array, b: Float64Array): number {
  let [i, j, greatest] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const least = Math.min(a[i], b[j]) + 1e-6;
    while (i < a.length && a[i] <= least) i++;
    while (j < b.length && b[j] <= least) j++;
    greatest = Math.max(greatest, Math.abs(i / a.length - j / b.length));
  }
  return greatest;
}

/** Chance that Kolmogorov's distribution exceeds x. */
function kolmogorov(x: number): number {
  if (x < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) sum += (k % 2 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, Math.max(0, sum));
}

/** Two samples of choices; those with fewer than ten in both together are put together. */
function chiSquare(ours: string[], theirs: string[]): { statistic: number; probability: number } {
  const counts = new Map<string, [number, number]>();
  [ours, theirs].forEach((sample, side) => {
    for (const choice of sample) {
      const pair = counts.get(choice) ?? [0, 0];
      counts.set(choice, pair);
      pair[side]++;
    }
  });
  const cells: [number, number][] = [[0, 0]];
  for (const [a, b] of counts.values()) {
    if (a + b >= 10) cells.push([a, b]);
    else [cells[0][0], cells[0][1]] = [cells[0][0] + a, cells[0][1] + b];
  }
  const filled = cells.filter(([a, b]) => a + b > 0);
  const [n, m] = [ours.length, theirs.length];
  const statistic = filled.reduce(
    (sum, [a, b]) => sum + (a * Math.sqrt(m / n) - b * Math.sqrt(n / m)) ** 2 / (a + b),
    0,
  );
  return { statistic, probability: filled.length < 2 ? 1 : chiSquareTail(statistic, filled.length - 1) };
}

/** Wilson and Hilferty's approximation of the probability that chi-square exceeds `value`. */
function chiSquareTail(value: number, degrees: number): number {
  const spread = 2 / (9 * degrees);
  return normalTail((Math.cbrt(value / degrees) - (1 - spread)) / Math.sqrt(spread));
}

/** Chance that a standard normal exceeds z (Abramowitz and Stegun 26.2.17). */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const polynomial = series.reduceRight((sum, coefficient) => (sum + coefficient) * t, 0);
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}
