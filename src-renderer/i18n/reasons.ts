import { REASONS, reasonText, type ReasonCode, type ReasonValue } from '../../src-main/protocol/reasons.ts';
import { zhReasons } from './reasons.zh-CN.ts';

const TABLES: Record<string, Record<ReasonCode, string>> = { en: REASONS, 'zh-CN': zhReasons };

/** Says a reason, or another parameter of an error, in the window's language. */
export function describeReason(value: ReasonValue, locale: string): string {
  return reasonText(value, TABLES[locale] ?? REASONS);
}
