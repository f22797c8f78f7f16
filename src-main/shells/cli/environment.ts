import { nearest } from '../../base/nearest-word.ts';

/** The variables of the environment that are read here; those that begin with STILLHOUSE_TEST_ are for the tests. */
export const VARIABLES = [
  ...(['STILLHOUSE_HOME', 'STILLHOUSE_CACHE', 'STILLHOUSE_NODE'] as const),
  ...(['STILLHOUSE_WEIGHTS_MIRROR', 'STILLHOUSE_WEIGHTS_TABLE', 'STILLHOUSE_RANKS_SECRET'] as const),
] as const;

/** Makes a note for each variable that is named like one of ours but that nothing reads. */
export function strangeVariables(environment: NodeJS.ProcessEnv): string[] {
  const names: readonly string[] = VARIABLES;
  const strange = Object.keys(environment).filter(
    (name) => /^STILL_?HOUSE_/i.test(name) && !names.includes(name) && !name.startsWith('STILLHOUSE_TEST_'),
  );
  return strange.map((name) => {
    const near = nearest(name.toUpperCase(), names);
    const hint = near ? `Did you mean ${near}?` : `Those that are read: ${names.join(', ')}.`;
    return `The environment variable ${name} changes nothing. ${hint}`;
  });
}
