import { defineStore } from 'pinia';
import { ref } from 'vue';
import { isRecord, keep, readKept } from '../composables/kept.ts';

/** Tokens of the colours for runs, `run-1` and on, which colour-blind readers can distinguish. */
export const RUN_COLORS: readonly string[] = Array.from({ length: 10 }, (_, index) => `run-${index + 1}`);
/** Lengths of dash and gap of runs whose colour another has already; unlike those that tell kinds of line apart. */
const RUN_DASHES: readonly (readonly number[])[] = [[], [14, 5], [14, 4, 3, 4], [14, 4, 3, 4, 3, 4]];
/** So many runs keep their colour; those that were compared longest ago lose theirs first. */
const MOST_KEPT = 500;

/** The colour of each run that was ever compared: a token of {@link RUN_COLORS} or a person's own `#rrggbb`. */
export const useRunColors = defineStore('run-colors', () => {
  const kept = readKept('run-colors', {}, isRecord);
  const colors = ref<Record<string, string>>(
    Object.fromEntries(Object.entries(kept).filter((one): one is [string, string] => isColor(one[1]))),
  );
  const save = (next: Record<string, string>): void => {
    colors.value = Object.fromEntries(Object.entries(next).slice(-MOST_KEPT));
    keep('run-colors', colors.value);
  };

  /** Gives each of the runs a colour that has none, of those that the others use least. */
  const assign = (ids: readonly string[]): void => {
    const next = { ...colors.value };
    for (const id of ids) next[id] ??= freest(ids.map((other) => next[other]));
    if (ids.some((id) => !(id in colors.value))) save(next);
  };
  const set = (id: string, color: string): void => {
    if (isColor(color)) save({ ...colors.value, [id]: color });
  };
  const of = (id: string): string => colors.value[id] ?? RUN_COLORS[0];
  return { colors, assign, set, of };
});

/** Chooses the dash of each run with these colours: the first run of each colour is solid. */
export function dashesOf(colors: readonly string[]): (readonly number[])[] {
  return colors.map((color, index) => {
    const before = colors.slice(0, index).filter((other) => other === color).length;
    return RUN_DASHES[before % RUN_DASHES.length];
  });
}

const isColor = (value: unknown): boolean =>
  typeof value === 'string' && (RUN_COLORS.includes(value) || /^#[\da-f]{6}$/i.test(value));

/** The first of the colours that is used least. */
function freest(used: readonly (string | undefined)[]): string {
  const count = (color: string): number => used.filter((one) => one === color).length;
  return [...RUN_COLORS].sort((one, other) => count(one) - count(other))[0];
}
