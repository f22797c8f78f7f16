/** Levels and values that a message may have: the longest true one, a recipe, has two and about a hundred. */
const MOST_LEVELS = 16;
const MOST_VALUES = 100_000;

const PLAIN: ReadonlySet<string> = new Set(['object', 'string', 'number', 'boolean', 'undefined']);

/** Tells whether a message holds only what JSON can express, in a size that may be looked at. */
export function isPlain(message: unknown): boolean {
  let values = 0;
  const look = (value: unknown, level: number): boolean => {
    if (level > MOST_LEVELS || ++values > MOST_VALUES) return false;
    if (value === null || typeof value !== 'object') return PLAIN.has(typeof value);
    if (Array.isArray(value)) return value.every((one) => look(one, level + 1));
    const prototype: unknown = Object.getPrototypeOf(value);
    const simple = prototype === null || Object.getPrototypeOf(prototype) === null;
    return simple && Object.values(value).every((one) => look(one, level + 1));
  };
  return look(message, 0);
}
