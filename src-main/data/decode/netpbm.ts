import type { Pixels } from './pixels.ts';
import { netpbmHeader, type NetpbmHeader } from './image-size.ts';

/**
 * Decodes a PGM or PPM image, plain or raw, 8 or 16 bits, to RGB.
 * @throws Error saying what is wrong with it.
 */
export function decodeNetpbm(bytes: Uint8Array): Pixels {
  const header = netpbmHeader(bytes);
  if (!header) throw new Error('the PPM header is damaged');
  const { width, height, maximum, kind } = header;
  const channels = kind === 'P2' || kind === 'P5' ? 1 : 3;
  // A plain sample takes at least two characters (the last one one), so this bounds what is allocated.
  const least = width * height * channels;
  if (bytes.length - header.offset + 1 < least) throw new Error('the file ends before the image does');
  const samples =
    kind === 'P2' || kind === 'P3' ? plainSamples(bytes, header, least) : rawSamples(bytes, header, least);
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) {
    const sample = samples[channels === 3 ? at : Math.floor(at / 3)];
    if (sample > maximum) throw new Error(`a sample is ${sample}, above the stated maximum ${maximum}`);
    data[at] = maximum === 255 ? sample : Math.floor((sample * 255 + maximum / 2) / maximum);
  }
  return { width, height, data };
}

function rawSamples(bytes: Uint8Array, { offset, maximum }: NetpbmHeader, count: number): ArrayLike<number> {
  const wide = maximum > 255;
  if (bytes.length - offset < count * (wide ? 2 : 1)) throw new Error('the file ends before the image does');
  if (!wide) return bytes.subarray(offset, offset + count);
  return Uint16Array.from({ length: count }, (_, at) => (bytes[offset + 2 * at] << 8) | bytes[offset + 2 * at + 1]);
}

function plainSamples(bytes: Uint8Array, { offset }: NetpbmHeader, count: number): ArrayLike<number> {
  const samples = new Uint16Array(count);
  let [found, value, digits] = [0, 0, 0];
  for (let at = offset; at <= bytes.length && found < count; at++) {
    const byte = at < bytes.length ? bytes[at] : 0x20;
    if (byte >= 0x30 && byte <= 0x39) {
      value = Math.min(value * 10 + byte - 0x30, 65535);
      digits++;
    } else if (digits > 0) {
      samples[found++] = value;
      [value, digits] = [0, 0];
    }
  }
  if (found < count) throw new Error('the file ends before the image does');
  return samples;
}
