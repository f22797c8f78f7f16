import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { OpenRequest } from '../../protocol/desktop.ts';
import type { Host } from '../../protocol/host.ts';
import { CHANNELS, IMAGE_SCHEME } from './channels.ts';

const messages: ((message: unknown) => void)[] = [];
const early: unknown[] = [];

// Only the payload is handed on: an event object would carry the sender into the page.
ipcRenderer.on(CHANNELS.rpc, (_event, message: unknown) => {
  if (messages.length === 0) early.push(message);
  for (const listener of messages) listener(message);
});

const host: Host = {
  shell: 'electron',
  post: (message) => ipcRenderer.send(CHANNELS.rpc, message),
  onMessage: (listener) => {
    messages.push(listener);
    for (const message of early.splice(0)) listener(message);
  },
  onClose: (listener) => void ipcRenderer.on(CHANNELS.closed, () => listener()),
  imageUrl: (id) => `${IMAGE_SCHEME}://image/${encodeURIComponent(id)}`,
  // Electron before 32 has no webUtils and names the path itself.
  pathOf: (file) =>
    (webUtils as typeof webUtils | undefined)?.getPathForFile(file as File) ?? (file as { path?: string }).path ?? '',
  pickFolder: () => ipcRenderer.invoke(CHANNELS.pickFolder) as Promise<string | null>,
  pickFile: (extensions) => ipcRenderer.invoke(CHANNELS.pickFile, extensions) as Promise<string | null>,
  saveFile: (suggested) => ipcRenderer.invoke(CHANNELS.saveFile, suggested) as Promise<string | null>,
  showFile: (path) => ipcRenderer.invoke(CHANNELS.showFile, path) as Promise<void>,
  setMenu: (parts) => ipcRenderer.send(CHANNELS.setMenu, parts),
  onMenu: (listener) => void ipcRenderer.on(CHANNELS.menu, (_event, command: string) => listener(command)),
  tellSettings: (settings) => ipcRenderer.send(CHANNELS.settings, settings),
  onOpen: (listener) => {
    ipcRenderer.on(CHANNELS.open, (_event, request: OpenRequest) => listener(request));
    ipcRenderer.send(CHANNELS.ready);
  },
};

contextBridge.exposeInMainWorld('stillhouse', Object.freeze(host));
