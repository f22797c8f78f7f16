import { reason, ReasonError } from '../../protocol/reasons.ts';
import { endsEarly } from './ends-early.ts';
import type { Pixels } from './pixels.ts';
import { netpbmHeader, type NetpbmHeader } from './image-size.ts';

/**
 * Decodes a PBM, PGM or PPM image, plain or raw, 8 or 16 bits, to RGB.
 * @throws ReasonError
 */
export function decodeNetpbm(bytes: Uint8Array): Pixels {
  const header = netpbmHeader(bytes);
  if (!header) throw new ReasonError(reason('image.bad-header', { format: 'PPM' }));
  const { width, height, maximum, kind } = header;
  if (kind === 'P1' || kind === 'P4') return decodeBits(bytes, header);
  const channels = kind === 'P2' || kind === 'P5' ? 1 : 3;
  // A plain sample takes at least two characters (the last one one), so this bounds what is allocated.
  const least = width * height * channels;
  if (bytes.length - header.offset + 1 < least) throw endsEarly();
  const samples =
    kind === 'P2' || kind === 'P3' ? plainSamples(bytes, header, least) : rawSamples(bytes, header, least);
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) {
    const sample = samples[channels === 3 ? at : Math.floor(at / 3)];
    if (sample > maximum) throw new ReasonError(reason('image.sample-beyond', { sample, maximum }));
    data[at] = maximum === 255 ? sample : Math.floor((sample * 255 + maximum / 2) / maximum);
  }
  return { width, height, data };
}

/** A bitmap: 1 is black. */
function decodeBits(bytes: Uint8Array, { width, height, kind, offset }: NetpbmHeader): Pixels {
  const row = Math.ceil(width / 8);
  if (bytes.length - offset < (kind === 'P4' ? row * height : width * height)) throw endsEarly();
  const data = new Uint8Array(width * height * 3);
  let at = offset;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    let isBlack = (bytes[offset + y * row + (x >> 3)] & (0x80 >> (x & 7))) !== 0;
    if (kind === 'P1') {
      while (at < bytes.length && bytes[at] !== 0x30 && bytes[at] !== 0x31) at++;
      if (at === bytes.length) throw endsEarly();
      isBlack = bytes[at++] === 0x31;
    }
    data.fill(isBlack ? 0 : 255, pixel * 3, pixel * 3 + 3);
  }
  return { width, height, data };
}

function rawSamples(bytes: Uint8Array, { offset, maximum }: NetpbmHeader, count: number): ArrayLike<number> {
  const wide = maximum > 255;
  if (bytes.length - offset < count * (wide ? 2 : 1)) throw endsEarly();
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
  if (found < count) throw endsEarly();
  return samples;
}
