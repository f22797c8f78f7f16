import { UNITS, type NumberStyle, type Unit } from '../../src-main/protocol/step-numbers.ts';

/** Numbers as people read them. All functions take the locale, so that a change of language redraws them. */

/**
 * Writes a number with at most `digits` significant digits, in exponents only below 1e-3 and from 1e6. A `steady` one
 * keeps its zeros, so that its width does not jump while it changes.
 */
export function formatNumber(value: number, locale: string, digits = 4, steady = false): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6))
    return value.toExponential(Math.min(2, digits - 1)).replace('e+', 'e');
  const least = steady && size !== 0 ? { minimumSignificantDigits: digits } : {};
  return value.toLocaleString(locale, { maximumSignificantDigits: digits, ...least });
}

/** Writes a number with a fixed count of decimals, so that a column of them stands still while it changes. */
export function formatFixed(value: number, locale: string, decimals: number): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString(locale, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Writes a measured number by the rules of its unit, without the unit. */
export function formatMeasured(value: number, locale: string, unit: Unit): string {
  const { fixed, significant, per = 1 }: NumberStyle = UNITS[unit];
  if (fixed !== undefined) return formatFixed(value / per, locale, fixed);
  return formatNumber(value / per, locale, significant, true);
}

/** Writes a whole number with its thousands grouped. */
export function formatCount(value: number, locale: string): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString(locale) : '–';
}

/** Shortens millions and thousands: 5.91 M. */
export function formatShort(value: number, locale: string): string {
  for (const [size, letter] of [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ] as const)
    if (Math.abs(value) >= size) return (value / size).toLocaleString(locale, { maximumSignificantDigits: 3 }) + letter;
  return formatNumber(value, locale, 3);
}

/** Writes a percentage with two decimals; null is a dash. */
export function formatPercent(value: number | null, locale: string, decimals = 2): string {
  return value === null || !Number.isFinite(value) ? '–' : `${formatFixed(value, locale, decimals)} %`;
}

/** Writes bytes in decimal units: 788 MB. */
export function formatBytes(bytes: number, locale: string): string {
  if (!Number.isFinite(bytes)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return `${formatFixed(value, locale, digits)} ${units[unit]}`;
}

/** Writes a duration by its two largest units: 1 h 12 min. */
export function formatDuration(seconds: number | null, locale: string): string {
  if (seconds === null || !Number.isFinite(seconds)) return '–';
  const names = locale.startsWith('zh') ? [' 天', ' 小时', ' 分', ' 秒'] : [' d', ' h', ' min', ' s'];
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const first = Math.max(
    0,
    parts.findIndex((part, at) => part > 0 || at === 3),
  );
  return parts
    .slice(first, first + 2)
    .map((part, at) => `${part}${names[first + at]}`)
    .filter((text, at) => at === 0 || !text.startsWith('0'))
    .join(' ');
}

/**
 * Writes a local moment in the order that sorts, the same in every language: 2026-11-24 09:05; with seconds where
 * `exact`.
 */
export function formatTime(time: number, exact = false): string {
  const date = new Date(time);
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  const clock = [date.getHours(), date.getMinutes(), ...(exact ? [date.getSeconds()] : [])].map(two).join(':');
  return `${day} ${clock}`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Writes a clock of an axis: 1:05:30, or 5:30 under an hour. */
export function formatClock(seconds: number): string {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = `${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}
