import { BY_FOLDERS, DATA_SETS } from '../../../src-main/protocol/data-sets.ts';
import { parseReading } from '../../../src-main/protocol/data-reading.ts';

type Translate = (key: string, named: Record<string, string>) => string;

/**
 * Says in words how a folder is to be read, such as `train=a,val=b`; returns a text that cannot be parsed unchanged.
 */
export function readingWords(text: string, t: Translate): string {
  const parts = partsOf(text, t);
  return parts.length === 0 ? text : parts.reduce((a, b) => t('dataPage.reading.join', { a, b }));
}

function partsOf(text: string, t: Translate): string[] {
  const reading = parsed(text);
  if (!reading) return [];
  const { set, category, classes, train, val, list, labels } = reading;
  const named = (folder: string): string => (folder === '.' ? t('dataPage.reading.here', {}) : folder);
  const parts: string[] = [];
  if (set === BY_FOLDERS) parts.push(t('dataPage.reading.folders', {}));
  else if (set !== null) parts.push(t('dataPage.reading.set', { set: DATA_SETS[set] }));
  if (category !== null) parts.push(t('dataPage.reading.category', { field: t(`dataPage.category.${category}`, {}) }));
  if (classes) parts.push(t('dataPage.reading.classes', {}));
  if (train !== null && val !== null)
    parts.push(t('dataPage.reading.splits', { train: named(train), val: named(val) }));
  else if (train !== null) parts.push(t('dataPage.reading.train', { train: named(train) }));
  if (list !== null) parts.push(t('dataPage.reading.list', { list }));
  if (labels !== null) parts.push(t('dataPage.reading.labels', { from: String(labels) }));
  return parts;
}

function parsed(text: string): ReturnType<typeof parseReading> | null {
  try {
    return parseReading(text);
  } catch {
    return null;
  }
}
