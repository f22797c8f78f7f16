/** Parses JSON that this program wrote. Earlier versions said `pictures` where a file says `images` now. */
export function parseOwnJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || !('pictures' in value)) return value;
    const { pictures, ...others } = value;
    return { ...others, images: pictures };
  });
}
