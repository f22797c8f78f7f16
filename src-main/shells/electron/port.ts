import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import {
  BrowserWindow,
  dialog,
  ipcMain,
  shell,
  type IpcMainEvent,
  type IpcMainInvokeEvent,
  type WebContents,
} from 'electron';
import { readHostArgument, type HostArgument, type HostCall } from '../../protocol/host.ts';
import { CHANNELS } from './channels.ts';
import type { RelayPort } from './relay.ts';
import type { ServiceHost } from './service-host.ts';
import { say, takeSettings } from './settings.ts';
import { isOwnAddress } from './window.ts';

type Sender = IpcMainEvent | IpcMainInvokeEvent;

/**
 * Tells whether a message comes from the top frame of one of our windows, at our own address. Everything that arrives
 * by IPC is asked this first.
 */
export function isOwnSender(event: Sender): boolean {
  const window = BrowserWindow.fromWebContents(event.sender);
  if (!window || event.sender.getType() !== 'window') return false;
  // Electron 9 does not tell the frame; there the policy of the page allows none but the top one.
  const frame = 'senderFrame' in event ? event.senderFrame : undefined;
  if (frame === null || (frame && frame.parent !== null)) return false;
  return isOwnAddress(frame ? frame.url : event.sender.getURL());
}

/**
 * Connects each page to a port of its own in the service, from its first message until it is left; drops what strangers
 * send.
 */
export function relayPorts(service: ServiceHost): void {
  const ports = new Map<number, RelayPort>();
  ipcMain.on(CHANNELS.rpc, (event, message: unknown) => {
    if (!isOwnSender(event)) return;
    const contents = event.sender;
    const port = ports.get(contents.id) ?? openPort(service, contents, ports);
    port.post(message);
  });
}

function openPort(service: ServiceHost, contents: WebContents, ports: Map<number, RelayPort>): RelayPort {
  const port = service.open();
  const { id } = contents;
  const leave = (): void => {
    ports.delete(id);
    port.close();
  };
  ports.set(id, port);
  contents.once('did-navigate', leave);
  contents.once('destroyed', leave);
  port.onMessage((message) => {
    if (!contents.isDestroyed()) contents.send(CHANNELS.rpc, message);
  });
  port.onClose(() => {
    const lost = ports.delete(id);
    if (contents.isDestroyed()) return;
    contents.removeListener('did-navigate', leave);
    contents.removeListener('destroyed', leave);
    // A page that was left hears nothing: another one is in its place.
    if (lost) contents.send(CHANNELS.closed);
  });
  return port;
}

/** Answers what only the native side can do: dialogs and the file manager. */
export function answerHostCalls(): void {
  ipcMain.on(CHANNELS.settings, (event, given: unknown) => {
    if (isOwnSender(event)) takeSettings(given);
  });
  handle('pickFolder', async (window) => {
    const { filePaths } = await dialog.showOpenDialog(window, { properties: ['openDirectory', 'createDirectory'] });
    return filePaths[0] ?? null;
  });
  handle('pickFile', async (window, extensions) => {
    const { filePaths } = await dialog.showOpenDialog(window, {
      properties: ['openFile'],
      filters: [{ name: say('weights'), extensions }],
    });
    return filePaths[0] ?? null;
  });
  handle('saveFile', async (window, suggested) => {
    const { filePath } = await dialog.showSaveDialog(window, { defaultPath: suggested });
    return filePath || null;
  });
  handle('showFile', async (_window, file) => {
    // Whatever is no file of this machine (an address, a share that would be logged in to) is not looked at.
    if (isAbsolute(file) && !/^[\\/]{2}/.test(file) && existsSync(file)) shell.showItemInFolder(file);
  });
}

function handle<Name extends HostCall>(
  name: Name,
  answer: (window: BrowserWindow, argument: HostArgument<Name>) => Promise<unknown>,
): void {
  ipcMain.handle(CHANNELS[name], async (event, argument: unknown) => {
    const window = BrowserWindow.fromWebContents(event.sender);
    if (!isOwnSender(event) || !window) throw new Error(`${CHANNELS[name]}: refused`);
    return answer(window, readHostArgument(name, argument));
  });
}
