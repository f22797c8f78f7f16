/**
 * Keys as text: `Mod+Alt+Shift+K`, parts in this order. `Mod` is ⌘ on a Mac, else Ctrl. A sign such as `?` stands for
 * itself, whatever is held to type it.
 */
export const MAC = typeof navigator !== 'undefined' && /mac/i.test(navigator.platform);

/** The parts of a KeyboardEvent that name a key. */
export type Press = Pick<
  KeyboardEvent,
  'key' | 'code' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey' | 'isComposing'
> & {
  getModifierState?: (name: string) => boolean;
};

/**
 * Returns the key that was pressed, as text; '' for a modifier alone, an input method at work, or a key that no command
 * uses.
 */
export function keyOf(press: Press, mac = MAC): string {
  if (press.isComposing || (mac ? press.ctrlKey : press.metaKey)) return '';
  // AltGr types a sign, and Windows tells it as Ctrl and Alt.
  const typed = press.getModifierState?.('AltGraph') ?? false;
  const mod = !typed && (mac ? press.metaKey : press.ctrlKey);
  const alt = !typed && press.altKey;
  const base = baseOf(press, mod || alt);
  const shift = press.shiftKey && !isSign(base);
  return base && [mod && 'Mod', alt && 'Alt', shift && 'Shift', base].filter(Boolean).join('+');
}

const NAMED =
  /^(F\d{1,2}|Enter|Tab|Escape|Backspace|Delete|Insert|Home|End|PageUp|PageDown|Arrow(Up|Down|Left|Right))$/;

/** Letters by what they type, or by their place where they type no Latin letter; digits by their place when held. */
function baseOf({ key, code }: Press, held: boolean): string {
  const digit = /^Digit(\d)$/.exec(code);
  if (digit && (held || key === digit[1])) return digit[1];
  if (key === ' ') return 'Space';
  if (/^[a-z]$/i.test(key)) return key.toUpperCase();
  if (/^[!-~]$/.test(key)) return key;
  const letter = /^Key([A-Z])$/.exec(code);
  if (letter && key !== 'Dead' && key.length === 1) return letter[1];
  return NAMED.test(key) ? key : '';
}

const isSign = (base: string): boolean => base.length === 1 && !/[A-Z0-9]/.test(base);

/** Tells whether a key types, so that it counts only where nothing is typed. */
export function isTypedKey(key: string, mac = MAC): boolean {
  return !key.includes('Mod+') && (mac || !key.includes('Alt+')) && !/(^|\+)F\d/.test(key);
}

/** Tells whether keys type or choose here: a field, a list of choices. */
export function isField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !/^(checkbox|radio|range|button|file)$/.test(target.type);
}

/** Keys that edit, reload or zoom everywhere; a command must leave these alone. */
const EVERYWHERE = keys(
  'Mod+A Mod+C Mod+V Mod+X Mod+Z Mod+Y Mod+Shift+Z Mod+Shift+V Mod+R Mod+Shift+R Mod+Q Mod+W Mod+0 Mod+- Mod++ Mod+= Alt+F4 F5 F11 F12',
);
/** Keys that a browser keeps for its tabs and windows and never passes to a page. */
const BROWSER = keys(
  'Mod+T Mod+N Mod+Shift+T Mod+Shift+N Mod+Shift+W Mod+Tab Mod+Shift+Tab Mod+PageUp Mod+PageDown Mod+1 Mod+2 Mod+3 Mod+4 Mod+5 Mod+6 Mod+7 Mod+8 Mod+9 Mod+F4 Alt+ArrowLeft Alt+ArrowRight Alt+Home',
);
/** Keys that work the controls of a page. */
const CONTROLS = keys(
  'Enter Space Tab Escape Backspace Delete Home End PageUp PageDown ArrowUp ArrowDown ArrowLeft ArrowRight',
);

function keys(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** Tells whether a command cannot have a key in this shell. */
export function isReserved(key: string, browser: boolean): boolean {
  return EVERYWHERE.has(key) || CONTROLS.has(key.replace(/^Shift\+/, '')) || (browser && BROWSER.has(key));
}

const SIGNS: Record<string, string> = { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→' };
const MAC_SIGNS: Record<string, string> = { Mod: '⌘', Alt: '⌥', Shift: '⇧', Enter: '↩', ...SIGNS };
const PC_SIGNS: Record<string, string> = { Mod: 'Ctrl', ...SIGNS };

/** Writes a key as people of this machine read it. */
export function describeKey(key: string, mac = MAC): string {
  const names = mac ? MAC_SIGNS : PC_SIGNS;
  return partsOf(key)
    .map((part) => names[part] ?? part)
    .join(mac ? '' : '+');
}

/** Writes a key for `aria-keyshortcuts`. */
export function ariaKey(key: string, mac = MAC): string {
  return partsOf(key)
    .map((part) => (part === 'Mod' ? (mac ? 'Meta' : 'Control') : part))
    .join('+');
}

/** `Mod++` has the sign itself last. */
function partsOf(key: string): string[] {
  return key.endsWith('++') ? [...key.slice(0, -2).split('+'), '+'] : key === '+' ? ['+'] : key.split('+');
}
