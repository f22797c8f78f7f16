import type { Decode, DecodeNow } from '../../data/decode/decode.ts';
import { decodeImage, decodeImageNow, type DecoderParts } from '../../runtime/images.ts';

/** Makes a decoder for the data pipeline out of the engine's own. */
export function engineDecode(engine: DecoderParts): Decode {
  return (bytes) => decodeImage(engine, bytes);
}

/** Makes a decoder as {@link engineDecode} does, which works on the calling thread. */
export function engineDecodeNow(engine: DecoderParts): DecodeNow {
  return (bytes, crop, room) => decodeImageNow(engine, bytes, crop, room);
}
