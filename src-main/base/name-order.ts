/** Compares two names by code point, as Python does: UTF-16 differs only where surrogates meet U+E000 to U+FFFF. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Sorts in place by code point. */
export function sortByCodePoint(names: string[]): string[] {
  return names.some((name) => /[\ud800-\udfff]/.test(name)) ? names.sort(compareCodePoints) : names.sort();
}

/** Compares two names as timm's `natural_key` does: in lower case, runs of digits by their number. */
export function compareNatural(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => name.toLowerCase().split(/(\d+)/));
  for (let at = 0; at < Math.min(x.length, y.length); at++) {
    // Digits stand at odd places.
    const order = at % 2 === 1 ? compareNumbers(x[at], y[at]) : compareCodePoints(x[at], y[at]);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

function compareNumbers(a: string, b: string): number {
  const [x, y] = [BigInt(a), BigInt(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/**
 * Sorts names in timm's natural order where it differs from that by code point (torchvision's, and ours), else returns
 * null. A model trained with timm on such folders has its outputs in that order.
 */
export function naturalOrder(names: readonly string[]): string[] | null {
  const byCodePoint = sortByCodePoint([...names]);
  const natural = [...byCodePoint].sort(compareNatural);
  return natural.some((name, at) => name !== byCodePoint[at]) ? natural : null;
}

/** Writes a name in the Unicode form NFC: macOS and some archives write é as e and an accent. */
export function composed(name: string): string {
  return name.normalize('NFC');
}
