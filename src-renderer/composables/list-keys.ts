/**
 * Finds where a key moves the chosen line of a list.
 * @param at the line that is chosen; -1 for none.
 * @param page lines that Page Up and Page Down pass; left out, these keys do nothing.
 * @returns the line within the list; undefined for any other key.
 */
export function movedTo(key: string, at: number, lines: number, page?: number): number | undefined {
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, Home: -lines, End: lines };
  if (page !== undefined) Object.assign(steps, { PageDown: page, PageUp: -page });
  if (!Object.hasOwn(steps, key)) return undefined;
  return Math.max(0, Math.min(lines - 1, at + steps[key]));
}
