import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodePicture, readableSize, type Decode, type Pixels } from '../../../src-main/data/decode.ts';
import { pictureSize } from '../../../src-main/data/picture-size.ts';
import { lookAt, openPicture } from '../../../src-main/data/picture.ts';
import { decodePng } from '../../../src-main/data/png.ts';
import { reasonOf } from '../../../src-main/data/read-file.ts';
import { cropPixels, resizePixels } from '../../../src-main/data/resize.ts';
import { engineDecode } from '../../../src-main/service/engine-decode.ts';
import { testEngine } from '../../helpers/engine.ts';
import facts from '../../fixtures/pictures/pictures.json';

const folder = fileURLToPath(new URL('../../fixtures/pictures/', import.meta.url));
const bytesOf = (name: string): Promise<Buffer> => readFile(join(folder, name));
type Fact = { width: number; height: number; mean: number[]; sha256: string } | { error: string };
const entries = Object.entries(facts) as [string, Fact][];
const readable = entries.filter((entry): entry is [string, Exclude<Fact, { error: string }>] => 'width' in entry[1]);
const factOf = new Map(readable);
const formats: Record<string, string> = { jpg: 'jpeg', ppm: 'netpbm', pgm: 'netpbm', tif: 'tiff' };

describe('pictureSize', () => {
  it.each(readable)('finds format and size of %s', async (name, fact) => {
    const extension = name.split('.')[1];
    const size = extension === 'tif' ? { width: 0, height: 0 } : { width: fact.width, height: fact.height };
    expect(pictureSize(await bytesOf(name))).toEqual({ format: formats[extension] ?? extension, ...size });
  });

  it('survives every header cut short and damaged', async () => {
    let found = 0;
    for (const [name] of entries) {
      const bytes = (await bytesOf(name)).subarray(0, 400);
      for (let length = 0; length < bytes.length; length++)
        found += Number(pictureSize(bytes.subarray(0, length)) !== null);
      for (let at = 0; at < bytes.length; at++)
        for (const value of [0, 0x7f, 0xff]) {
          const damaged = Buffer.from(bytes);
          damaged[at] = value;
          const size = pictureSize(damaged);
          if (size && size.format !== 'tiff') expect(size.width * size.height).toBeGreaterThan(0);
        }
    }
    expect(found).toBeGreaterThan(1000);
  });

  it('refuses a picture that would fill the memory', async () => {
    const bytes = await bytesOf('rgb.png');
    bytes.writeUInt32BE(60000, 16);
    bytes.writeUInt32BE(60000, 20);
    expect(() => readableSize(bytes)).toThrow('60000 × 60000 pixels are too many');
  });
});

describe('our own decoders', () => {
  it.each(['raw.ppm', 'plain.ppm', 'grey.pgm'])('decode %s as Pillow does', async (name) => {
    const bytes = await bytesOf(name);
    const { data } = await decodePicture(bytes, readableSize(bytes), null, noEngine);
    expect(sha256(data)).toBe(factOf.get(name)!.sha256);
  });

  it('say what is wrong with a PPM', async () => {
    const decode = (text: string): Promise<Pixels> => {
      const bytes = Buffer.from(text, 'latin1');
      return decodePicture(bytes, { format: 'netpbm', width: 2, height: 1 }, null, noEngine);
    };
    await expect(decode('P6 2 1 255\n12345')).rejects.toThrow('ends before');
    await expect(decode('P3 2 1 255\n1 2 3 4 5')).rejects.toThrow('ends before');
    await expect(decode('P3 2 1 9\n1 2 3 4 5 10')).rejects.toThrow('above the stated maximum');
    await expect(decode('P6 99999999 99999999 255\n1')).rejects.toThrow('ends before');
    expect([...(await decode('P2 2 1 3\n3 1')).data]).toEqual([255, 255, 255, 85, 85, 85]);
  });

  it.each(['rgb.png', 'alpha.png', 'palette-alpha.png', 'grey.png'])('read %s', async (name) => {
    const { width, height, data } = decodePng(await bytesOf(name));
    const rgb = Uint8Array.from({ length: width * height * 3 }, (_, at) => data[Math.floor(at / 3) * 4 + (at % 3)]);
    expect(sha256(rgb)).toBe(factOf.get(name)!.sha256);
  });
});

const noEngine: Decode = () => Promise.reject(new Error('no engine here'));
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const means = ({ data }: Pixels): number[] =>
  [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let at = channel; at < data.length; at += 3) sum += data[at];
    return sum / (data.length / 3);
  });

describe('the engine as decoder', () => {
  let decode: Decode;
  beforeAll(async () => {
    decode = engineDecode(await testEngine());
  });

  it.each(readable.filter(([name]) => name !== 'scan.tif'))('decodes %s as Pillow does', async (name, fact) => {
    const bytes = await bytesOf(name);
    const pixels = await decodePicture(bytes, readableSize(bytes), null, decode);
    expect(pixels).toMatchObject({ width: fact.width, height: fact.height });
    if (LOSSLESS.test(name)) expect(sha256(pixels.data)).toBe(fact.sha256);
    else for (const [channel, mean] of means(pixels).entries()) expect(mean).toBeCloseTo(fact.mean[channel], 0);
  });

  it.each([
    ['truncated.jpg', /Invalid JPEG/],
    ['headless.jpg', /header is damaged/],
    ['text.jpg', /not a picture/],
    ['empty.png', /empty/],
    ['scan.tif', /convert it to PNG/],
  ])('says why %s cannot be used', async (name, reason) => {
    const bytes = await bytesOf(name);
    const attempt = (async () => decodePicture(bytes, readableSize(bytes), null, decode))();
    expect(reasonOf(await attempt.catch((error: unknown) => error))).toMatch(reason);
  });

  it.each(['plain.jpg', 'rgb.png', 'animated.gif', 'plain.bmp', 'lossless.webp', 'raw.ppm', 'large.jpg'])(
    'cuts and resizes %s as Pillow does',
    async (name) => {
      const bytes = await bytesOf(name);
      const picture = await openPicture(bytes, decode);
      const all = await decodePicture(bytes, picture, null, decode);
      const crop = { left: picture.width >> 3, top: 3, width: picture.width >> 1, height: picture.height - 8 };
      for (const size of [
        { width: 64, height: 48 },
        { width: 12, height: 12 },
        { width: crop.width, height: crop.height },
      ]) {
        const ours = await lookAt(picture, { crop, size, filter: 'bicubic', mirror: false }, decode);
        const pillow = resizePixels(cropPixels(all, crop), size, 'bicubic');
        const differences = Array.from(ours.data, (value, at) => Math.abs(value - pillow.data[at]));
        expect(ours).toMatchObject(size);
        // Of a large JPEG only the cut is decoded: colours at its edge are smeared less.
        expect(Math.max(...differences)).toBeLessThanOrEqual(name === 'large.jpg' ? 8 : 1);
        expect(differences.filter((difference) => difference > 1).length / differences.length).toBeLessThan(0.02);
      }
    },
  );
});

const LOSSLESS =
  /^(plain|raw)\.(bmp|ppm)|png$|^animated|^lossless|^extended|pgm$|^(plain|progressive|rotated|grey|large)\.jpg/;
