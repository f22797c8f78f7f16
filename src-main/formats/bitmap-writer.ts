const HEADER = 54;

/**
 * Writes raw pixels as a Windows bitmap of 24 bits, which changes none of them.
 * @param planes bytes [3, side, side]: all of red, row by row from the top, then green, then blue.
 */
export function bitmapOf(planes: Uint8Array, side: number): Uint8Array {
  const row = Math.ceil((side * 3) / 4) * 4;
  const file = Buffer.alloc(HEADER + row * side);
  file.write('BM', 0, 'latin1');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(HEADER, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(side, 18);
  file.writeInt32LE(side, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  file.writeUInt32LE(row * side, 34);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      // Rows go upwards, colours are blue, green, red.
      const at = HEADER + (side - 1 - y) * row + x * 3;
      for (let channel = 0; channel < 3; channel++) file[at + 2 - channel] = planes[(channel * side + y) * side + x];
    }
  return file;
}
