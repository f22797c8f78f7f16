import { describe, expect, it } from 'vitest';
import { asOnDisk, caseTwins, requireName } from '../../../src-main/base/names.ts';
import { StillhouseError } from '../../../src-main/protocol/errors.ts';

function refusal(path: string, platform: string): unknown {
  try {
    requireName(path, platform);
    return null;
  } catch (error) {
    if (!(error instanceof StillhouseError) || error.code !== 'disk.denied') throw error;
    return error.params.reason;
  }
}

// https://learn.microsoft.com/windows/win32/fileio/naming-a-file
const FORBIDDEN = [
  ...['CON', 'con', 'Prn', 'aux', 'NUL', 'com1', 'COM9', 'lpt1', 'LPT0', 'COM²', 'CONIN$', 'conout$'],
  ...['nul.txt', 'con.tar.gz', 'aux .onnx', 'run.', 'run ', '...', 'a:b', 'a<b', 'a>b', 'a"b', 'a|b', 'a?b', 'a*b'],
  ...['a\tb', 'a\0b', 'CON.'],
];
const ALLOWED = [
  'console',
  'com',
  'com10',
  'lpt',
  'nulled.txt',
  '.run',
  'a b',
  'run.v2',
  'Hütte',
  '图像',
  "it's",
  'COM1x',
];

describe('on Windows', () => {
  it.each(FORBIDDEN)('refuses %j wherever it stands in a path', (name) => {
    for (const path of [
      `C:\\runs\\${name}`,
      `D:\\${name}\\export.onnx`,
      `C:/runs/${name}/x`,
      `\\\\host\\share\\${name}`,
    ])
      expect(refusal(path, 'win32')).toEqual({ code: 'os.windows-name', params: { name } });
  });

  it.each(ALLOWED)('allows %j', (name) => {
    expect(refusal(`C:\\runs\\${name}`, 'win32')).toBeNull();
    expect(refusal(`\\\\?\\C:\\runs\\..\\.\\${name}`, 'win32')).toBeNull();
  });

  it('refuses a path that other programs cannot open', () => {
    const path = (length: number) => `C:\\${'folder\\'.repeat(30)}`.padEnd(length, 'x');
    expect(refusal(path(259), 'win32')).toBeNull();
    expect(refusal(path(260), 'win32')).toEqual({ code: 'os.windows-path', params: { count: 260, most: 259 } });
  });
});

it('allows all of it elsewhere', () => {
  for (const platform of ['linux', 'darwin'])
    for (const name of FORBIDDEN) expect(refusal(`/runs/${name}/${'x'.repeat(300)}`, platform)).toBeNull();
});

it('finds names that Windows and macOS take for one', () => {
  expect(caseTwins(['Cat', 'dog', 'cat', 'DOG', 'cats', 'CAT'])).toEqual([
    ['Cat', 'cat', 'CAT'],
    ['dog', 'DOG'],
  ]);
  // An accent as a letter of its own, as macOS writes it.
  expect(caseTwins(['É', 'e\u0301', 'e'])).toEqual([['É', 'e\u0301']]);
  expect(caseTwins(['a', 'ä', 'ß', 'ss', '猫', '犬'])).toEqual([]);
});

describe('a path in letters of another case', () => {
  const real = (path: string): string => {
    if (path.toLowerCase() === 'c:\\data\\flowers') return 'C:\\Data\\Flowers';
    if (path === '/link/flowers') return '/Volumes/flowers';
    throw Object.assign(new Error('none'), { code: 'ENOENT' });
  };

  it('is that of the folder on the disk', () => {
    for (const path of ['c:\\DATA\\flowers', 'C:\\Data\\Flowers'])
      expect(asOnDisk(path, 'win32', real)).toBe('C:\\Data\\Flowers');
  });

  it('stays where its letters count, where it leads over a link, and where nothing is', () => {
    expect(asOnDisk('c:\\DATA\\flowers', 'linux', real)).toBe('c:\\DATA\\flowers');
    expect(asOnDisk('/link/flowers', 'darwin', real)).toBe('/link/flowers');
    expect(asOnDisk('/none', 'darwin', real)).toBe('/none');
  });
});
