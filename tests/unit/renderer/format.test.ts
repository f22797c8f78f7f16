import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatClock,
  formatDuration,
  formatNumber,
  formatPercent,
  formatShort,
  formatTime,
} from '../../../src-renderer/i18n/format.ts';

describe('format', () => {
  test('bytes in decimal units, three digits', () => {
    expect(
      [0, 999, 1000, 15_360, 274e6, 853e6, 999_600, 1.84e9, 12e12].map((bytes) => formatBytes(bytes, 'en')),
    ).toEqual(['0 B', '999 B', '1.00 kB', '15.4 kB', '274 MB', '853 MB', '1.00 MB', '1.84 GB', '12.0 TB']);
    expect(formatBytes(NaN, 'en')).toBe('–');
  });

  test('durations by their two largest units', () => {
    expect([0, 45, 60, 200, 4320, 90_000].map((seconds) => formatDuration(seconds, 'en'))).toEqual([
      '0 s',
      '45 s',
      '1 min',
      '3 min 20 s',
      '1 h 12 min',
      '1 d 1 h',
    ]);
    expect(formatDuration(4320, 'zh-CN')).toBe('1 小时 12 分');
    expect(formatDuration(null, 'en')).toBe('–');
  });

  test('numbers without noise, small ones in exponents', () => {
    expect([0, 0.5, 1234.5, 5e-4, 1.23456].map((value) => formatNumber(value, 'en'))).toEqual([
      '0',
      '0.5',
      '1,235',
      '5.00e-4',
      '1.235',
    ]);
    expect([2, 1.5, 0, 5e-4].map((value) => formatNumber(value, 'en', 4, true))).toEqual([
      '2.000',
      '1.500',
      '0',
      '5.00e-4',
    ]);
    expect(formatNumber(NaN, 'en')).toBe('–');
    expect(formatShort(5_910_800, 'en')).toBe('5.91 M');
    expect(formatPercent(74.476, 'en')).toBe('74.48 %');
    expect(formatPercent(null, 'en')).toBe('–');
  });

  test('moments sort as text; clocks carry hours only when there are some', () => {
    expect(formatTime(new Date(2026, 10, 4, 9, 5, 7).getTime())).toBe('2026-11-04 09:05');
    expect(formatTime(new Date(2026, 10, 4, 9, 5, 7).getTime(), true)).toBe('2026-11-04 09:05:07');
    expect([0, 65, 3661].map(formatClock)).toEqual(['0:00', '1:05', '1:01:01']);
  });
});
