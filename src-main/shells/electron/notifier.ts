import { BrowserWindow, Notification } from 'electron';
import type { DesktopText } from '../../protocol/desktop.ts';
import type { RunNews } from './run-watch.ts';
import { say, settings } from './settings.ts';

const WORDS: Record<RunNews['kind'], [DesktopText, DesktopText | null]> = {
  finished: ['finished', null],
  failed: ['failed', 'failedText'],
  held: ['held', 'heldText'],
  queue: ['queueStopped', 'queueStoppedText'],
};

/** Those on screen; one that nothing holds would be collected, and its click lost. */
const open = new Set<Notification>();

/**
 * Shows news of a run on the desktop, unless the person looks at the window or wants none.
 * @returns whether it was shown.
 */
export function notify({ kind, run }: RunNews, click: () => void): boolean {
  if (!settings().notify || BrowserWindow.getFocusedWindow()) return false;
  const [title, body] = WORDS[kind];
  return show(say(title), body ? say(body, { run }) : run, click);
}

/** Tells that training goes on without a window. */
export function tellBackground(click: () => void): void {
  show(say('background'), say('backgroundText'), click);
}

function show(title: string, body: string, click: () => void): boolean {
  if (!Notification.isSupported()) return false;
  const notification = new Notification({ title, body });
  open.add(notification);
  notification.on('click', () => {
    open.delete(notification);
    click();
  });
  notification.on('close', () => open.delete(notification));
  notification.show();
  return true;
}
