import axe from 'axe-core';
import type { Page } from 'playwright/test';

/**
 * What axe finds wrong on a page, each as its rule and the elements it is about.
 * @param within a selector, to look at a part of the page
 */
export async function accessibilityFaults(page: Page, within?: string): Promise<string[]> {
  // It is there until the page is loaded anew.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe.source);
  return page.evaluate(faultsIn, within ?? null);
}

/** Runs in the page. */
async function faultsIn(within: string | null): Promise<string[]> {
  const { axe } = window as unknown as { axe: typeof import('axe-core') };
  // To describe each element that is right takes most of its time.
  const { violations } = await axe.run(within ?? document, { resultTypes: ['violations'] });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
