import { MENU_ROLES, type MenuItem, type MenuPart } from '../../protocol/host.ts';

const MOST_PARTS = 12;
const MOST_ITEMS = 40;
const MOST_LETTERS = 120;
const ACCELERATOR = /^((CmdOrCtrl|Alt|Shift)\+){0,3}([!-~]|F\d{1,2}|[A-Z][A-Za-z]{1,11})$/;

/** Reads a menu that a page sent and leaves out malformed entries; null when it is no menu at all. */
export function readMenu(given: unknown): MenuPart[] | null {
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST_PARTS) return null;
  const parts = given.map(readPart);
  return parts.every((part): part is MenuPart => part !== null) ? parts : null;
}

function readPart(given: unknown): MenuPart | null {
  const { label, items } = record(given);
  if (!isText(label) || !Array.isArray(items) || items.length > MOST_ITEMS) return null;
  return { label, items: items.map(readItem).filter((item): item is MenuItem => item !== null) };
}

function readItem(given: unknown): MenuItem | null {
  const { kind, id, label, accelerator, enabled, checked, role } = record(given);
  if (kind === 'line') return { kind };
  if (!isText(label)) return null;
  if (kind === 'role') {
    const known = MENU_ROLES.find((name) => name === role);
    return known ? { kind, role: known, label } : null;
  }
  if (kind !== 'command' || !isText(id)) return null;
  return {
    kind,
    id,
    label,
    accelerator: isText(accelerator) && ACCELERATOR.test(accelerator) ? accelerator : '',
    enabled: enabled === true,
    ...(typeof checked === 'boolean' ? { checked } : {}),
  };
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MOST_LETTERS;
const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
