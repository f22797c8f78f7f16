/** The greatest number of a half; what rounds beyond is infinite. */
export const MOST_HALF = 65504;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Rounds numbers to halves (IEEE 754 binary16), to the nearest and of two equally near to the even one. */
export function toHalf(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, halfBits);
}

function halfBits(value: number): number {
  float[0] = value;
  const sign = (bits[0] >>> 16) & 0x8000;
  const exponent = ((bits[0] >>> 23) & 0xff) - 112;
  const fraction = bits[0] & 0x7fffff;
  if (exponent === 143) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  if (exponent >= 31) return sign | 0x7c00;
  // Below the normal ones the leading one is written, further to the right.
  if (exponent <= 0) return exponent < -10 ? sign : sign | rounded(fraction | 0x800000, 14 - exponent);
  // A fraction that rounds up to the next power carries into the exponent, and into infinity.
  return sign | ((exponent << 10) + rounded(fraction, 13));
}

/** `value` without its last bits, to the nearest; of two equally near to the even one. */
function rounded(value: number, count: number): number {
  const kept = value >> count;
  const rest = value & ((1 << count) - 1);
  const middle = 1 << (count - 1);
  return kept + Number(rest > middle || (rest === middle && kept % 2 === 1));
}
