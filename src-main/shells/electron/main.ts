import { join } from 'node:path';
import { BrowserWindow, app, dialog, powerMonitor } from 'electron';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import { homeFolder } from '../../runs/places.ts';
import { givenPath, wholePath } from './given-path.ts';
import { answerMenu } from './menu.ts';
import { notify, tellBackground } from './notifier.ts';
import { answerOpening, askToOpen } from './opening.ts';
import { answerHostCalls, relayPorts } from './port.ts';
import { RunSigns } from './run-signs.ts';
import { RunWatch } from './run-watch.ts';
import { answerSchemes, registerSchemes } from './schemes.ts';
import { ServiceHost } from './service-host.ts';
import { onSettings, say, useSystemLanguage } from './settings.ts';
import { holdFast, openWindow } from './window.ts';

/**
 * Electron's main process: windows, menu, dialogs and ports. The service and every job process are processes of their own,
 * so that nothing here ever waits for them. Runs on Electron 9 and later.
 */
const dist = join(__dirname, '..');
// A stock Node and threads read no archive: what runs beside the window lies unpacked beside it in a release.
const service = new ServiceHost(__dirname.replace(/\bapp\.asar\b/, 'app.asar.unpacked'));
const icons = join(dist, '..', 'resources', 'icons');
/** Milliseconds that the app stays without a window after a notification of a run's end: a click on it opens the app. */
const LINGER = 10 * 60_000;
const watch = new RunWatch();
const signs = new RunSigns({ watch, icons, background: isBackground, show: showWindow, quit: () => app.quit() });
let quitting = false;
/** The window was hidden, and training goes on. */
let hidden = false;
/** Something has trained since the window was last shown. */
let worked = false;
let lingering: NodeJS.Timeout | undefined;

// One place for each home, so that two homes are two instances.
app.setPath('userData', join(homeFolder(), 'window'));

// Whatever window anything opens, its page is in the sandbox; a person who is root has to say otherwise.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();

if (app.requestSingleInstanceLock()) {
  registerSchemes();
  app.on('web-contents-created', (_event, contents) => holdFast(contents));
  app.on('browser-window-created', (_event, window) => saveAtSessionEnd(window));
  app.on('second-instance', (_event, argv, folder) => openGiven(givenPath(argv, folder, app.isPackaged)));
  // macOS hands files over like this, even before the app is ready.
  app.on('open-file', (event, path) => {
    event.preventDefault();
    openGiven(wholePath(path, '/'));
  });
  app.on('activate', showWindow);
  app.on('window-all-closed', leaveUnlessTraining);
  app.on('before-quit', (event) => {
    if (quitting) return;
    event.preventDefault();
    void askAndQuit();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void quit());
  service.onStart(() => watch.follow(service.open()));
  service.onActivity((runs) => {
    worked ||= runs > 0;
    leaveWhenDone();
  });
  watch.onChange(() => {
    signs.update();
    leaveWhenDone();
  });
  watch.onNews((news) => {
    const told = notify(news, () => showRun(news.run));
    if (told && isBackground()) linger();
  });
  onSettings(() => signs.update());
  openGiven(givenPath(process.argv, process.cwd(), app.isPackaged));
  void app.whenReady().then(begin).catch(fail);
} else {
  process.stderr.write(`${new StillhouseError('app.second-instance').message}\n`);
  app.exit(0);
}

function begin(): void {
  answerMenu();
  useSystemLanguage();
  answerSchemes(join(dist, 'renderer'), (id) => service.image(id));
  relayPorts(service);
  answerHostCalls();
  answerOpening();
  saveAtShutdown();
  showWindow();
}

// A window that never opens would leave a process that nobody sees.
function fail(error: unknown): void {
  dialog.showErrorBox(say('cannotStart'), toPlainError(error).message);
  app.exit(1);
}

/** Brings the window to the front, opening it when there is none. */
function showWindow(): void {
  if (!app.isReady()) return;
  hidden = false;
  worked = service.active > 0;
  clearTimeout(lingering);
  lingering = undefined;
  const [window] = BrowserWindow.getAllWindows();
  if (!window) {
    openWindow({
      preload: join(dist, 'preload', 'preload.cjs'),
      icon: join(icons, '256x256.png'),
      stateFile: join(app.getPath('userData'), 'window-state.json'),
    });
  } else {
    if (window.isMinimized()) window.restore();
    window.show();
    window.focus();
  }
  signs.update();
}

/** Shows a run; the queue for ''. */
function showRun(run: string): void {
  showWindow();
  askToOpen({ kind: 'run', run });
}

/** Shows the window, and in it what lies at a path. */
function openGiven(path: string | null): void {
  showWindow();
  if (path !== null) askToOpen({ kind: 'path', path });
}

/** True while nothing of the app is on the screen. */
function isBackground(): boolean {
  return hidden || BrowserWindow.getAllWindows().length === 0;
}

/** Closing the last window ends the app, except while a run trains: it goes on, and a new start shows it again. */
function leaveUnlessTraining(): void {
  signs.update();
  if (quitting || process.platform === 'darwin') return;
  if (!isBusy()) return app.quit();
  tellBackground(showWindow);
}

/** Something trains, or will by itself. */
function isBusy(): boolean {
  return service.active > 0 || watch.runs.size > 0 || watch.goesOn;
}

/** Ends the app in the background, unless a person may still click on a notification. */
function leaveWhenDone(): void {
  if (worked && !quitting && !lingering && isBackground() && !isBusy()) void quit();
}

function linger(): void {
  clearTimeout(lingering);
  lingering = setTimeout(() => {
    lingering = undefined;
    leaveWhenDone();
  }, LINGER);
}

async function askAndQuit(): Promise<void> {
  const choice = service.active > 0 ? await askQuit() : 'quit';
  if (choice === 'quit') await quit();
  if (choice === 'background') hide();
}

async function askQuit(): Promise<'quit' | 'background' | 'cancel'> {
  const options = {
    type: 'question' as const,
    message: say('quitTitle'),
    detail: say('quitText'),
    buttons: [say('quitStop'), say('quitKeep'), say('cancel')],
    defaultId: 1,
    cancelId: 2,
  };
  const window = BrowserWindow.getAllWindows().find((one) => one.isVisible());
  const { response } = await (window ? dialog.showMessageBox(window, options) : dialog.showMessageBox(options));
  return (['quit', 'background', 'cancel'] as const)[response] ?? 'cancel';
}

/** Leaves the screen and goes on training. */
function hide(): void {
  hidden = true;
  for (const window of BrowserWindow.getAllWindows()) window.hide();
  tellBackground(showWindow);
  signs.update();
}

/** When the person logs out or the machine goes down, what trains is saved. */
function saveAtSessionEnd(window: BrowserWindow): void {
  // Known on Windows only.
  (window as NodeJS.EventEmitter).on('session-end', () => void quit());
}

function saveAtShutdown(): void {
  (powerMonitor as NodeJS.EventEmitter).on('shutdown', (event?: { preventDefault(): void }) => {
    // The system waits a while for the checkpoint.
    event?.preventDefault();
    void quit();
  });
}

/** Saves and stops what trains, ends the service, then the app. */
async function quit(): Promise<void> {
  if (quitting) return;
  quitting = true;
  clearTimeout(lingering);
  for (const window of BrowserWindow.getAllWindows()) window.close();
  await service.end();
  signs.close();
  app.quit();
}
