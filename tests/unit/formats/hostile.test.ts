import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src-main/formats/source.ts';
import { openWeightFile } from '../../../src-main/formats/weight-file.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';
import { HOSTILE, inflatedViews, TOUCHED, torchLegacy, torchZip } from './hostile-files.ts';

function attempt(bytes: Uint8Array): unknown {
  try {
    const { tensors } = openWeightFile(bytesSource(bytes), 'x.pth');
    for (const array of tensors.values()) array.toFloat32();
    return 'opened';
  } catch (error) {
    return error;
  }
}

describe('hostile files', () => {
  it.each(HOSTILE.map((file) => [file.name, file] as const))('%s', (_, { bytes, code, says }) => {
    const memory = process.memoryUsage().rss;
    const error = attempt(bytes);
    expect(error).toBeInstanceOf(StillhouseError);
    expect((error as StillhouseError).code).toBe(code);
    expect((error as StillhouseError).message).toMatch(says);
    expect((error as StillhouseError).message.length).toBeLessThan(1000);
    expect(process.memoryUsage().rss - memory).toBeLessThan(600e6);
    expect(existsSync(TOUCHED)).toBe(false);
  });

  it('cannot have one storage inflated for each of a thousand views', () => {
    const memory = process.memoryUsage().rss;
    expect(attempt(inflatedViews(32 << 20, 1000))).toMatchObject({ code: 'weights.format' });
    expect(String(attempt(inflatedViews(32 << 20, 1000)))).toMatch(/inflated again and again: a zip bomb/);
    expect(process.memoryUsage().rss - memory).toBeLessThan(600e6);
    expect(attempt(inflatedViews(1 << 10, 3))).toBe('opened');
  });

  it('are told from good ones: the same containers are read when nothing is wrong', () => {
    const pickle = Buffer.from(
      '\x80\x02}(\x8c\x01actorch._utils\n_rebuild_tensor_v2\n((\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x04tQ' +
        'K\x00(K\x02K\x02t(K\x02K\x01t\x89NtRu.',
      'latin1',
    );
    for (const file of [torchZip(pickle), torchLegacy(pickle)]) expect(attempt(file)).toBe('opened');
  });

  it('neither kind', () => {
    expect(attempt(Buffer.from('<html>not found</html>'))).toMatchObject({ code: 'weights.format' });
    expect(attempt(Buffer.alloc(0))).toMatchObject({ code: 'weights.format' });
  });
});
