import { StillhouseError } from '../../protocol/errors.ts';
import { reason } from '../../protocol/reasons.ts';
import { LEVELS, LEVELS_OF_TEN, type Leveled, type LeveledName } from './levels.ts';
import type { DrawnOperation } from './pixel-ops.ts';
import { AUTO_AUGMENT, INCREASING, PLAIN, SETS, THREE } from './policies.ts';
import type { Draws } from '../random.ts';

/**
 * RandAugment and AutoAugment as timm reads them from a text such as `rand-m9-mstd0.5-inc1` or `original-mstd0.5`. A
 * policy draws operations; `pixel-ops.ts` carries them out.
 */

interface Candidate {
  name: LeveledName;
  probability: number;
  magnitude: number;
}

export interface Policy {
  /** The operations for one image of `width` × `height` pixels, in order. */
  draw(draws: Draws, width: number, height: number): DrawnOperation[];
}

interface Noise {
  /** Standard deviation of a magnitude; Infinity: uniform from 0 to the magnitude. */
  std: number;
  /** Upper bound of magnitudes. */
  most: number;
}

function drawOperation(
  candidate: Candidate,
  noise: Noise,
  draws: Draws,
  size: { width: number; height: number },
): DrawnOperation | null {
  if (candidate.probability < 1 && draws.uniform() > candidate.probability) return null;
  let { magnitude } = candidate;
  if (noise.std === Infinity) magnitude = draws.between(0, magnitude);
  else if (noise.std > 0) magnitude += noise.std * draws.normal();
  magnitude = Math.max(0, Math.min(magnitude, noise.most));
  const { operation, amount }: Leveled = LEVELS[candidate.name];
  return { name: operation, amount: amount(magnitude, draws, size) };
}

/**
 * Parses the policy in a text: `rand` with m (magnitude), n (operations an image), p (probability of each), mstd, mmax,
 * inc, t (set) or w0; or `original`, `originalr`, `v0`, `v0r`, `3a` with mstd. Returns null for an empty text.
 * @throws StillhouseError `recipe.invalid` for the key `aa`.
 */
export function parsePolicy(text: string): Policy | null {
  if (text === '') return null;
  const [name, ...sections] = text.split('-') as [string, ...string[]];
  if (name === 'rand') return randAugment(text, sections);
  const pairs = AUTO_AUGMENT[name];
  if (!pairs) throw invalid(text);
  const noise = { std: 0, most: LEVELS_OF_TEN };
  for (const { key, value } of sections.map((section) => numberIn(section, text))) {
    if (key !== 'mstd') throw invalid(text);
    noise.std = value;
  }
  const candidates = pairs.map((pair) => pair.split(' · ').map(parseCandidate));
  return {
    draw: (draws, width, height) =>
      candidates[draws.integer(candidates.length)]
        .map((candidate) => drawOperation(candidate, noise, draws, { width, height }))
        .filter((drawn) => drawn !== null),
  };
}

function invalid(text: string): StillhouseError {
  const expected = reason('value.policy', { names: Object.keys(AUTO_AUGMENT).join(', ') });
  return new StillhouseError('recipe.invalid', { key: 'aa', expected, got: text });
}

function numberIn(section: string, text: string): { key: string; value: number } {
  const match = /^([a-z]+)(\d+(?:\.\d+)?)$/.exec(section);
  if (!match) throw invalid(text);
  return { key: match[1], value: Number(match[2]) };
}

function randAugment(text: string, sections: readonly string[]): Policy {
  const settings = { m: LEVELS_OF_TEN, n: 2, p: 0.5, mstd: 0, mmax: LEVELS_OF_TEN, inc: 0 };
  let set = '';
  for (const section of sections) {
    if (section.startsWith('t') || section === 'w0') {
      set = section === 'w0' ? section : section.slice(1);
      continue;
    }
    const { key, value } = numberIn(section, text);
    if (!Object.hasOwn(settings, key)) throw invalid(text);
    settings[key as keyof typeof settings] = value;
  }
  const weights = SETS[set];
  if (set !== '' && set !== '3a' && !weights) throw invalid(text);
  const names = weights
    ? (Object.keys(weights) as LeveledName[])
    : set === '3a'
      ? THREE
      : settings.inc
        ? INCREASING
        : PLAIN;
  const noise = { std: settings.mstd > 100 ? Infinity : settings.mstd, most: settings.mmax || LEVELS_OF_TEN };
  const candidate = (name: LeveledName): Candidate => ({ name, probability: settings.p, magnitude: settings.m });
  return {
    draw: (draws, width, height) => {
      const picked = weights
        ? pickDistinct(draws, names, Object.values(weights), settings.n)
        : Array.from({ length: settings.n }, () => names[draws.integer(names.length)]);
      const drawn = picked.map((name) => drawOperation(candidate(name), noise, draws, { width, height }));
      return drawn.filter((operation) => operation !== null);
    },
  };
}

/** `count` different names, each draw in proportion to the weights that are left. */
function pickDistinct(
  draws: Draws,
  names: readonly LeveledName[],
  weights: readonly number[],
  count: number,
): LeveledName[] {
  const left = [...weights];
  const picked: LeveledName[] = [];
  const most = left.filter((weight) => weight > 0).length;
  while (picked.length < Math.min(count, most)) {
    let rest = draws.uniform() * left.reduce((sum, weight) => sum + weight, 0);
    const index = left.findIndex((weight) => weight > 0 && (rest -= weight) < 0);
    const chosen = index < 0 ? left.findIndex((weight) => weight > 0) : index;
    picked.push(names[chosen]);
    left[chosen] = 0;
  }
  return picked;
}

function parseCandidate(text: string): Candidate {
  const [name, numbers] = text.split(' ') as [LeveledName, string];
  const [probability, magnitude] = numbers.split(',').map(Number) as [number, number];
  return { name, probability, magnitude };
}
