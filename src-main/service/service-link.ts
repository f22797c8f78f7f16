import type { PictureFile } from './datasets.ts';

/**
 * What a desktop shell and the service process say to each other over one channel. Windows are ports, numbered by the
 * shell; what passes through them is the window's own RPC. All of it is plain data.
 */
export type ToService =
  | { type: 'open'; port: number }
  | { type: 'message'; port: number; body: unknown }
  | { type: 'close'; port: number }
  /** Where is the picture with this id? Answered by `picture`. */
  | { type: 'picture'; request: number; id: string }
  /** Stop and save what runs, then end. Answered by the end of the process. */
  | { type: 'end' }
  /** From a trainer that the shell started on the service's behalf. */
  | { type: 'trainer-message'; trainer: number; body: unknown }
  | { type: 'trainer-exit'; trainer: number; code: number | null; signal: string | null };

export type FromService =
  | { type: 'message'; port: number; body: unknown }
  | { type: 'picture'; request: number; picture: PictureFile | null }
  /** How many runs are training; sent when it changes. */
  | { type: 'active'; runs: number }
  /** Start a trainer: only asked for where the service cannot start a process itself. */
  | { type: 'trainer-start'; trainer: number; env: Record<string, string> }
  | { type: 'trainer-message'; trainer: number; body: unknown }
  | { type: 'trainer-kill'; trainer: number };
