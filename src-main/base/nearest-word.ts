/**
 * Finds the word that was most likely meant: the nearest by letters typed wrongly, left out, added or exchanged, or the
 * only one that begins so. Returns null where none is near: a third of the letters may be wrong, and one always.
 */
export function nearest(typed: string, words: readonly string[]): string | null {
  const most = Math.max(1, Math.floor(typed.length / 3));
  let best: { word: string; wrong: number } | null = null;
  for (const word of words) {
    const wrong = distance(typed, word);
    if (wrong <= most && wrong < (best?.wrong ?? Infinity)) best = { word, wrong };
  }
  return best?.word ?? words.find((word) => typed !== '' && word.startsWith(typed)) ?? null;
}

/** Letters to insert, remove, replace or exchange with their neighbour between two words (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (exchanged) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}
