import { reasonOf } from '../../../src-main/protocol/errors.ts';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { sayReason, ReasonError } from '../../../src-main/protocol/reasons.ts';
import { drawTrain } from '../../../src-main/data/augment/augment.ts';
import { decodeImage, type Decode } from '../../../src-main/data/decode/decode.ts';
import type { Pixels } from '../../../src-main/data/decode/pixels.ts';
import { readableSize, readingOf } from '../../../src-main/data/decode/reading.ts';
import { imageSize } from '../../../src-main/data/decode/image-size.ts';
import { imageMaker, type Look } from '../../../src-main/data/decode/image.ts';
import { decodePng } from '../../../src-main/data/decode/png.ts';
import { Random } from '../../../src-main/data/random.ts';
import { cropPixels, flipRows, resizePixels } from '../../../src-main/data/decode/resize.ts';
import { encodeJpeg } from '../../../src-main/runtime/images.ts';
import { engineDecode, engineDecodeNow } from '../../../src-main/job-process/images/engine-decode.ts';
import { testEngine } from '../../helpers/engine.ts';
import facts from '../../fixtures/images/images.json';

const folder = fileURLToPath(new URL('../../fixtures/images/', import.meta.url));
const bytesOf = (name: string): Promise<Buffer> => readFile(join(folder, name));
type Fact = { width: number; height: number; mean: number[]; sha256: string } | { error: string };
const entries = Object.entries(facts) as [string, Fact][];
const readable = entries.filter((entry): entry is [string, Exclude<Fact, { error: string }>] => 'width' in entry[1]);
const factOf = new Map(readable);
const entriesOf = (pattern: RegExp): string[] => [...factOf.keys()].filter((name) => pattern.test(name));
const formats: Record<string, string> = { jpg: 'jpeg', ppm: 'netpbm', pgm: 'netpbm', pbm: 'netpbm', tif: 'tiff' };

describe('imageSize', () => {
  it.each(readable.filter(([name]) => name !== 'photo.avif'))('finds format and size of %s', async (name, fact) => {
    const extension = name.split('.')[1];
    const size = extension === 'tif' ? { width: 0, height: 0 } : { width: fact.width, height: fact.height };
    expect(imageSize(await bytesOf(name))).toEqual({ format: formats[extension] ?? extension, ...size });
  });

  it('survives every header cut short and damaged', async () => {
    let found = 0;
    for (const [name] of entries) {
      const bytes = (await bytesOf(name)).subarray(0, 400);
      for (let length = 0; length < bytes.length; length++)
        found += Number(imageSize(bytes.subarray(0, length)) !== null);
      for (let at = 0; at < bytes.length; at++)
        for (const value of [0, 0x7f, 0xff]) {
          const damaged = Buffer.from(bytes);
          damaged[at] = value;
          const size = imageSize(damaged);
          if (size && size.format !== 'tiff') expect(size.width * size.height).toBeGreaterThan(0);
        }
    }
    expect(found).toBeGreaterThan(1000);
  });

  it('refuses an image that would fill the memory', async () => {
    const bytes = await bytesOf('rgb.png');
    bytes.writeUInt32BE(60000, 16);
    bytes.writeUInt32BE(60000, 20);
    expect(() => readableSize(bytes)).toThrow('60000 × 60000 pixels are too many');
  });
});

describe('our own decoders', () => {
  it.each(entriesOf(/\.(bmp|gif|webp|jpg|p[bgp]m)$/))('end with a reason where %s is cut or damaged', async (name) => {
    const bytes = await bytesOf(name);
    const read = (damaged: Uint8Array): void => {
      try {
        const size = readableSize(damaged);
        if (size.width * size.height < 1e6) readingOf(damaged, size);
      } catch (error) {
        expect(error).toBeInstanceOf(ReasonError);
      }
    };
    for (let length = 0; length < Math.min(bytes.length, 400); length++) read(bytes.subarray(0, length));
    const random = new Random(0, 'augment', 0, 0);
    for (let turn = 0; turn < 90; turn++) {
      const damaged = Uint8Array.from(bytes);
      for (let flip = 0; flip <= turn % 3; flip++)
        damaged[random.integer(Math.min(bytes.length, 200))] = random.integer(256);
      read(damaged);
    }
  });

  it.each(entriesOf(/\.(p[bgp]m|bmp|gif)$/))('decode %s as Pillow does', async (name) => {
    const bytes = await bytesOf(name);
    const { data } = await decodeImage(bytes, readableSize(bytes), null, noEngine);
    expect(sha256(data)).toBe(factOf.get(name)!.sha256);
  });

  it('say what is wrong with a PPM', async () => {
    const decode = (text: string): Promise<Pixels> => {
      const bytes = Buffer.from(text, 'latin1');
      return decodeImage(bytes, { format: 'netpbm', width: 2, height: 1 }, null, noEngine);
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
    decode = engineDecode((await testEngine()).tensorflow);
  });

  it.each(readable.filter(([name]) => !REFUSED.test(name)))('decodes %s as Pillow does', async (name, fact) => {
    const bytes = await bytesOf(name);
    const pixels = await decodeImage(bytes, readableSize(bytes), null, decode);
    expect(pixels).toMatchObject({ width: fact.width, height: fact.height });
    if (name in NEARLY)
      expect(Math.max(...means(pixels).map((mean, at) => Math.abs(mean - fact.mean[at])))).toBeLessThan(NEARLY[name]);
    else expect(sha256(pixels.data)).toBe(fact.sha256);
  });

  it.each([
    ['truncated.jpg', /Invalid JPEG/],
    ['headless.jpg', /header is damaged/],
    ['text.jpg', /not an image/],
    ['empty.png', /empty/],
    ['scan.tif', /it is TIFF, .*convert it to PNG/],
    ['photo.avif', /it is AVIF, .*convert it to PNG/],
    ['12bit.jpg', /JPEG of 12 bits/],
    ['lossless.jpg', /lossless .*JPEG/],
  ])('says why %s cannot be used', async (name, reason) => {
    const bytes = await bytesOf(name);
    const attempt = (async () => decodeImage(bytes, readableSize(bytes), null, decode))();
    expect(sayReason(reasonOf(await attempt.catch((error: unknown) => error)))).toMatch(reason);
  });

  it.each(['plain.jpg', 'rgb.png', 'animated.gif', 'plain.bmp', 'lossless.webp', 'raw.ppm', 'large.jpg'])(
    'shows %s as Pillow decodes, cuts and resizes it',
    async (name) => {
      const bytes = await bytesOf(name);
      const all = await decodeImage(bytes, readableSize(bytes), null, decode);
      const options = { inputSize: 48, scaleMin: 0.08, hflip: 0.5, evalCropRatio: 0.875 };
      const maker = imageMaker(options, engineDecodeNow((await testEngine()).tensorflow));
      const into = new Uint8Array(48 * 48 * 3);
      for (let index = 0; index < 5; index++) {
        maker.fromFile(bytes, [[{ draws: new Random(0, 'augment', 0, index) }, into]], false);
        const { crop, flip } = drawTrain(new Random(0, 'augment', 0, index), all.width, all.height, options);
        const pillow = resizePixels(cropPixels(all, crop), { width: 48, height: 48 }, 'bicubic');
        const expected = flip ? flipRows(pillow) : pillow;
        const differences = Array.from(into, (value, at) => Math.abs(value - expected.data[at]));
        expect(differences.filter((difference) => difference > 1).length / differences.length).toBeLessThan(0.02);
        expect(Math.max(...differences)).toBeLessThanOrEqual(2);
      }
    },
  );

  it('makes the same of a JPEG decoded in part, whole, for several looks at once, and kept', async () => {
    const engine = await testEngine();
    const scene = await decodeImage(await bytesOf('rgb.png'), readableSize(await bytesOf('rgb.png')), null, decode);
    const wide = resizePixels(scene, { width: 150, height: 110 }, 'bicubic');
    const coded = [true, false].flatMap((fullColour) =>
      [true, false].map((progressive) => encodeJpeg(engine.tensorflow, wide, { quality: 90, fullColour, progressive })),
    );
    const files = [
      'plain',
      'large',
      'grey',
      'cmyk',
      'cmyk-unmarked',
      'ycck',
      'arithmetic',
      'progressive',
      'wide-chroma',
    ].map((name) => bytesOf(`${name}.jpg`));
    const options = { inputSize: 40, scaleMin: 0.02, hflip: 0.5, evalCropRatio: 0.875, aa: 'rand-m9-mstd0.5-inc1' };
    const maker = imageMaker(options, engineDecodeNow(engine.tensorflow));
    const looks = (): [Look, Uint8Array][] =>
      Array.from({ length: 10 }, (_, index) => [
        { draws: new Random(1, 'augment', 0, index) },
        new Uint8Array(40 * 40 * 3),
      ]);
    for (const bytes of await Promise.all([...coded, ...files])) {
      const [alone, together, again] = [looks(), looks(), looks()];
      for (const look of alone) maker.fromFile(bytes, [look], false);
      const kept = maker.fromFile(bytes, together, true);
      maker.fromPixels(kept!, again);
      const shown = (made: [Look, Uint8Array][]): Uint8Array[] => made.map(([, pixels]) => pixels);
      expect(shown(together)).toEqual(shown(alone));
      expect(shown(again)).toEqual(shown(alone));
    }
  });
});

/** What Pillow reads and Stillhouse refuses. */
const REFUSED = /\.(tif|avif)$|^(12bit|lossless)\.jpg/;
/** Images with other pixels than Pillow's, and the most that the mean of a channel differs by (docs/images.md). */
const NEARLY: Record<string, number> = { 'cmyk.jpg': 1, 'cmyk-unmarked.jpg': 1, 'ycck.jpg': 1 };
