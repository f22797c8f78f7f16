import { join } from 'node:path';
import { BrowserWindow, Menu, Tray, nativeImage, powerSaveBlocker, type MenuItemConstructorOptions } from 'electron';
import type { RunWatch, WatchedRun } from './run-watch.ts';
import { say, settings } from './settings.ts';

export interface SignOptions {
  watch: RunWatch;
  /** Folder of the icons. */
  icons: string;
  /** True while the app works without a window to be seen. */
  background(): boolean;
  show(): void;
  quit(): void;
}

const STEADY = ['running', 'paused'] as const;

/** Shows a training outside of the window: an icon in the tray, progress in the task bar, no sleep. */
export class RunSigns {
  private tray: Tray | null = null;
  private blocker: number | null = null;
  private shown = '';

  constructor(private readonly options: SignOptions) {}

  /** Shows how it stands now; cheap when nothing has changed. */
  update(): void {
    const runs = [...this.options.watch.runs.values()];
    this.keepAwake(runs);
    this.showProgress(runs);
    this.showTray(runs);
  }

  close(): void {
    this.tray?.destroy();
    this.tray = null;
    if (this.blocker !== null) powerSaveBlocker.stop(this.blocker);
    this.blocker = null;
  }

  private keepAwake(runs: readonly WatchedRun[]): void {
    const wanted = settings().keepAwake && runs.some(({ state }) => state !== 'paused');
    if (wanted === (this.blocker !== null)) return;
    if (wanted) this.blocker = powerSaveBlocker.start('prevent-app-suspension');
    else powerSaveBlocker.stop(this.blocker!);
    if (!wanted) this.blocker = null;
  }

  private showProgress(runs: readonly WatchedRun[]): void {
    const [run] = runs;
    const mode = run && runs.every(({ state }) => state === 'paused') ? 'paused' : 'normal';
    for (const window of BrowserWindow.getAllWindows()) window.setProgressBar(run ? run.part : -1, { mode });
  }

  private showTray(runs: readonly WatchedRun[]): void {
    const lines = runs.map((run) => `${run.id}: ${describe(run)}`);
    const now = JSON.stringify([lines, runs.map(({ state }) => state), settings().locale, this.options.background()]);
    if (now === this.shown) return;
    this.shown = now;
    if (runs.length === 0 && !this.options.background()) {
      this.tray?.destroy();
      this.tray = null;
      return;
    }
    this.tray ??= this.openTray();
    this.tray.setToolTip(['Stillhouse', ...(lines.length ? lines : [say('idle')])].join('\n'));
    this.tray.setContextMenu(Menu.buildFromTemplate(this.menu(runs)));
  }

  private openTray(): Tray {
    const size = process.platform === 'darwin' ? '16x16.png' : '32x32.png';
    const tray = new Tray(nativeImage.createFromPath(join(this.options.icons, size)));
    tray.on('click', () => this.options.show());
    return tray;
  }

  private menu(runs: readonly WatchedRun[]): MenuItemConstructorOptions[] {
    return [
      ...runs.flatMap((run) => this.linesOf(run)),
      { id: 'show', label: say('show'), click: () => this.options.show() },
      { id: 'quit', label: say('quit'), click: () => this.options.quit() },
    ];
  }

  private linesOf(run: WatchedRun): MenuItemConstructorOptions[] {
    const { watch } = this.options;
    const resting = run.state === 'paused' || run.state === 'pausing';
    return [
      { label: run.id, enabled: false },
      { label: describe(run), enabled: false },
      {
        id: resting ? 'continue' : 'pause',
        label: say(resting ? 'proceed' : 'pause'),
        enabled: run.state !== 'stopping' && run.state !== 'starting',
        click: () => watch.ask(resting ? 'run.continue' : 'run.pause', run.id),
      },
      {
        id: 'stop',
        label: say('stop'),
        enabled: run.state !== 'stopping',
        click: () => watch.ask('run.stop', run.id),
      },
      { type: 'separator' },
    ];
  }
}

/** Where a run stands, in a line. */
function describe({ state, epoch, epochs, part, secondsLeft }: WatchedRun): string {
  const steady = STEADY.find((one) => one === state);
  if (!steady) return say(state as 'starting' | 'pausing' | 'stopping');
  if (epoch === null || epochs === 0) return say(steady === 'paused' ? 'paused' : 'starting');
  const line = say('progress', { epoch: Math.min(epoch + 1, epochs), epochs, percent: Math.floor(part * 100) });
  if (steady === 'paused') return `${say('paused')}: ${line}`;
  const minutes = Math.ceil((secondsLeft ?? 0) / 60);
  if (secondsLeft === null) return line;
  if (minutes < 60) return say('leftMinutes', { line, minutes });
  return say('left', { line, hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}
