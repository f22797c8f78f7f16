import type { Decode, DecodeNow } from '../../data/decode/decode.ts';
import { decodeImage, decodeImageNow, type DecoderParts } from '../../runtime/images.ts';

/** The engine's own image decoder, as the data pipeline takes it. */
export function engineDecode(engine: DecoderParts): Decode {
  return (bytes) => decodeImage(engine, bytes);
}

/** The same on the thread that calls it. */
export function engineDecodeNow(engine: DecoderParts): DecodeNow {
  return (bytes, crop, room) => decodeImageNow(engine, bytes, crop, room);
}
