/** Has the browser save a text as a file. */
export function saveText(text: string, name: string, type = 'text/csv'): void {
  saveBlob(new Blob([text], { type }), name);
}

/** Has the browser save bytes as a file. */
export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Lets the page answer and draw. */
const rest = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** Makes a file from parts, one after the other, so that the page can do other things between them. */
export async function blobOf(parts: Iterable<string>, type = 'text/csv'): Promise<Blob> {
  const all: Blob[] = [];
  for (const part of parts) {
    all.push(new Blob([part]));
    await rest();
  }
  return new Blob(all, { type });
}
