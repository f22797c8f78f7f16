import { reason, ReasonError } from '../protocol/reasons.ts';

/**
 * Reads the text of a file that a person or another program wrote: UTF-8, or UTF-16 with its mark (as Excel saves
 * "Unicode text"). Any other encoding is refused, since its letters would be guessed.
 * @throws ReasonError `file.not-utf8`
 */
export function readableText(bytes: Uint8Array): string {
  const mark = (bytes[0] << 8) | bytes[1];
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ReasonError(reason('file.not-utf8'), { cause });
  }
}
