import { ipcMain, type WebContents } from 'electron';
import type { OpenRequest } from '../../protocol/desktop.ts';
import { CHANNELS } from './channels.ts';
import { isOwnSender } from './port.ts';

/** Requests to open something that no page has taken yet. */
const waiting: OpenRequest[] = [];
let page: WebContents | null = null;

/** Hands requests to the page, from when it says that it listens until it is left. */
export function answerOpening(): void {
  ipcMain.on(CHANNELS.ready, (event) => {
    if (!isOwnSender(event)) return;
    const contents = event.sender;
    const leave = (): void => {
      if (page === contents) page = null;
    };
    page = contents;
    contents.once('did-navigate', leave);
    contents.once('destroyed', leave);
    for (const request of waiting.splice(0)) contents.send(CHANNELS.open, request);
  });
}

/** Has the window open something: at once, or when it is there. */
export function askToOpen(request: OpenRequest): void {
  if (page && !page.isDestroyed()) page.send(CHANNELS.open, request);
  else waiting.push(request);
}
