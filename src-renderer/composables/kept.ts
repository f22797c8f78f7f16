/** Small settings that outlive the window. Storage may be refused or hold anything; then the fallback counts. */

const PREFIX = 'stillhouse.';

/** Reads the value kept under `key`; `fallback` where `good` finds it of the wrong shape. */
export function readKept<Value>(key: string, fallback: Value, good: (value: unknown) => value is Value): Value {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null');
    return good(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

/** Keeps plain data under `key`. */
export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // A full or forbidden storage costs the memory of a setting, nothing else.
  }
}

export const isText = (value: unknown): value is string => typeof value === 'string';
export const isTextList = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
