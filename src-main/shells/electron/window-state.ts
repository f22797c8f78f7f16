import { readFileSync, writeFileSync } from 'node:fs';
import { screen, type BrowserWindow, type Rectangle } from 'electron';

interface WindowState {
  bounds: Rectangle;
  maximized: boolean;
}

const DEFAULT_SIZE = { width: 1280, height: 800 };

/**
 * Reads size and place that a window had last, if that place is still on a screen; else returns a default size in the
 * middle.
 */
export function readWindowState(file: string): { size: Partial<Rectangle>; maximized: boolean } {
  const state = parse(file);
  if (!state) return { size: DEFAULT_SIZE, maximized: false };
  const { x, y, width, height } = state.bounds;
  const seen = screen.getAllDisplays().some(({ workArea }) => overlaps(workArea, state.bounds));
  return { size: seen ? { x, y, width, height } : { width, height }, maximized: state.maximized };
}

/** Writes a window's size and place when it closes. */
export function keepWindowState(window: BrowserWindow, file: string): void {
  window.on('close', () => {
    const state: WindowState = { bounds: window.getNormalBounds(), maximized: window.isMaximized() };
    try {
      writeFileSync(file, JSON.stringify(state));
    } catch {
      // A full disk must not keep a window from closing.
    }
  });
}

function parse(file: string): WindowState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as WindowState;
    const { x, y, width, height } = state.bounds;
    const numbers = [x, y, width, height].every((value) => Number.isInteger(value));
    return numbers && width >= 400 && height >= 300 ? state : undefined;
  } catch {
    return undefined;
  }
}

function overlaps(area: Rectangle, window: Rectangle): boolean {
  const across = Math.min(area.x + area.width, window.x + window.width) - Math.max(area.x, window.x);
  const down = Math.min(area.y + area.height, window.y + window.height) - Math.max(area.y, window.y);
  return across > 100 && down > 100;
}
