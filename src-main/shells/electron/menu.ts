import { Menu, app, type BrowserWindow, type MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../../protocol/host.ts';
import { CHANNELS } from './channels.ts';

const VIEWS: [MenuCommand, string][] = [
  ['data', 'Data'],
  ['recipe', 'Recipe'],
  ['train', 'Train'],
  ['checkpoints', 'Checkpoints'],
  ['evaluate', 'Evaluate'],
  ['export', 'Export'],
  ['engine', 'Engine'],
];

/** The native menu; its commands go to the window that has the focus. */
export function setMenu(): void {
  const mac: MenuItemConstructorOptions[] = process.platform === 'darwin' ? [{ role: 'appMenu' }] : [];
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([
      ...mac,
      {
        label: '&File',
        submenu: [
          command('open-folder', 'Open data folder…', 'CmdOrCtrl+O'),
          { type: 'separator' },
          { role: 'close' },
          { role: 'quit' },
        ],
      },
      { role: 'editMenu' },
      { label: '&Go', submenu: VIEWS.map(([view, label], index) => command(view, label, `CmdOrCtrl+${index + 1}`)) },
      {
        label: '&View',
        submenu: [
          { role: 'reload' },
          ...(app.isPackaged ? [] : [{ role: 'toggleDevTools' } as const]),
          { type: 'separator' },
          { role: 'resetZoom' },
          { role: 'zoomIn' },
          { role: 'zoomOut' },
          { type: 'separator' },
          { role: 'togglefullscreen' },
        ],
      },
      { role: 'windowMenu' },
    ]),
  );
}

function command(name: MenuCommand, label: string, accelerator: string): MenuItemConstructorOptions {
  return {
    id: name,
    label,
    accelerator,
    click: (_item, window) => (window as BrowserWindow | undefined)?.webContents.send(CHANNELS.menu, name),
  };
}
