import { isReserved } from '../components/shell/keys.ts';
import type { OwnKeys } from '../stores/preferences.ts';
import { COMMANDS, type Command } from './table.ts';

/**
 * Returns the keys of a command: a person's own, else its usual ones, without those that this shell keeps for itself.
 */
export function keysOf(command: Command, own: OwnKeys, browser: boolean): readonly string[] {
  return (own[command.id] ?? command.keys).filter((key) => !isReserved(key, browser));
}

/** Finds the command that has a key. */
export function commandOf(key: string, own: OwnKeys, browser: boolean): Command | null {
  return COMMANDS.find((command) => keysOf(command, own, browser).includes(key)) ?? null;
}

/** Gives `id` this one key in a person's keys; another command that had it loses it. */
export function bound(own: OwnKeys, id: string, key: string, browser: boolean): OwnKeys {
  const loser = commandOf(key, own, browser);
  const taken =
    loser && loser.id !== id ? { [loser.id]: keysOf(loser, own, browser).filter((one) => one !== key) } : {};
  return { ...own, ...taken, [id]: key ? [key] : [] };
}

/** Gives `id` its own keys again in a person's keys; a command that had taken one of them gives it back. */
export function unbound(own: OwnKeys, id: string): OwnKeys {
  const command = COMMANDS.find((one) => one.id === id)!;
  const { [id]: _, ...others } = own;
  return Object.fromEntries(
    Object.entries(others).map(([other, keys]) => [other, keys.filter((key) => !command.keys.includes(key))]),
  );
}
