import { join } from 'node:path';
import { BrowserWindow, Notification, app, dialog } from 'electron';
import { StillhouseError, toPlainError } from '../../protocol/errors.ts';
import { homeFolder } from '../../runs/places.ts';
import { answerMenu } from './menu.ts';
import { answerHostCalls, relayPorts } from './port.ts';
import { answerSchemes, registerSchemes } from './schemes.ts';
import { ServiceHost } from './service-host.ts';
import { holdFast, openWindow } from './window.ts';

/**
 * Electron's main process: windows, menu, dialogs and ports. The service and every trainer are processes of their own,
 * so that nothing here ever waits for them. Runs on Electron 9 and later.
 */
const dist = join(__dirname, '..');
// A stock Node and threads read no archive: what runs beside the window lies unpacked beside it in a release.
const service = new ServiceHost(__dirname.replace(/\bapp\.asar\b/, 'app.asar.unpacked'));
let quitting = false;

// One place for each home, so that two homes are two instances.
app.setPath('userData', join(homeFolder(), 'window'));

// Whatever window anything opens, its page is in the sandbox; a person who is root has to say otherwise.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();

if (app.requestSingleInstanceLock()) {
  registerSchemes();
  app.on('web-contents-created', (_event, contents) => holdFast(contents));
  app.on('second-instance', showWindow);
  app.on('activate', showWindow);
  app.on('window-all-closed', leaveUnlessTraining);
  app.on('before-quit', (event) => {
    if (quitting) return;
    event.preventDefault();
    void askAndQuit();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void quit());
  service.onActivity((runs) => {
    if (runs === 0 && BrowserWindow.getAllWindows().length === 0 && !quitting) void quit();
  });
  void app.whenReady().then(begin).catch(fail);
} else {
  process.stderr.write(`${new StillhouseError('app.second-instance').message}\n`);
  app.exit(0);
}

function begin(): void {
  answerMenu();
  answerSchemes(join(dist, 'renderer'), (id) => service.picture(id));
  relayPorts(service);
  answerHostCalls();
  showWindow();
}

// A window that never opens would leave a process that nobody sees.
function fail(error: unknown): void {
  dialog.showErrorBox('Stillhouse cannot start', toPlainError(error).message);
  app.exit(1);
}

/** Brings the window to the front, opening it when there is none. */
function showWindow(): void {
  if (!app.isReady()) return;
  const [window] = BrowserWindow.getAllWindows();
  if (!window) {
    openWindow({
      preload: join(dist, 'preload', 'preload.cjs'),
      icon: join(dist, '..', 'resources', 'icons', '256x256.png'),
      stateFile: join(app.getPath('userData'), 'window-state.json'),
    });
    return;
  }
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}

/** Closing the last window ends the app, except while a run trains: it goes on, and a new start shows it again. */
function leaveUnlessTraining(): void {
  if (quitting || process.platform === 'darwin') return;
  if (service.active === 0) return app.quit();
  if (!Notification.isSupported()) return;
  new Notification({ title: 'Stillhouse', body: 'Training goes on. Start Stillhouse again to see it.' }).show();
}

async function askAndQuit(): Promise<void> {
  if (service.active > 0 && !(await confirmQuit())) return;
  await quit();
}

async function confirmQuit(): Promise<boolean> {
  const options = {
    type: 'question' as const,
    message: 'A run is training.',
    detail:
      'Training ends when Stillhouse quits. Its state is saved first, and you can resume it later. ' +
      'To keep it training, close the window instead.',
    buttons: ['Save, stop and quit', 'Keep training'],
    defaultId: 1,
    cancelId: 1,
  };
  const [window] = BrowserWindow.getAllWindows();
  const { response } = await (window ? dialog.showMessageBox(window, options) : dialog.showMessageBox(options));
  return response === 0;
}

/** Saves and stops what trains, ends the service, then the app. */
async function quit(): Promise<void> {
  if (quitting) return;
  quitting = true;
  for (const window of BrowserWindow.getAllWindows()) window.close();
  await service.end();
  app.quit();
}
