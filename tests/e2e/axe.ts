import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright/test';

/**
 * What axe finds wrong on a page, each as its rule and the elements it is about.
 * @param within a selector, to look at a part of the page
 */
export async function accessibilityFaults(page: Page, within?: string): Promise<string[]> {
  // One page has all there is to see, and Electron opens no second one for axe to put frames together in.
  const axe = new AxeBuilder({ page }).setLegacyMode();
  const { violations } = await (within ? axe.include(within) : axe).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
