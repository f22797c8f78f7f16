import * as v from 'valibot';
import type { DesktopSettings, OpenRequest } from './desktop.ts';
import { StillhouseError } from './errors.ts';
import { FIRST, whatIsWrong } from './shapes.ts';

/**
 * Defines what a shell gives the window beside the service. In Electron the preload script exposes one frozen {@link
 * Host} as `window.stillhouse`. In a browser there is none: the window connects a WebSocket to {@link SOCKET_PATH} of
 * its own origin (the cookie that the first page set is its ticket) and takes images from {@link IMAGE_PATH}.
 */
export const SOCKET_PATH = '/port';

/** An image by id: `/image/<id>` in a browser, `thumb://image/<id>` in Electron. */
export const IMAGE_PATH = '/image/';

/** Actions of the native side on a click in the menu, by Electron's names. */
export const MENU_ROLES = [
  'close',
  'quit',
  'undo',
  'redo',
  'cut',
  'copy',
  'paste',
  'selectAll',
  'reload',
  'toggleDevTools',
  'resetZoom',
  'zoomIn',
  'zoomOut',
  'togglefullscreen',
  'minimize',
] as const;
export type MenuRole = (typeof MENU_ROLES)[number];

/** A line of the native menu in the words of the window: one of its commands, something native, or a line between. */
export type MenuItem =
  | {
      kind: 'command';
      id: string;
      label: string;
      /** As Electron writes accelerators; '' for none. The window itself hears the key. */
      accelerator: string;
      enabled: boolean;
      /** For what is switched on and off. */
      checked?: boolean;
    }
  | { kind: 'role'; role: MenuRole; label: string }
  | { kind: 'line' };

/** One menu of the menu bar. */
export interface MenuPart {
  label: string;
  items: MenuItem[];
}

/** The native side of a desktop window. All methods are safe to call at any time. */
export interface Host {
  readonly shell: 'electron';
  /** Sends one RPC message to the service. */
  post(message: unknown): void;
  /** Hears every RPC message from the service; those that came before the first listener are kept for it. */
  onMessage(listener: (message: unknown) => void): void;
  /** The service is gone; a reload of the window starts another. */
  onClose(listener: () => void): void;
  /** Address of an image, for `<img src>`. */
  imageUrl(id: string): string;
  /** Where a file or folder lies that was dropped on the window; '' where that is not known. */
  pathOf(file: object): string;
  /** Asks for a folder with the native dialog; null when the person cancels. */
  pickFolder(): Promise<string | null>;
  /** Asks for one file; `extensions` without dots. */
  pickFile(extensions: string[]): Promise<string | null>;
  /** Asks where to save; `suggested` is a file name. */
  saveFile(suggested: string): Promise<string | null>;
  /** Shows a file in the file manager. */
  showFile(path: string): Promise<void>;
  /** Sets the native menu. */
  setMenu(parts: MenuPart[]): void;
  /** Hears the id of each command that was chosen in the menu. */
  onMenu(listener: (command: string) => void): void;
  /** Tells the native side of changed preferences. */
  tellSettings(settings: DesktopSettings): void;
  /** Hears the paths that the window is asked to open, also those from before the first listener. */
  onOpen(listener: (request: OpenRequest) => void): void;
}

const path = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(4096),
  v.check((text) => !text.includes('\0'), 'a path'),
);

/** Arguments that a page may hand to each call of the native side. */
const HOST_ARGUMENTS = {
  pickFolder: v.undefined(),
  /** Extensions without dots. */
  pickFile: v.pipe(v.array(v.pipe(v.string(), v.regex(/^\w[\w.-]{0,15}$/))), v.maxLength(32)),
  saveFile: path,
  showFile: path,
} as const;
export type HostCall = keyof typeof HOST_ARGUMENTS;
export type HostArgument<Name extends HostCall> = v.InferOutput<(typeof HOST_ARGUMENTS)[Name]>;

/** Reads the argument of a call to the native side. @throws StillhouseError `argument.invalid`. */
export function readHostArgument<Name extends HostCall>(name: Name, argument: unknown): HostArgument<Name> {
  const parsed = v.safeParse(HOST_ARGUMENTS[name], argument, FIRST);
  if (!parsed.success) throw new StillhouseError('argument.invalid', whatIsWrong(parsed.issues[0], name));
  return parsed.output;
}
