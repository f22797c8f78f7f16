/** Names of the IPC channels between the preload script and the main process, and the address of the window. */
export const CHANNELS = {
  /** RPC, both ways. */
  rpc: 'stillhouse:rpc',
  /** The port is closed. */
  closed: 'stillhouse:closed',
  /** A menu command, to the window. */
  menu: 'stillhouse:menu',
  /** The menu in the window's words, to the main process. */
  setMenu: 'stillhouse:set-menu',
  /** The window's preferences, to the main process. */
  settings: 'stillhouse:settings',
  /** The window can be asked to open something, to the main process. */
  ready: 'stillhouse:ready',
  /** Something to open, to the window. */
  open: 'stillhouse:open',
  pickFolder: 'stillhouse:pick-folder',
  pickFile: 'stillhouse:pick-file',
  saveFile: 'stillhouse:save-file',
  showFile: 'stillhouse:show-file',
} as const;

export const APP_ORIGIN = 'app://stillhouse';
export const IMAGE_SCHEME = 'thumb';
