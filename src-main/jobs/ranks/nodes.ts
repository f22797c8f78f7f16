/** Slurm's short forms of lists. */

/** Lists the machines of a node list: `n[1-2,07],login` is n1, n2, n07, login. A form that is not known gives none. */
export function expandNodes(list: string): string[] {
  const names = splitOutside(list);
  return names.some((name) => !isPlain(name)) ? [] : names.flatMap(expandOne);
}

/** More machines than a list may name: a range that is longer is a mistake. */
const MOST = 100_000;

function isPlain(name: string): boolean {
  const ranges = [...name.matchAll(/\[([^\]]*)\]/g)].flatMap(([, inner]) => inner.split(','));
  return (
    /^([\w.-]+|\[[\d,-]+\])+$/.test(name) &&
    ranges.every((range) => {
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
      return first !== undefined && Number(last) >= Number(first) && Number(last) - Number(first) < MOST;
    })
  );
}

/** Splits at commas that stand in no bracket. */
function splitOutside(list: string): string[] {
  return list === '' ? [] : list.split(/,(?![^[]*\])/);
}

function expandOne(name: string): string[] {
  const [whole, before, inner, after] = /^([^[]*)\[([^\]]*)\](.*)$/.exec(name) ?? [];
  if (whole === undefined) return [name];
  const numbers = inner.split(',').flatMap(numbersOf);
  const rests = expandOne(after);
  return numbers.flatMap((number) => rests.map((rest) => before + number + rest));
}

function numbersOf(range: string): string[] {
  const [first, last = first] = range.split('-');
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: count }, (_, at) => String(Number(first) + at).padStart(first.length, '0'));
}

/** Finds how many tasks the node of a number has: of `2(x3),1` the fourth has 1; null where the text does not say. */
export function tasksOnNode(tasks: string, node: number): number | null {
  let first = 0;
  for (const part of tasks.split(',')) {
    const [, count, times = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    if (count === undefined) return null;
    first += Number(times);
    if (node < first) return Number(count);
  }
  return null;
}
