import type { PaletteScope } from '../../stores/overlay.ts';

/** One line of the palette. */
export interface Entry {
  id: string;
  kind: 'command' | 'run' | 'preset' | 'setting';
  title: string;
  /** Said beside the title: a state, a flag. */
  detail: string;
  /** Found by these too, in any language. */
  words: string;
  /** As people read it; '' for none. */
  key: string;
  /** Why it cannot be done now; '' when it can. */
  reason: string;
  on: boolean;
  act: () => unknown;
}

/** How many lines are shown at most, and how many runs while nothing is typed. */
const MOST = 60;
const RECENT = 5;

/** Ranks the entries that match the typed text, best first; without a text, the commands and the newest runs. */
export function rank(entries: readonly Entry[], typed: string, scope: PaletteScope): Entry[] {
  const offered = entries.filter(({ kind }) => scope === 'all' || kind === scope);
  if (!typed.trim()) {
    if (scope !== 'all') return offered.slice(0, MOST);
    const runs = offered.filter(({ kind }) => kind === 'run').slice(0, RECENT);
    return [...offered.filter(({ kind }) => kind === 'command'), ...runs];
  }
  const scored = offered.map((entry) => ({ entry, points: pointsOf(entry, typed) }));
  return scored
    .filter(({ points }) => points > 0)
    .sort((one, other) => other.points - one.points)
    .slice(0, MOST)
    .map(({ entry }) => entry);
}

/** The title counts most, and what can be done now a little more than what cannot. */
function pointsOf({ title, words, detail, reason }: Entry, typed: string): number {
  const beside = score(typed, `${title} ${words} ${detail}`);
  return beside === 0 ? 0 : beside + 2 * score(typed, title) - (reason ? 1 : 0);
}

/** Scores how well a text matches the typed words: every one of them has to be found. 0 when one is not. */
export function score(typed: string, text: string): number {
  const words = fold(typed).split(/\s+/).filter(Boolean);
  const hay = fold(text);
  let sum = words.length ? 0 : 1;
  for (const word of words) {
    const one = wordScore(word, hay);
    if (one === 0) return 0;
    sum += one;
  }
  // Of two that hold the same, the shorter says less beside it.
  return sum - Math.min(0.9, hay.length / 1000);
}

function fold(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '');
}

function wordScore(word: string, hay: string): number {
  const at = hay.indexOf(word);
  if (at === 0) return 40;
  if (at > 0 && hay.split(/[\s\-_./]+/).some((part) => part.startsWith(word))) return 30;
  if (at > 0) return 20;
  return scattered(word, hay);
}

function startsWord(hay: string, at: number): boolean {
  return /[\s\-_./]/.test(hay[at - 1]);
}

/** Letters in order with gaps: few gaps are good, and only so many are taken for an answer at all. */
function scattered(word: string, hay: string): number {
  if (word.length < 2) return 0;
  let from = 0;
  let points = 0;
  for (const letter of word) {
    const at = hay.indexOf(letter, from);
    if (at < 0) return 0;
    if (at === 0 || startsWord(hay, at)) points += 2;
    else if (at === from && from > 0) points += 1;
    from = at + 1;
  }
  return points < word.length ? 0 : 1 + (8 * points) / (2 * word.length);
}
