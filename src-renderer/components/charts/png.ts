/** Pixels of the image to one of the drawing. */
const SCALE = 2;

/** Paints an SVG text that says its own width and height, at twice its size. @throws where it cannot be painted. */
export async function pngOf(svg: string): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = SCALE * image.naturalWidth;
    canvas.height = SCALE * image.naturalHeight;
    canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
    if (!blob) throw new Error('pngOf: expected an image, got none');
    return blob;
  } finally {
    URL.revokeObjectURL(address);
  }
}
