import { Menu, app, ipcMain, type BrowserWindow, type MenuItemConstructorOptions } from 'electron';
import type { MenuItem, MenuPart } from '../../protocol/host.ts';
import { CHANNELS } from './channels.ts';
import { readMenu } from './menu-parts.ts';
import { isOwnSender } from './port.ts';

/**
 * Makes the native menu. Its entries follow from the window's command table, in the window's language; until the window
 * has sent them, it holds only Electron's own.
 */
export function answerMenu(): void {
  setMenu([]);
  ipcMain.on(CHANNELS.setMenu, (event, given: unknown) => {
    const parts = isOwnSender(event) ? readMenu(given) : null;
    if (parts) setMenu(parts);
  });
}

function setMenu(parts: readonly MenuPart[]): void {
  const onMac = (role: 'appMenu' | 'windowMenu'): MenuItemConstructorOptions[] =>
    process.platform === 'darwin' ? [{ role }] : [];
  const menus = parts.map(({ label, items }) => ({ label, submenu: items.filter(isOffered).map(lineOf) }));
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([
      ...onMac('appMenu'),
      ...(menus.length ? menus : [{ role: 'editMenu' as const }]),
      ...onMac('windowMenu'),
    ]),
  );
}

const isOffered = (item: MenuItem): boolean =>
  item.kind !== 'role' || item.role !== 'toggleDevTools' || !app.isPackaged;

function lineOf(item: MenuItem): MenuItemConstructorOptions {
  if (item.kind === 'line') return { type: 'separator' };
  if (item.kind === 'role') return { role: item.role, label: item.label };
  const { id, label, accelerator, enabled, checked } = item;
  return {
    id,
    label,
    enabled,
    ...(accelerator ? { accelerator } : {}),
    // Shown only: the window hears the key itself, and would do the command twice.
    registerAccelerator: false,
    ...(checked === undefined ? {} : { type: 'checkbox' as const, checked }),
    click: (_item, window) => (window as BrowserWindow | undefined)?.webContents.send(CHANNELS.menu, id),
  };
}
