import * as v from 'valibot';
import { fill } from './errors.ts';

/** Preferences that the window sends to the native side. */
const desktopSettings = v.strictObject({
  locale: v.picklist(['en', 'zh-CN']),
  /** Tell of runs that end while the window is not looked at. */
  notify: v.boolean(),
  /** Keep the machine from sleeping while a run trains. */
  keepAwake: v.boolean(),
});
export type DesktopSettings = v.InferOutput<typeof desktopSettings>;

/** Reads the preferences that a window sent; null when they are malformed. */
export function readDesktopSettings(given: unknown): DesktopSettings | null {
  const read = v.safeParse(desktopSettings, given);
  return read.success ? read.output : null;
}

/**
 * A request of the native side to open something in the window: the run that a person clicked, or the queue for ''; or
 * whatever lies at a path from the root that the app was started with.
 */
export type OpenRequest = { kind: 'run'; run: string } | { kind: 'path'; path: string };

/** The words that are said outside of the window: in the tray, notifications and native dialogs. */
const en = {
  finished: 'Run finished',
  failed: 'Run failed',
  failedText: '{run}. Click to see why.',
  held: 'Run paused: the disk is full',
  heldText: '{run}. Free some space; it goes on by itself.',
  queueStopped: 'The queue waits',
  queueStoppedText: 'No further run starts. Click to see why.',
  background: 'Training goes on',
  backgroundText: 'Start Stillhouse again, or use its icon in the tray, to see it.',
  progress: 'Epoch {epoch}/{epochs}, {percent} %',
  left: '{line}, {hours} h {minutes} min left',
  leftMinutes: '{line}, {minutes} min left',
  starting: 'Starting',
  pausing: 'Pausing',
  paused: 'Paused',
  stopping: 'Stopping',
  idle: 'No run trains',
  show: 'Show Stillhouse',
  pause: 'Pause',
  proceed: 'Continue',
  stop: 'Save and stop',
  quit: 'Quit',
  quitTitle: 'A run is training.',
  quitText:
    'Training ends when Stillhouse quits. Its state is saved first, and you can resume it later. ' +
    'In the background it goes on without the window.',
  quitStop: 'Save, stop and quit',
  quitKeep: 'Keep training in the background',
  cancel: 'Cancel',
  diedTitle: 'The window stopped working.',
  diedText: 'Training is not affected: it runs in a process of its own. Load the window again to see it.',
  diedReload: 'Load again',
  diedClose: 'Close',
  weights: 'Weights',
  cannotStart: 'Stillhouse cannot start',
};
export type DesktopText = keyof typeof en;

/** Every native text by language. */
export const DESKTOP_TEXTS: Record<DesktopSettings['locale'], Record<DesktopText, string>> = {
  en,
  'zh-CN': {
    finished: '运行已完成',
    failed: '运行失败',
    failedText: '{run}。点击查看原因。',
    held: '运行已暂停：磁盘已满',
    heldText: '{run}。请腾出空间，之后会自动继续。',
    queueStopped: '队列已暂停',
    queueStoppedText: '不会再开始新的运行。点击查看原因。',
    background: '训练仍在继续',
    backgroundText: '再次启动 Stillhouse 或使用托盘图标即可查看。',
    progress: '第 {epoch}/{epochs} 轮，{percent} %',
    left: '{line}，剩余 {hours} 小时 {minutes} 分',
    leftMinutes: '{line}，剩余 {minutes} 分',
    starting: '正在启动',
    pausing: '正在暂停',
    paused: '已暂停',
    stopping: '正在停止',
    idle: '没有正在训练的运行',
    show: '显示 Stillhouse',
    pause: '暂停',
    proceed: '继续',
    stop: '保存并停止',
    quit: '退出',
    quitTitle: '有运行正在训练。',
    quitText: '退出 Stillhouse 会结束训练。其状态会先保存，之后可以恢复。也可以不显示窗口，让训练在后台继续。',
    quitStop: '保存、停止并退出',
    quitKeep: '在后台继续训练',
    cancel: '取消',
    diedTitle: '窗口停止工作。',
    diedText: '训练不受影响：它在单独的进程中运行。重新载入窗口即可查看。',
    diedReload: '重新载入',
    diedClose: '关闭',
    weights: '权重',
    cannotStart: 'Stillhouse 无法启动',
  },
};

/** Returns one of the native texts, with its `{names}` filled in. */
export function desktopText(
  locale: DesktopSettings['locale'],
  name: DesktopText,
  params: Record<string, string | number> = {},
): string {
  return fill(DESKTOP_TEXTS[locale][name], params);
}
