/** Writes rows as CSV by the rules of RFC 4180, each line with CR and LF; the first row holds the names. */
export function csvText(rows: readonly (readonly (string | number | boolean | null | undefined)[])[]): string {
  const cell = (value: string | number | boolean | null | undefined): string => {
    const plain = String(value ?? '');
    return /[",\r\n]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
  };
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}
