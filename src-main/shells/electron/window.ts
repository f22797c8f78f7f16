import { existsSync } from 'node:fs';
import { BrowserWindow, dialog, type WebContents } from 'electron';
import { APP_ORIGIN } from './channels.ts';
import { say } from './settings.ts';
import { keepWindowState, readWindowState } from './window-state.ts';

export interface WindowOptions {
  /** preload.cjs. */
  preload: string;
  icon: string;
  /** Where size and place are kept. */
  stateFile: string;
}

/** Opens the window: sandboxed, isolated, without Node, and held to its own address. */
export function openWindow({ preload, icon, stateFile }: WindowOptions): BrowserWindow {
  const { size, maximized } = readWindowState(stateFile);
  const window = new BrowserWindow({
    ...size,
    minWidth: 800,
    minHeight: 560,
    title: 'Stillhouse',
    ...(existsSync(icon) ? { icon } : {}),
    show: false,
    backgroundColor: '#16181b',
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      spellcheck: false,
      // On unless said otherwise in Electron 9; later ones have none.
      ...({ enableRemoteModule: false } as object),
    },
  });
  if (maximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  keepWindowState(window, stateFile);
  offerReload(window);
  void window.loadURL(`${APP_ORIGIN}/`).catch(() => undefined);
  return window;
}

/** Tells whether an address belongs to the window itself. */
export function isOwnAddress(address: string): boolean {
  return address === APP_ORIGIN || address.startsWith(`${APP_ORIGIN}/`);
}

/** Refuses what no page of ours does: going elsewhere, opening windows, webviews, every permission but the camera. */
export function holdFast(contents: WebContents): void {
  const refuse = (event: { preventDefault(): void }): void => event.preventDefault();
  contents.on('will-navigate', (event, address) => {
    if (!isOwnAddress(address ?? (event as { url?: string }).url ?? '')) event.preventDefault();
  });
  contents.on('will-redirect', refuse);
  contents.on('will-attach-webview', refuse);
  if (typeof contents.setWindowOpenHandler === 'function') contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  else (contents as NodeJS.EventEmitter).on('new-window', refuse);
  const { session } = contents;
  session.setPermissionRequestHandler((_contents, permission, done, details) => {
    const { mediaTypes = [], requestingUrl = '' } = details as { mediaTypes?: string[]; requestingUrl?: string };
    done(isCamera(permission, mediaTypes, requestingUrl));
  });
  session.setPermissionCheckHandler((_contents, permission, origin, { mediaType }) =>
    isCamera(permission, mediaType ? [mediaType] : [], origin),
  );
  session.setDevicePermissionHandler?.(() => false);
}

/** An image to try may be taken: by our own page, without sound. */
function isCamera(permission: string, mediaTypes: readonly string[], address: string): boolean {
  const imagesOnly = mediaTypes.length > 0 && mediaTypes.every((type) => type === 'video');
  return permission === 'media' && imagesOnly && isOwnAddress(address.replace(/\/$/, ''));
}

/** When the page itself dies, training goes on in its own process: say so and offer the window back. */
function offerReload(window: BrowserWindow): void {
  let asking = false;
  const ask = async (): Promise<void> => {
    if (asking || window.isDestroyed()) return;
    asking = true;
    const { response } = await dialog.showMessageBox(window, {
      type: 'warning',
      message: say('diedTitle'),
      detail: say('diedText'),
      buttons: [say('diedReload'), say('diedClose')],
      defaultId: 0,
      cancelId: 1,
    });
    asking = false;
    if (window.isDestroyed()) return;
    if (response === 0) window.reload();
    else window.destroy();
  };
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    // Chromium is still putting the old page away: a reload from inside this event takes the whole app down.
    if (reason !== 'clean-exit') setTimeout(() => void ask(), 100);
  });
}
