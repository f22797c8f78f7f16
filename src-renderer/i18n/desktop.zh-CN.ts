import type { desktop as en } from './desktop.en.ts';

/** The Chinese words of the desktop, key by key those of `desktop.en.ts`. */
export const desktop: typeof en = {
  allow: '结束时通知我',
  ends: { finished: '运行已完成', failed: '运行失败' },
};
