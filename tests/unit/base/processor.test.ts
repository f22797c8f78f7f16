import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  flagsIn,
  hasBfloat16Products,
  thisProcessor,
  whyNotMultiplied,
  type Processor,
} from '../../../src-main/base/processor.ts';

/** Which precision a processor multiplies, by the flags that Linux lists. */

const AVX2 = 'fma avx avx2';
const AVX512 = `${AVX2} avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni`;
const FLAGS = {
  haswell: AVX2,
  sierraForest: `${AVX2} avx_vnni avx_vnni_int8 avx_ne_convert`,
  knightsLanding: `${AVX2} avx512f avx512cd`,
  cascadeLake: AVX512,
  zen4: `${AVX512} avx512_bf16`,
  sapphireRapids: `${AVX512} avx_vnni avx512_bf16 avx512_fp16 amx_bf16 amx_tile amx_int8`,
  unknown: '',
} as const;
type Name = keyof typeof FLAGS;

function processor(name: Name, limit?: string): Processor {
  const flags = FLAGS[name].split(' ');
  return { flags, limit: limit === undefined ? null : { name: 'ONEDNN_MAX_CPU_ISA', value: limit } };
}

describe('without a limit', () => {
  // Auto takes bfloat16; bfloat16 by name is refused; float16 by name is refused.
  test.each<[Name, boolean, boolean, boolean]>([
    ['haswell', false, true, false],
    ['sierraForest', false, false, false],
    ['knightsLanding', false, true, false],
    ['cascadeLake', false, false, false],
    ['zen4', true, false, false],
    ['sapphireRapids', true, false, false],
    ['unknown', false, true, false],
  ])('%s', (name, auto, bfloat16, float16) => {
    expect(hasBfloat16Products(processor(name))).toBe(auto);
    const refused = (precision: string) => whyNotMultiplied(precision, processor(name))?.code;
    expect(refused('bfloat16')).toBe(bfloat16 ? 'value.processor' : undefined);
    expect(refused('float16')).toBe(float16 ? 'value.processor' : undefined);
    for (const precision of ['float32', 'auto']) expect(refused(precision)).toBeUndefined();
  });
});

// As Linux printed them: Raspberry Pi 5 (hrw/arm-socs-table#96), Ampere Altra (archspec-json#41), Graviton 3 on a kernel
// that does not list bfloat16 (archspec-json#51) and on a later one, Neoverse V3AE (archspec-json's targets).
const N1 = 'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm';
const V1 = `${N1} jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs`;
const ARM = [
  ['Raspberry Pi 5', '108.00', `${N1} lrcpc dcpop asimddp`, '0xd0b', false],
  ['Ampere Altra', '50.00', `${N1} lrcpc dcpop asimddp ssbs`, '0xd0c', false],
  ['Graviton 3, older kernel', '2100.00', V1, '0xd40', false],
  ['Graviton 3', '2100.00', `${V1} paca pacg dcpodp svei8mm svebf16 i8mm bf16 dgh rng`, '0xd40', true],
  [
    'Neoverse V3AE',
    '2000.00',
    `${V1} sb paca pacg dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bf16 dgh bti ecv afp wfxt`,
    '0xd83',
    true,
  ],
] as const;

describe('on ARM', () => {
  const cpuinfo = (speed: string, features: string, part: string): string =>
    ['0', '1']
      .map((number) => [
        `processor\t: ${number}\nBogoMIPS\t: ${speed}\nFeatures\t: ${features}\n`,
        `CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: ${part}\nCPU revision\t: 1\n\n`,
      ])
      .flat()
      .join('');

  // oneDNN has bfloat16 where Linux lists `bf16`; auto takes float32 until somebody has measured the other.
  test.each(ARM)('%s', (_, speed, features, part, bfloat16) => {
    const arm = { flags: flagsIn(cpuinfo(speed, features, part)), limit: null };
    expect(arm.flags).toEqual(features.split(' '));
    expect(hasBfloat16Products(arm)).toBe(false);
    expect(whyNotMultiplied('bfloat16', arm)?.code).toBe(bfloat16 ? undefined : 'value.processor');
    expect(whyNotMultiplied('bfloat16', { ...arm, limit: { name: 'ONEDNN_MAX_CPU_ISA', value: 'avx2' } })?.code).toBe(
      bfloat16 ? undefined : 'value.processor',
    );
    for (const precision of ['float32', 'float16', 'auto']) expect(whyNotMultiplied(precision, arm)).toBeNull();
  });

  test('reads no flags where there are none', () => {
    expect(flagsIn('')).toEqual([]);
    expect(flagsIn('processor\t: 0\nFeatures\t:\nCPU part\t: 0xd0b\n')).toEqual([]);
    expect(flagsIn('processor\t: 0\nflags\t\t: fpu avx2\n')).toEqual(['fpu', 'avx2']);
  });
});

describe("with oneDNN's limit", () => {
  test.each<[Name, string, boolean, boolean, boolean]>([
    ['zen4', 'avx2', false, true, false],
    ['zen4', 'avx2_vnni_2', false, true, false],
    ['zen4', 'avx512_core', false, false, false],
    ['zen4', 'avx512_core_bf16', true, false, false],
    ['zen4', 'avx512_core_amx', true, false, false],
    // It is no level: oneDNN takes it for none.
    ['zen4', 'avx3', true, false, false],
    ['zen4', 'all', true, false, false],
    ['sierraForest', 'avx2_vnni', false, true, true],
    ['sierraForest', 'avx2_vnni_2', false, false, false],
    ['sapphireRapids', 'avx2', false, true, true],
    ['sapphireRapids', 'avx512_core_bf16', true, false, true],
    ['sapphireRapids', 'avx512_core_fp16', true, false, false],
  ])('%s, %s', (name, limit, auto, bfloat16, float16) => {
    const limited = processor(name, limit);
    expect(hasBfloat16Products(limited)).toBe(auto);
    const why = (precision: string) => ({
      code: 'value.processor-limit',
      params: { precision, name: 'ONEDNN_MAX_CPU_ISA', limit },
    });
    expect(whyNotMultiplied('bfloat16', limited)).toEqual(bfloat16 ? why('bfloat16') : null);
    expect(whyNotMultiplied('float16', limited)).toEqual(float16 ? why('float16') : null);
  });

  test('names the processor where it would not multiply bfloat16 without the limit either', () => {
    expect(whyNotMultiplied('bfloat16', processor('haswell', 'avx2'))?.code).toBe('value.processor');
  });
});

describe('the variable', () => {
  afterEach(() => void vi.unstubAllEnvs());

  // As oneDNN: its own name before the older one, an empty value for none, letters of either case.
  test.each([
    ['AVX2', '', { name: 'ONEDNN_MAX_CPU_ISA', value: 'avx2' }],
    ['', 'Avx2', { name: 'DNNL_MAX_CPU_ISA', value: 'avx2' }],
    ['ALL', 'AVX2', { name: 'ONEDNN_MAX_CPU_ISA', value: 'all' }],
    ['', '', null],
  ])('%j, the older %j', (ours, older, limit) => {
    vi.stubEnv('ONEDNN_MAX_CPU_ISA', ours);
    vi.stubEnv('DNNL_MAX_CPU_ISA', older);
    expect(thisProcessor().limit).toEqual(limit);
  });
});
