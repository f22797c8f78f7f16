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
  pickFolder: 'stillhouse:pick-folder',
  pickFile: 'stillhouse:pick-file',
  saveFile: 'stillhouse:save-file',
  showFile: 'stillhouse:show-file',
} as const;

export const APP_ORIGIN = 'app://stillhouse';
export const PICTURE_SCHEME = 'thumb';
