import { isReserved } from '../components/shell/keys.ts';
import type { OwnKeys } from '../stores/preferences.ts';
import { COMMANDS, type Command } from './table.ts';

/** The keys a command has now: a person's own, else those it comes with, without what this shell keeps for itself. */
export function keysOf(command: Command, own: OwnKeys, browser: boolean): readonly string[] {
  return (own[command.id] ?? command.keys).filter((key) => !isReserved(key, browser));
}

/** The command that has a key. */
export function commandOf(key: string, own: OwnKeys, browser: boolean): Command | null {
  return COMMANDS.find((command) => keysOf(command, own, browser).includes(key)) ?? null;
}

/** A person's keys after `id` was given this one alone; another command that had it goes without. */
export function bound(own: OwnKeys, id: string, key: string, browser: boolean): OwnKeys {
  const loser = commandOf(key, own, browser);
  const taken =
    loser && loser.id !== id ? { [loser.id]: keysOf(loser, own, browser).filter((one) => one !== key) } : {};
  return { ...own, ...taken, [id]: key ? [key] : [] };
}

/** A person's keys after `id` has its own again; whoever took one of them gives it back. */
export function unbound(own: OwnKeys, id: string): OwnKeys {
  const command = COMMANDS.find((one) => one.id === id)!;
  const { [id]: _, ...others } = own;
  return Object.fromEntries(
    Object.entries(others).map(([other, keys]) => [other, keys.filter((key) => !command.keys.includes(key))]),
  );
}
