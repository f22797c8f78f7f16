import type { MenuItem, MenuPart, MenuRole } from '../../src-main/protocol/host.ts';
import type { OwnKeys } from '../stores/preferences.ts';
import { keysOf } from './bindings.ts';
import type { Context } from './context.ts';
import { COMMANDS, viewOfCommand, type Command, type CommandGroup } from './table.ts';

/** A translation of the window's messages. */
export type Translate = (key: string, params?: Record<string, string | number>) => string;

/** Returns a command's title in the language of `t`. */
export function titleOf(command: Command, t: Translate): string {
  const view = viewOfCommand(command);
  return view ? t('commands.goTo', { view: t(`views.${view}`) }) : t(`commands.titles.${command.id}`);
}

/** Makes the native menu: the table's commands by group, and the entries that the native side adds itself. */
export function menuOf(now: Context, own: OwnKeys, mac: boolean, t: Translate): MenuPart[] {
  const group = (name: CommandGroup): MenuItem[] =>
    COMMANDS.filter((command) => command.group === name).map((command) => itemOf(command, now, own, mac, t));
  const roles = (...names: MenuRole[]): MenuItem[] =>
    names.map((role) => ({ kind: 'role', role, label: t(`commands.menu.${role}`) }));
  const line: MenuItem = { kind: 'line' };
  return [
    {
      label: t('commands.groups.file'),
      items: [...group('file'), line, ...group('weights'), line, ...roles('close', 'quit')],
    },
    {
      label: t('commands.menu.edit'),
      items: [...roles('undo', 'redo'), line, ...roles('cut', 'copy', 'paste', 'selectAll')],
    },
    { label: t('commands.groups.training'), items: group('training') },
    { label: t('commands.groups.go'), items: group('go') },
    {
      label: t('commands.menu.view'),
      items: [
        ...group('chart'),
        line,
        ...group('view'),
        line,
        ...roles('reload', 'toggleDevTools'),
        line,
        ...roles('resetZoom', 'zoomIn', 'zoomOut', 'togglefullscreen'),
      ],
    },
    { label: t('commands.menu.window'), items: roles('minimize') },
    { label: t('commands.groups.help'), items: group('help') },
  ];
}

function itemOf(command: Command, now: Context, own: OwnKeys, mac: boolean, t: Translate): MenuItem {
  const { id } = command;
  return {
    kind: 'command',
    id,
    label: titleOf(command, t),
    accelerator: acceleratorOf(keysOf(command, own, false)[0] ?? '', mac),
    enabled: !command.blocked?.(now),
    ...(command.on ? { checked: command.on(now) } : {}),
  };
}

/** A key in Electron's words. A Mac hears all that its menu names, so there it names none that types. */
function acceleratorOf(key: string, mac: boolean): string {
  if (!key.includes('Mod+') && (mac || !key.includes('Alt+'))) return '';
  return key
    .replace('Mod', 'CmdOrCtrl')
    .replace(/Arrow(?=[UDLR])/, '')
    .replace(/\+\+$/, '+Plus');
}
