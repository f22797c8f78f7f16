import type { Spread, StudyRow } from '../../../protocol/study.ts';
import type { KeptThroughput } from '../../../protocol/throughput.ts';
import { escaped } from './escape.ts';
import { levels, shortened, ticksOf } from './figure.ts';
import { nameOf } from './sections.ts';
import type { ReportWords } from './words.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM] = [860, 380, 60, 860 - 150, 330];
/** Pixels between two names below each other. */
const LINE = 15;

interface Point {
  name: string;
  test: Spread;
  throughput: KeptThroughput;
}

/** Draws accuracy against images a second, on a scale of logarithms, as SVG; '' where fewer than two were measured. */
export function speedFigure(rows: readonly StudyRow[], words: ReportWords): string {
  const points = rows.flatMap((row): Point[] => {
    const { test, throughput } = row;
    return test && throughput ? [{ name: nameOf(row, words), test, throughput }] : [];
  });
  if (points.length < 2) return '';
  const ys = ticksOf(
    Math.min(...points.map(({ test }) => test.mean)),
    Math.max(...points.map(({ test }) => test.mean)),
  );
  const xs = rateTicks(points.map(({ throughput }) => throughput.imagesPerSecond));
  const [least, most] = [Math.log(xs[0]), Math.log(xs.at(-1)!)];
  const x = (rate: number): number => LEFT + ((Math.log(rate) - least) / (most - least)) * (RIGHT - LEFT);
  const y = (acc1: number): number => BOTTOM - ((acc1 - ys[0]) / (ys.at(-1)! - ys[0])) * (BOTTOM - 15);
  const across = levels(ys, y, [LEFT, RIGHT]);
  const up = xs.map((tick) => `<path d="M${x(tick).toFixed(1)} 15V${BOTTOM}" stroke="currentColor" opacity=".15"/><text x="${x(tick).toFixed(1)}" y="${BOTTOM + 18}" text-anchor="middle">${tick}</text>`); // prettier-ignore
  const heights = apartFrom(points.map(({ test }) => y(test.mean)));
  const marks = points.map(({ name, test, throughput }, at) => {
    const [left, top] = [x(throughput.imagesPerSecond), y(test.mean)];
    return `<circle cx="${left.toFixed(1)}" cy="${top.toFixed(1)}" r="4.5" fill="currentColor"/><text x="${(left + 9).toFixed(1)}" y="${(heights[at] + 4).toFixed(1)}">${escaped(shortened(name))}</text>`;
  });
  const unit = `<text x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 38}" text-anchor="middle">${escaped(words.throughput)}; ${escaped(words.test)}, %</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(words.speedChart)}">${across}${up.join('')}${marks.join('')}${unit}</svg>`;
}

/** Lists 1, 2, 5, 10, … from below the slowest to above the fastest. */
function rateTicks(rates: readonly number[]): number[] {
  const [slowest, fastest] = [Math.min(...rates), Math.max(...rates)];
  const round = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((times) => times * 10 ** power));
  const first = Math.max(0, round.filter((tick) => tick <= slowest).length - 1);
  const last = round.findIndex((tick) => tick > fastest);
  return round.slice(first, last < 0 ? undefined : last + 1);
}

/** Moves names down that would lie on one another. */
function apartFrom(heights: readonly number[]): number[] {
  const moved = [...heights];
  let free = -Infinity;
  for (const at of heights.map((_, at) => at).sort((a, b) => heights[a] - heights[b])) {
    moved[at] = Math.max(heights[at], free);
    free = moved[at] + LINE;
  }
  return moved;
}
